"""The channels of the stream DMA engine."""

from functools import partial
from typing import NamedTuple

from rtl.spec.axi_dma_regs import AXI_DMA_REGISTERS
from rtl.spec.descriptor import (
    AXI_DMA_APPS,
    AXI_DMA_CONTROL,
    AXI_DMA_STATUS,
    CDMA_BYTES,
    AxiDmaWord,
)

from .bus import Bursts, DeviceBus
from .coalescer import Coalescer
from .lists import WORD, Failed, access_data, access_descriptor
from .stream_end import StreamEnd

__all__ = ["Channel", "Mm2s", "S2mm"]

_ADDRESSES = 1 << 64
_CR, _SR = AXI_DMA_REGISTERS["mm2s_cr"], AXI_DMA_REGISTERS["mm2s_sr"]
_LENGTH = AXI_DMA_REGISTERS["mm2s_length"]["bytes"]
_KEPT = ("run", "cyclic_bd", "ioc_irq_en", "dly_irq_en", "err_irq_en")
_APP_BYTES = 4 * AXI_DMA_APPS
_CONTROL_FLAG = (0xA000_0000).to_bytes(4, "little")
_IRQS = ("ioc_irq", "dly_irq", "err_irq")
#: 64-bit registers: name, and shift of each half.
_HALVES = {name + half: (name, shift) for name in ("curdesc", "taildesc", "sa", "da", "err_addr")
           for half, shift in (("", 0), ("_msb", 32))}


class Buffer(NamedTuple):
    """A buffer that was handed over: ``where`` is its descriptor, or None."""

    where: int | None
    addr: int
    size: int
    sof: bool
    eof: bool


class Channel:
    """Registers and descriptors; how bytes move is up to the two kinds of channel."""

    def __init__(self, bus: DeviceBus, bursts: Bursts, end: StreamEnd, app_end: StreamEnd):
        self._bus, self._bursts, self._end, self._app_end = bus, bursts, end, app_end
        self.app_words = 0              # packets have application words
        self.reset()

    def reset(self) -> None:
        """Back to the state after power-on."""
        self._control = dict.fromkeys(_KEPT, 0)
        self._coalescer = Coalescer()
        self._errors: set[str] = set()
        self._irqs: set[str] = set()
        self._addrs = {name: 0 for name, _ in _HALVES.values()}
        self._length = self._done_descs = self._done_bytes = 0
        self._low_first = False
        self._drop()

    def _drop(self) -> None:
        """Forget what was started."""
        self._active = self._endless = self._listed = False
        self._next: int | None = None
        self._buffer: Buffer | None = None
        self._moved = 0                 # bytes of the buffer

    @property
    def irq(self) -> int:
        """Level of the interrupt line."""
        return int(any(self._control[f"{irq}_en"] for irq in self._irqs))

    @property
    def _halted(self) -> bool:
        return not self._control["run"] or bool(self._errors)

    @property
    def settled(self) -> bool:
        """Whether nothing will happen by itself."""
        moves = self._active and not self._halted and (self._buffer is None or self._moves())
        return not moves and not self._coalescer.waits

    def read(self, name: str) -> int:
        """Read a register, by the name that it has in both channels."""
        if name in _HALVES:
            key, shift = _HALVES[name]
            return self._addrs[key] >> shift
        match name:
            case "cr":
                return _CR.pack({"tail_pntr_en": 1, "irq_threshold": self._coalescer.threshold,
                                 "irq_delay": self._coalescer.delay, **self._control})
            case "sr":
                return _SR.pack({
                    "halted": int(self._halted), "idle": int(not self._halted and not self._active),
                    "sg_incld": 1, "irq_threshold_sts": self._coalescer.left,
                    "irq_delay_sts": self._coalescer.units,
                    **dict.fromkeys(self._errors | self._irqs, 1)})
            case "length":
                return self._length
            case "done_descs":
                return self._done_descs
            case "done_bytes":
                return self._done_bytes
        return 0

    def write(self, name: str, value: int) -> None:
        """Write a register; resets are not for here."""
        match name:
            case "cr":
                self._control = {key: _CR[key].get(value) for key in _KEPT}
                if self._errors:
                    self._control["run"] = 0
                self._coalescer.control(_CR["irq_threshold"].get(value),
                                        _CR["irq_delay"].get(value))
            case "sr":
                self._irqs -= {irq for irq in _IRQS if _SR[irq].get(value)}
            case "length":
                if not self._halted and not self._active:
                    self._length = _LENGTH.get(value)
                    self._active, self._listed = True, False
            case _ if name in _HALVES:
                self._write_address(*_HALVES[name], value)

    def _write_address(self, name: str, shift: int, value: int) -> None:
        new = self._addrs[name] & ~(WORD << shift) | value << shift
        match name:
            case "sa" | "da":
                self._addrs[name] = new
            case "curdesc" if self._halted and not self._errors:
                self._drop()
                self._addrs[name] = new & ~0x3F
                self._low_first = bool(shift)
            case "taildesc" if not self._halted:
                self._addrs[name] = new & ~0x3F
                if bool(shift) == self._low_first and not self._active:
                    self._active = self._listed = True
                    self._endless = bool(self._control["cyclic_bd"])

    def step(self) -> None:
        """Do what can be done."""
        self._irqs |= self._coalescer.tick()
        if not self._active or self._halted:
            return
        try:
            if self._buffer is None:
                self._fetch()
            self._move(self._buffer)
        except Failed as failure:
            self._control["run"] = 0
            self._errors = failure.errors
            self._irqs.add("err_irq")
            self._addrs["err_addr"] = failure.addr

    def _fetch(self) -> None:
        """Take the next buffer."""
        self._moved = 0
        if not self._listed:
            self._buffer = Buffer(None, self._addrs[self.address], self._length, True, True)
            self._check(self._buffer)
            return
        where = self._addrs["curdesc"] if self._next is None else self._next
        self._addrs["curdesc"] = where
        words = access_descriptor(where, lambda: self._bus.read(where, CDMA_BYTES))
        word = {key: int.from_bytes(words[key:key + 4], "little")
                for key in AxiDmaWord if key < CDMA_BYTES}
        if AXI_DMA_STATUS.get(word[AxiDmaWord.STATUS], "cmplt") and not self._endless:
            raise Failed("sg_int_err", where)
        self._next = (word[AxiDmaWord.NXTDESC_MSB] << 32 | word[AxiDmaWord.NXTDESC]) & ~0x3F
        control = AXI_DMA_CONTROL.unpack(word[AxiDmaWord.CONTROL])
        self._buffer = Buffer(where, word[AxiDmaWord.BUFFER_MSB] << 32 | word[AxiDmaWord.BUFFER],
                              control["length"], bool(control["sof"]), bool(control["eof"]))
        self._check(self._buffer)

    def _check(self, buffer: Buffer) -> None:
        if not buffer.size or buffer.addr + buffer.size > _ADDRESSES:
            self._report(buffer, Failed("dma_int_err"))

    def _report(self, buffer: Buffer, failure: Failed) -> None:
        """End with an error, and tell the descriptor of it."""
        self._write_status(buffer, **{failure.bit: 1, **self._note(buffer)})
        raise failure

    def _write_status(self, buffer: Buffer, **fields: int) -> None:
        if buffer.where is not None:
            status, at = AXI_DMA_STATUS.pack(cmplt=1, **fields), buffer.where + AxiDmaWord.STATUS
            access_descriptor(at, lambda: self._bus.write(at, status.to_bytes(4, "little")),
                              write=True)

    def _finish(self, buffer: Buffer, *, counts: bool) -> None:
        """Complete the buffer."""
        self._write_status(buffer, **self._note(buffer))
        self._buffer = None
        if self._listed:
            self._done_descs += 1
            self._active = self._endless or buffer.where != self._addrs["taildesc"]
        else:
            self._active, self._length = False, self._moved
        if counts:
            self._irqs |= self._coalescer.completed()
        if not self._active:
            self._irqs |= self._coalescer.idle()

    #: Register with the address of a single transfer.
    address = ""

    def _moves(self) -> bool:
        """Whether the stream lets something pass, sooner or later."""
        raise NotImplementedError

    def _move(self, buffer: Buffer) -> None:
        """Move bytes."""
        raise NotImplementedError

    def _note(self, buffer: Buffer) -> dict[str, int]:
        """Fields of the status that say what was moved."""
        raise NotImplementedError


class Mm2s(Channel):
    """From memory to the stream."""

    address = "sa"

    def _drop(self) -> None:
        super()._drop()
        if getattr(self, "_inside", False):     # of a packet
            self._end.cut()
        self._inside, self._held = False, b""

    def _moves(self) -> bool:
        return self._end.takes

    def _fetch(self) -> None:
        super()._fetch()
        buffer = self._buffer
        if self.app_words and buffer.sof and buffer.where is not None:
            at = buffer.where + AxiDmaWord.APP0
            words = access_descriptor(at, lambda: self._bus.read(at, _APP_BYTES))
            self._app_end.take(_CONTROL_FLAG + words, last=True)

    def _move(self, buffer: Buffer) -> None:
        if not self._held and not self._moved:
            for addr, count in self._bursts.cut(buffer.addr, buffer.size):
                try:
                    self._held += access_data(
                        self._bursts.word(addr), partial(self._bus.read, addr, count))
                except Failed as failure:
                    self._held = b""
                    self._report(buffer, failure)
        room = self._end.room()
        part = self._held if room is None else self._held[:room]
        if part:
            self._held = self._held[len(part):]
            self._moved += len(part)
            self._done_bytes += len(part)
            ends = buffer.eof and not self._held
            self._end.take(part, last=ends)
            self._inside = not ends
        if not self._held:
            self._finish(buffer, counts=buffer.eof)

    def _note(self, buffer: Buffer) -> dict[str, int]:
        return {"transferred": buffer.size}


class S2mm(Channel):
    """From the stream to memory."""

    address = "da"

    def _drop(self) -> None:
        super()._drop()
        self._fresh = True                      # the next byte begins a packet
        self._awaits = False                    # the buffer is over, but for application words
        self._sof = self._eof = False

    def _moves(self) -> bool:
        return self._app_end.waits if self._awaits else self._end.waits

    def _move(self, buffer: Buffer) -> None:
        if self._awaits:
            self._over(buffer)
            return
        while given := self._end.give(buffer.size - self._moved):
            data, last = given
            if not self._moved:
                self._sof = self._fresh
            self._fresh = self._eof = last
            self._store(buffer, data)
            if last or self._moved == buffer.size:
                break
        else:
            return
        if buffer.where is None and not self._eof:
            self._report(buffer, Failed("dma_int_err"))
        self._over(buffer)

    def _over(self, buffer: Buffer) -> None:
        """End a buffer: one in which a packet ended when its application words have come."""
        self._awaits = bool(self.app_words and self._eof)
        if self._awaits:
            given = self._app_end.give(4 + _APP_BYTES)
            if given is None:
                return
            self._awaits = False
            if buffer.where is not None:
                at, words = buffer.where + AxiDmaWord.APP0, given[0][-_APP_BYTES:]
                access_descriptor(at, lambda: self._bus.write(at, words), write=True)
        self._finish(buffer, counts=self._eof or buffer.eof)

    def _store(self, buffer: Buffer, data: bytes) -> None:
        for addr, count in self._bursts.cut(buffer.addr + self._moved, len(data)):
            part, data = data[:count], data[count:]
            try:
                access_data(self._bursts.word(addr), partial(self._bus.write, addr, part),
                            write=True)
            except Failed as failure:
                self._report(buffer, failure)
            self._moved += count
            self._done_bytes += count

    def _note(self, buffer: Buffer) -> dict[str, int]:
        if not self._moved:
            return {"transferred": 0}
        return {"transferred": self._moved, "sof": int(self._sof), "eof": int(self._eof)}
