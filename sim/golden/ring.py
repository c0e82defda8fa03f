"""The native ring front end of the DMA engine."""

from collections.abc import Callable
from typing import TypeVar

from rtl.spec.platform import BusError
from rtl.spec.ring_formats import (
    COMPLETION,
    COMPLETION_BYTES,
    RING_MAX_BYTES,
    SLOT_BYTES,
    WORD_0,
    WORD_1,
    WORD_2,
    WORD_3,
    RingFault,
    RingOp,
)
from rtl.spec.ring_regs import RING_REGISTERS

from .bus import Bursts, DeviceBus

__all__ = ["Ring"]

_T, _R = TypeVar("_T"), TypeVar("_R")
_VERSION = 1
_RING = 4                                       # bit of faults of the ring itself
_WORD, _SLOTS = (1 << 32) - 1, 1 << 16
_CR, _SR = RING_REGISTERS["cr"], RING_REGISTERS["sr"]
_NAMES = {register.offset: register.name for register in RING_REGISTERS}
#: Registers that keep what is written, and which bits.
_KEPT = {name: sum(((1 << field.width) - 1) << field.lsb for field in RING_REGISTERS[name])
         for name in ("size", "base", "base_msb", "completion_base", "completion_base_msb", "tail")}


class _Failed(Exception):
    """A descriptor ends: fault, and address of the access, and what it was."""

    def __init__(self, fault: RingFault, addr: int = 0, *, write: bool = False,
                 refused: bool = False):
        super().__init__(fault.name)
        self.fault, self.addr, self.write, self.refused = fault, addr, write, refused

    @classmethod
    def ring(cls, error: BusError, *, write: bool = False) -> "_Failed":
        """Make the failure of an access of a ring."""
        fault = RingFault.RING_DEC if error.resp == "DECERR" else RingFault.RING_SLV
        return cls(fault, write=write, refused=error.refused)


class Ring:
    """One channel. :meth:`step` does one descriptor each time.

    As with the list, after an error only this is the same on every machine: fault and slot of the
    completion, the page of ``err_addr``, and memory outside the destination of what failed.

    Parameters
    ----------
    bus : DeviceBus
        Descriptors, completions and data.
    device_id : int
        Value of the register of that name.
    addr_bits : int
        Width of DMA addresses.
    data_bytes, max_beats, reads_in_flight, depth, own_port, fill, strided, cyclic, process_id,
    urgent, proceed
        As :class:`rtl.params.RingParams` has them; what the capability registers say.

    Source
    ------
    docs/ring.md.
    """

    def __init__(self, bus: DeviceBus, *, device_id: int = 0x11, addr_bits: int = 64,
                 data_bytes: int = 8, max_beats: int = 16, reads_in_flight: int = 16,
                 depth: int = 32, own_port: bool = False, fill: bool = False,
                 strided: bool = False, cyclic: bool = False, process_id: bool = False,
                 urgent: bool = False, proceed: bool = False):
        self._bus, self._addresses = bus, 1 << addr_bits
        self._bursts = Bursts(data_bytes=data_bytes, beats=max_beats)
        self._has = {"fill": fill, "strided": strided, "cyclic": cyclic,
                     "process_id": process_id, "urgent": urgent, "proceed": proceed}
        self._fixed = {
            "cap": RING_REGISTERS["cap"].pack({
                "version": _VERSION, "data_bytes_log2": data_bytes.bit_length() - 1,
                "own_port": own_port, "reads_in_flight": reads_in_flight,
                "max_beats_log2": max_beats.bit_length() - 1, **self._has}),
            "cap2": RING_REGISTERS["cap2"].pack({"addr_bits": addr_bits, "depth": depth}),
            "device_id": device_id,
        }
        self.reset()

    def reset(self) -> None:
        """Back to the state after power-on, as ``cr.reset`` does."""
        self._kept = dict.fromkeys(_KEPT, 0)
        self._control = {"run": 0, "pause": 0, "cyclic": 0, "urgent": 0, "proceed": 0,
                         "irq_en": 0, "err_irq_en": 0}
        self._process, self._bus.process_id = 0, None
        self._threshold = self._left = 1
        self._untold = False
        self._irqs: set[str] = set()
        self._error, self._err_slot = _Failed(RingFault.NONE), 0
        self._head = self._done_slot = self._count = self._done_bytes = 0
        self._halted = False
        self._rest = 0

    @property
    def irq(self) -> bool:
        """Level of the interrupt line."""
        return any(self._control[f"{irq}_en"] for irq in self._irqs)

    @property
    def idle(self) -> bool:
        """Whether there is nothing that :meth:`step` would do."""
        return self._over or bool(self._control["pause"])

    @property
    def _over(self) -> bool:
        """Whether all was done, or nothing more will be."""
        return (self._halted or not self._control["run"] or self._head == self._kept["tail"])

    def read(self, offset: int) -> int:
        """Read the 32-bit register at ``offset``; zero where there is none."""
        name = _NAMES.get(offset, "")
        if name in self._fixed:
            return self._fixed[name]
        if name in self._kept:
            return self._kept[name]
        match name:
            case "cr":
                return _CR.pack({**self._control, "irq_threshold": self._threshold})
            case "sr":
                return _SR.pack({
                    "idle": self._over, "paused": self._control["pause"],
                    "halted": self._halted, "fault": self._error.fault,
                    "write": self._error.write, "refused": self._error.refused,
                    **dict.fromkeys(self._irqs, 1)})
            case "head":
                return self._head
            case "process_id":
                return self._process
            case "done":
                return RING_REGISTERS["done"].pack(
                    {"slot": self._done_slot, "count": self._count % _SLOTS})
            case "done_bytes":
                return self._done_bytes & _WORD
            case "err_addr":
                return self._error.addr & _WORD
            case "err_addr_msb":
                return self._error.addr >> 32
            case "err_slot":
                return self._err_slot
        return 0

    def write(self, offset: int, value: int) -> None:
        """Write the 32-bit register at ``offset``; ignored where there is none."""
        name = _NAMES.get(offset, "")
        if name in self._kept:
            self._kept[name] = value & _KEPT[name]
        match name:
            case "cr" if _CR["reset"].get(value):
                self.reset()
            case "cr":
                over, before = self._over, self._control
                self._control = {key: _CR[key].get(value) for key in before}
                for key in ("cyclic", "urgent", "proceed"):
                    self._control[key] = self._control[key] if over else before[key]
                    self._control[key] &= self._has[key]
                self._threshold = _CR["irq_threshold"].get(value) or self._threshold
                self._left = self._threshold
            case "sr":
                self._irqs -= {irq for irq in self._irqs if _SR[irq].get(value)}
            case "process_id" if self._over and self._has["process_id"]:
                self._process = value & 0x800F_FFFF
                self._bus.process_id = value & 0xF_FFFF if value >> 31 else None
            case "head" if not self._control["run"]:
                self._head = value % _SLOTS
        self._flush()

    def step(self) -> bool:
        """Do one descriptor, if there is one to do. Returns whether there was.

        In a cyclic ring one takes as many steps as beats, so that software can keep up.
        """
        if self.idle:
            return False
        if self._rest:
            self._rest -= 1
            return False
        before = self._done_bytes
        slot, irq, failure = self._head, False, None
        try:
            first = self._slot()
            irq = bool(WORD_1.get(first[1], "irq"))
            second = (0, 0)
            if WORD_1.get(first[1], "long"):
                if self._head == self._kept["tail"]:        # its other half is still to come
                    self._head = slot
                    return False
                second = self._slot()
            self._do(first, second)
        except _Failed as failed:
            failure = failed
        try:
            self._complete(slot, failure)
        except BusError as error:
            failure = failure or _Failed.ring(error, write=True)
        self._count += 1
        if failure:
            self._halted = bool(failure.fault & _RING or not self._control["proceed"])
            if "err_irq" not in self._irqs:
                self._error, self._err_slot = failure, slot
            self._irqs.add("err_irq")
            self._flush()
            return True
        self._done_slot = slot
        if self._control["cyclic"]:
            self._rest = (self._done_bytes - before) // self._bursts.data_bytes
        if irq:
            self._left, self._untold = self._left - 1, True
            if not self._left:
                self._tell()
        self._flush()
        return True

    def _tell(self) -> None:
        self._left, self._untold = self._threshold, False
        self._irqs.add("irq")

    def _flush(self) -> None:
        """Report what is left when nothing more will come."""
        if self._untold and not self._halted and (
                not self._control["run"] or self._head == self._kept["tail"]):
            self._tell()

    def _place(self, name: str, number: int, size: int) -> int:
        base = self._kept[f"{name}_msb"] << 32 | self._kept[name]
        return base | number % (1 << self._kept["size"]) * size

    def _slot(self) -> tuple[int, int]:
        """Read the slot at the head."""
        where = self._place("base", self._head, SLOT_BYTES)
        self._head = (self._head + 1) % _SLOTS
        if self._control["cyclic"] and self._head == self._kept["tail"]:
            self._head = 0
        try:
            words = self._bus.read(where, SLOT_BYTES)
        except BusError as error:
            raise _Failed.ring(error) from None
        return int.from_bytes(words[:8], "little"), int.from_bytes(words[8:], "little")

    def _complete(self, slot: int, failure: _Failed | None) -> None:
        passes = self._count >> self._kept["size"]
        word = COMPLETION.pack(slot=slot, fault=failure.fault if failure else RingFault.NONE,
                               write=bool(failure and failure.write),
                               refused=bool(failure and failure.refused), phase=~passes & 1,
                               bytes=self._done_bytes & _WORD)
        self._bus.write(self._place("completion_base", self._count, COMPLETION_BYTES),
                        word.to_bytes(COMPLETION_BYTES, "little"))

    def _do(self, first: tuple[int, int], second: tuple[int, int]) -> None:
        """Carry out a descriptor."""
        target, op = WORD_1.get(first[1], "dst"), WORD_1.get(first[1], "op")
        long, strided = WORD_1.get(first[1], "long"), WORD_1.get(first[1], "strided")
        if long:
            source, size = first[0], WORD_2.get(second[0], "size")
            target |= WORD_2.get(second[0], "dst_high") << 48
        else:
            source, size = WORD_0.get(first[0], "src"), WORD_0.get(first[0], "size") or 1 << 16
        fill = op == RingOp.FILL and self._has["fill"]
        if (not (op == RingOp.COPY or fill) or not 0 < size <= RING_MAX_BYTES or
                (strided and not (long and self._has["strided"])) or
                max(0 if fill else source, target) >= self._addresses):
            raise _Failed(RingFault.INVALID)
        rows, strides = 1, (0, 0)
        if strided:
            rows = WORD_2.get(second[0], "rows") + 1
            strides = (WORD_3.get(second[1], "src_stride"), WORD_3.get(second[1], "dst_stride"))
        pattern = first[0].to_bytes(8, "little")[:8 if long else 4]
        for row in range(rows):
            src, dst = ((at + row * _signed(stride)) % self._addresses
                        for at, stride in zip((source, target), strides, strict=True))
            if max(0 if fill else src, dst) + size > self._addresses:
                raise _Failed(RingFault.INVALID)
            if fill:
                data = (pattern * (size // len(pattern) + 1))[:size]
            else:
                data = b"".join(self._access(self._bus.read, addr, count)
                                for addr, count in self._bursts.cut(src, size))
            self._store(dst, data)

    def _store(self, target: int, data: bytes) -> None:
        at = 0
        for addr, count in self._bursts.cut(target, len(data)):
            self._access(self._bus.write, addr, data[at:at + count])
            at += count
            self._done_bytes += count

    def _access(self, access: Callable[[int, _T], _R], addr: int, what: _T) -> _R:
        try:
            return access(addr, what)
        except BusError as error:
            raise _Failed(RingFault.DATA_DEC if error.resp == "DECERR" else RingFault.DATA_SLV,
                          self._bursts.word(addr), write=access == self._bus.write,
                          refused=error.refused) from None


def _signed(stride: int) -> int:
    return stride - (stride >> 31 << 32)
