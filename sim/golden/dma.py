"""The scatter-gather DMA engine, memory to memory."""

from functools import partial

from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.descriptor import CDMA_BYTES, CDMA_CONTROL, CDMA_STATUS, CdmaWord

from .bus import Bursts, DeviceBus
from .coalescer import Coalescer
from .lists import WORD, Failed, access_data, access_descriptor

__all__ = ["Dma"]

_VERSION = 1
_ADDRESSES = 1 << 64
_CR, _SR = CDMA_REGISTERS["cr"], CDMA_REGISTERS["sr"]
_HOLES = ("key_hole_read", "key_hole_write")
_ENABLES = ("ioc_irq_en", "dly_irq_en", "err_irq_en")
#: 64-bit registers by the offset of each half: name, and shift of the half.
_HALVES = {CDMA_REGISTERS[name + half].offset: (name, shift)
           for name in ("curdesc", "taildesc", "sa", "da", "err_addr")
           for half, shift in (("", 0), ("_msb", 32))}
_OTHERS = {register.offset: register.name for register in CDMA_REGISTERS
           if register.offset not in _HALVES}


class Dma:
    """AXI CDMA: simple and scatter-gather transfers.

    A transfer is done by :meth:`step`: one descriptor, or one simple transfer, each time. The first
    access that is refused stops the engine until it is reset. Reads go before the writes of the
    same data, burst by burst; hardware has several bursts in flight, so after an error only this is
    the same on every machine: the status register and word, the page of ``err_addr``, the first
    fault record of each direction, and memory outside the destination of the failed transfer.

    Parameters
    ----------
    bus : DeviceBus
        Descriptors and data.
    device_id : int
        Value of the register of that name.
    data_bytes, max_beats, reads_in_flight : int
        Width of the bus in bytes, longest burst in beats, and read bursts that may be outstanding.
    key_hole : bool
        Whether addresses can be fixed.

    Source
    ------
    AMD PG034, "AXI Central Direct Memory Access", sections "Register Space", "Scatter Gather Mode",
    "Scatter Gather Transfer Descriptor Definition", "Interrupts".
    """

    def __init__(self, bus: DeviceBus, *, device_id: int = 0x10, data_bytes: int = 8,
                 max_beats: int = 16, reads_in_flight: int = 4, key_hole: bool = False):
        self._bus, self._device_id, self._key_hole = bus, device_id, key_hole
        self._bursts = Bursts(data_bytes=data_bytes, beats=max_beats)
        self._cap = CDMA_REGISTERS["cap"].pack({
            "version": _VERSION, "data_bytes_log2": data_bytes.bit_length() - 1,
            "cyclic": 1, "timer": 1, "key_hole": key_hole,
            "reads_in_flight": reads_in_flight, "max_beats_log2": max_beats.bit_length() - 1})
        self.reset()

    def reset(self) -> None:
        """Back to the state after power-on, as ``cr.reset`` does."""
        self._control = dict.fromkeys(("sg_mode", *_HOLES, "cyclic_bd", *_ENABLES), 0)
        self._coalescer = Coalescer()
        self._endless = False           # the list is gone round
        self._errors: set[str] = set()
        self._irqs: set[str] = set()
        self._addrs = dict.fromkeys(("curdesc", "taildesc", "sa", "da", "err_addr"), 0)
        self._btt = self._done_descs = self._done_bytes = 0
        self._running = False
        self._next: int | None = None   # descriptor after the last one done
        self._low_first = False         # order in which software writes halves

    @property
    def irq(self) -> bool:
        """Level of the interrupt line."""
        return any(self._control[f"{irq}_en"] for irq in self._irqs)

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self._running

    @property
    def settled(self) -> bool:
        """Whether nothing will happen by itself."""
        return self.idle and not self._coalescer.waits

    def read(self, offset: int) -> int:
        """Read the 32-bit register at ``offset``; zero where there is none."""
        if offset in _HALVES:
            name, shift = _HALVES[offset]
            return self._addrs[name] >> shift & WORD
        match _OTHERS.get(offset):
            case "cr":
                return _CR.pack({"tail_pntr_en": 1, "irq_threshold": self._coalescer.threshold,
                                 "irq_delay": self._coalescer.delay, **self._control})
            case "sr":
                return _SR.pack({
                    "idle": int(self.idle), "sg_incld": 1,
                    "irq_threshold_sts": self._coalescer.left,
                    "irq_delay_sts": self._coalescer.units,
                    **dict.fromkeys(self._errors | self._irqs, 1)})
            case "btt":
                return self._btt
            case "cap":
                return self._cap
            case "device_id":
                return self._device_id
            case "done_descs":
                return self._done_descs & WORD
            case "done_bytes":
                return self._done_bytes & WORD
            case _:
                return 0

    def write(self, offset: int, value: int) -> None:
        """Write the 32-bit register at ``offset``; ignored where there is none."""
        if offset in _HALVES:
            self._write_address(*_HALVES[offset], value)
            return
        match _OTHERS.get(offset):
            case "cr":
                self._write_control(value)
            case "sr":
                self._irqs -= {irq for irq in self._irqs if _SR[irq].get(value)}
            case "btt":
                self._btt = CDMA_REGISTERS["btt"]["bytes"].get(value)
                if not self._control["sg_mode"]:
                    self._start()

    def step(self) -> bool:
        """Do one transfer, if there is one to do. Returns whether there was."""
        self._irqs |= self._coalescer.tick()
        if not self._running:
            return False
        try:
            if self._control["sg_mode"]:
                self._descriptor()
            else:
                self._copy(self._addrs["sa"], self._addrs["da"], self._btt)
                self._running = False
                self._irqs |= self._coalescer.completed() | self._coalescer.idle()
        except Failed as failure:
            self._running = False
            self._errors = failure.errors
            self._irqs.add("err_irq")
            self._addrs["err_addr"] = failure.addr
        return True

    def _write_control(self, value: int) -> None:
        if _CR["reset"].get(value):
            self.reset()
            return
        if not self._running:
            self._control["sg_mode"] = _CR["sg_mode"].get(value)
            for name in _HOLES:
                self._control[name] = self._key_hole & _CR[name].get(value)
        for name in ("cyclic_bd", *_ENABLES):
            self._control[name] = _CR[name].get(value)
        self._coalescer.control(_CR["irq_threshold"].get(value), _CR["irq_delay"].get(value))
        if not self._control["sg_mode"]:
            self._addrs["curdesc"] = self._addrs["taildesc"] = 0
            self._next = None

    def _write_address(self, name: str, shift: int, value: int) -> None:
        new = self._addrs[name] & ~(WORD << shift) | value << shift
        scatter = bool(self._control["sg_mode"])
        match name:
            case "sa" | "da":
                self._addrs[name] = new
            case "curdesc" if scatter and not self._running:
                self._addrs[name] = new & ~0x3F
                self._next = None
                self._low_first = bool(shift)
            case "taildesc" if scatter:
                self._addrs[name] = new & ~0x3F
                if bool(shift) == self._low_first:      # the later half
                    self._start()

    def _start(self) -> None:
        if not self._running and not self._errors:
            self._running = True
            self._endless = bool(self._control["sg_mode"] and self._control["cyclic_bd"])

    def _descriptor(self) -> None:
        """Fetch a descriptor, do what it says, and tell how it went."""
        where = self._addrs["curdesc"] if self._next is None else self._next
        self._addrs["curdesc"] = where
        words = access_descriptor(where, lambda: self._bus.read(where, CDMA_BYTES))
        word = {key: int.from_bytes(words[key:key + 4], "little") for key in CdmaWord}
        if CDMA_STATUS.get(word[CdmaWord.STATUS], "cmplt") and not self._endless:
            raise Failed("sg_int_err", where)
        failure = None
        try:
            self._copy(word[CdmaWord.SA_MSB] << 32 | word[CdmaWord.SA],
                       word[CdmaWord.DA_MSB] << 32 | word[CdmaWord.DA],
                       CDMA_CONTROL.get(word[CdmaWord.CONTROL], "btt"))
        except Failed as error:
            failure = error
        status = CDMA_STATUS.pack(cmplt=1, **({failure.bit: 1} if failure else {}))
        status_addr = where + CdmaWord.STATUS
        access_descriptor(
            status_addr, lambda: self._bus.write(status_addr, status.to_bytes(4, "little")),
            write=True)
        if failure:
            raise failure
        self._next = (word[CdmaWord.NXTDESC_MSB] << 32 | word[CdmaWord.NXTDESC]) & ~0x3F
        self._running = self._endless or where != self._addrs["taildesc"]
        self._done_descs += 1
        self._irqs |= self._coalescer.completed()
        if not self._running:
            self._irqs |= self._coalescer.idle()

    def _copy(self, source: int, target: int, size: int) -> None:
        goes = [1 - self._control[name] for name in _HOLES]     # 0 where an address stays
        if not size or max(source + size * goes[0], target + size * goes[1]) > _ADDRESSES:
            raise Failed("dma_int_err")
        if all(goes):
            self._piece(source, target, size)
            return
        width = self._bursts.data_bytes
        step = width - max(source % width * (not goes[0]), target % width * (not goes[1]))
        for at in range(0, size, step):
            self._piece(source + at * goes[0], target + at * goes[1], min(step, size - at))

    def _piece(self, source: int, target: int, size: int) -> None:
        writes = self._bursts.cut(target, size)
        where, room = next(writes)
        held = b""
        for addr, count in self._bursts.cut(source, size):
            held += access_data(self._bursts.word(addr), partial(self._bus.read, addr, count))
            while room and len(held) >= room:
                access_data(self._bursts.word(where),
                            partial(self._bus.write, where, held[:room]), write=True)
                self._done_bytes += room
                held = held[room:]
                where, room = next(writes, (0, 0))
