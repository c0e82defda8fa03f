"""Performance monitor of the RISC-V IOMMU, as ``perf stat`` has it.

    with IommuPerf(kernel.iommu) as perf:
        misses = perf.open(HpmEvent.TLB_MISS, device=dev)
        ...
        print(misses.read(), perf.cycles())

Source: RISC-V IOMMU Architecture Specification, sections on ``iocountinh`` to ``iohpmevt``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rtl.spec.hpm import HpmEvent

from ..core.errno import EBUSY, EINVAL, ENODEV, EOPNOTSUPP
from ..device.device import Device

if TYPE_CHECKING:
    from ..platform.registers import BoundRegister
    from .riscv_iommu import RiscvIommu

__all__ = ["IommuPerf", "PerfEvent"]

_ALL = (1 << 64) - 1
_MAX_COUNTERS = 31


class PerfEvent:
    """An event being counted, from zero. Made by :meth:`IommuPerf.open`."""

    def __init__(self, perf: "IommuPerf", number: int, counter: "BoundRegister"):
        self._perf, self.number, self._counter = perf, number, counter

    def read(self) -> int:
        """Events so far, modulo the width of the counter."""
        return self._perf._settled(self._counter.read)

    def close(self) -> None:
        """Stop, and let others have the counter."""
        self._perf._close(self.number)


class IommuPerf:
    """Counters of one IOMMU; as a context manager, all stop at its end.

    Parameters
    ----------
    iommu : RiscvIommu
        IOMMU, probed.

    Attributes
    ----------
    counters, bits : int
        Event counters that there are, and their width; 0 without a performance monitor.
    """

    def __init__(self, iommu: "RiscvIommu"):
        self._iommu, self._regs = iommu, iommu.regs
        self._used: set[int] = set()
        self.counters = self.bits = 0
        if iommu.capabilities["hpm"]:
            self._regs.iocountinh.write(cy=1, hpm=(1 << _MAX_COUNTERS) - 1)
            self.counters = self._regs.iocountinh.read("hpm").bit_length()
            self._counter(1).write(count=_ALL)
            self.bits = self._counter(1).read().bit_length()
            self._regs.iohpmcycles.write()
            self._inhibit()

    def __enter__(self) -> "IommuPerf":
        return self

    def __exit__(self, *exception: object) -> None:
        for number in tuple(self._used):
            self._close(number)

    def open(self, event: HpmEvent, *, device: Device | None = None, process: int | None = None,
             domain: int | None = None, guest: int | None = None) -> PerfEvent | int:
        """Count an event, from zero.

        Parameters
        ----------
        event : HpmEvent
            What to count.
        device, process : Device or None, int or None
            Only of that device, of that process.
        domain, guest : int or None
            Only of that PSCID, of that GSCID; not together with the two above.

        Returns
        -------
        PerfEvent or int
            The event; ``-ENODEV`` without a monitor, ``-EBUSY`` if all counters are in use,
            ``-EINVAL`` for filters that do not go together, ``-EOPNOTSUPP`` for an unknown event.
        """
        spaces = domain is not None or guest is not None
        if spaces and (device is not None or process is not None):
            return -EINVAL
        if not self.counters:
            return -ENODEV
        free = [n for n in range(1, self.counters + 1) if n not in self._used]
        if not free:
            return -EBUSY
        whole = guest if spaces else None if device is None else device.device_id
        part = domain if spaces else process
        number, select = free[0], self._select(free[0])
        select.write()                  # counts nothing while it changes
        self._counter(number).write()
        # OF = 1: no interrupt when it wraps, which a reader can tell by the width.
        select.write(event=event, idt=spaces, of=1, dv_gscv=whole is not None,
                     did_gscid=whole or 0, pv_pscv=part is not None, pid_pscid=part or 0)
        if select.read("event") != event:
            return -EOPNOTSUPP
        self._used.add(number)
        self._inhibit()
        return PerfEvent(self, number, self._counter(number))

    def cycles(self) -> int:
        """Cycles since the monitor was opened."""
        return self._settled(lambda: self._regs.iohpmcycles.read("count"))

    @staticmethod
    def _settled(read: Callable[[], int]) -> int:
        """Read two words of which the low one may overflow in between."""
        while True:
            before, value, after = read(), read(), read()
            if before >> 32 == value >> 32 == after >> 32:
                return value

    def _close(self, number: int) -> None:
        self._used.discard(number)
        self._select(number).write()
        self._inhibit()

    def _inhibit(self) -> None:
        """Let the cycles count, and the counters that are in use."""
        unused = ~sum(1 << number - 1 for number in self._used) & (1 << _MAX_COUNTERS) - 1
        self._regs.iocountinh.write(cy=0, hpm=unused)

    def _counter(self, number: int) -> "BoundRegister":
        return getattr(self._regs, f"iohpmctr_{number}")

    def _select(self, number: int) -> "BoundRegister":
        return getattr(self._regs, f"iohpmevt_{number}")
