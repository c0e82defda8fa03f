"""Driver of the cache controller: clean, invalidate and flush by physical range.

Within a batch, operations are queued in the controller, and waited for only at its end: what Linux
prepares as "separate DMA sync issuing and completion waiting".

Source: Linux ``drivers/cache/starfive_starlink_cache.c`` (the three operations, and polling).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rtl.spec.cache_regs import CACHE_REGISTERS, CacheCommand, CacheMode
from rtl.spec.platform import CACHE_BASE, Irq

from ..core.addresses import PAGE_SHIFT, PhysAddr
from ..core.errno import ENODEV
from ..core.kernel import Kernel
from ..device.device import Device
from ..device.messages import dev_err
from ..platform.iopoll import poll_timeout
from ..platform.irq import IRQ_HANDLED, IRQ_NONE, IrqReturn, free_irq, request_irq
from ..platform.registers import Registers

__all__ = ["CacheController"]

#: How long an operation may take, in cycles.
TIMEOUT_CYCLES = 1_000_000
_ERRORS = "refill_error", "write_error", "refused"


class CacheController:
    """The CPU's cache. Ranges are rounded out to whole lines (R94).

    Parameters
    ----------
    kernel : Kernel
        Kernel that drives it.
    base : int
        Address of its registers.
    """

    def __init__(self, kernel: Kernel, base: int = CACHE_BASE):
        self._kernel, self.line_bytes = kernel, kernel.platform.line_bytes
        self.dev = Device("cache")
        self.regs = Registers(CACHE_REGISTERS, kernel.machine, base)
        self._places = self._batches = self._queued = self._windows = self._allocates = 0
        self._guarded: dict[tuple[int, int], int] = {}

    def probe(self) -> int:
        """Check the geometry, and have errors reported. 0 or a negative error number."""
        cap = self.regs.cap.fields()
        line, self._places = 1 << cap["line_bytes_log2"], cap["commands"]
        cap2 = self.regs.cap2.fields()
        self._windows, self._allocates = cap2["guards"], cap2["allocate"]
        if line != self.line_bytes:
            dev_err(self.dev, "line of %d bytes, the platform says %d", line, self.line_bytes)
            return -ENODEV
        if rc := request_irq(Irq.CACHE, self._interrupt, 0, "cache", self):
            return rc
        self.regs.irq_en.write(**dict.fromkeys(_ERRORS, 1))
        return 0

    def remove(self) -> None:
        """Silence the controller."""
        self.regs.irq_en.write()
        free_irq(Irq.CACHE, self)

    def _interrupt(self, irq: int, dev_id: object) -> IrqReturn:
        status = self.regs.status.fields()
        found = [name for name in _ERRORS if status[name]]
        if not found:
            return IRQ_NONE
        dev_err(self.dev, "%s at %#x", ", ".join(found), self.regs.err_addr.read())
        self.regs.status.write(**dict.fromkeys(found, 1))
        return IRQ_HANDLED

    def wback(self, phys: PhysAddr, size: int) -> None:
        """Write dirty lines back, and keep them: clean."""
        self._kernel.stats.cache_cleans += self._run(CacheMode.CLEAN_SHARED, phys, size)

    def inv(self, phys: PhysAddr, size: int) -> None:
        """Drop lines, dirty or not: invalidate."""
        self._kernel.stats.cache_invalidates += self._run(CacheMode.MAKE_INVALIDATE, phys, size)

    def wback_inv(self, phys: PhysAddr, size: int) -> None:
        """Write dirty lines back, and drop all: flush."""
        self._kernel.stats.cache_flushes += self._run(CacheMode.CLEAN_INVALIDATE, phys, size)

    def wback_inv_all(self) -> None:
        """Write every dirty line back, and drop all: flush the whole cache."""
        self._kernel.stats.cache_flushes += 1
        self._command("the whole cache", CacheMode.CLEAN_INVALIDATE, whole=1)

    def zero(self, phys: PhysAddr, size: int) -> bool:
        """Set whole lines to zero in the cache, and wait. False if that was not done.

        Raises
        ------
        ValueError
            If the range is not made of whole lines.
        """
        if (int(phys) | size) % self.line_bytes:
            raise ValueError(f"Range must be whole lines of {self.line_bytes} bytes, not {size} "
                             f"bytes at {int(phys):#x}")
        return self._bring(CacheCommand.ZERO, phys, size)

    def prefetch(self, phys: PhysAddr, size: int) -> bool:
        """Bring lines into the cache, and wait. False if the controller cannot."""
        return self._bring(CacheCommand.PREFETCH, phys, size)

    def _bring(self, mode: CacheCommand, phys: PhysAddr, size: int) -> bool:
        if size <= 0 or not self._allocates:
            return False
        with self.batch():
            self.fence()
            self.regs.start.write(addr=int(PhysAddr.check(phys)))
            self.regs.end.write(addr=int(phys) + size)
            self._command(f"{int(phys):#x}", mode, whole=0)
            return self._take_result()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Issue the operations inside without waiting, and wait once, at the end of the block.

        Until then, nobody may rely on any of them, and nothing else may be done that needs one,
        such as a change of page tables. Without a command queue, each is waited for.
        """
        self._batches += 1
        try:
            yield
        finally:
            self._batches -= 1
            if not self._batches:
                self.fence()

    def guard(self, phys: PhysAddr, size: int) -> bool:
        """Keep the pages of the range out of the cache until :meth:`unguard`, and flush the range.

        Returns False, and does nothing, if no window is free.
        """
        key = int(phys), size
        free = [n for n in range(self._windows) if n not in self._guarded.values()]
        if size <= 0 or not (free or key in self._guarded):
            return False
        number = self._guarded.setdefault(key, free[0] if free else -1)
        first, last = (addr >> PAGE_SHIFT for addr in (key[0], key[0] + size - 1))
        getattr(self.regs, f"guard{number}_last").write(page=last)
        getattr(self.regs, f"guard{number}").write(on=1, page=first)
        self.wback_inv(phys, size)
        return True

    def unguard(self, phys: PhysAddr, size: int) -> bool:
        """Let the range be cached again: nothing of it is. False if it was not guarded."""
        number = self._guarded.pop((int(phys), size), None)
        if number is None:
            return False
        getattr(self.regs, f"guard{number}").write()
        return True

    def fence(self) -> None:
        """Wait until all operations that were issued are done."""
        while self._queued:
            self._take_result()

    def _run(self, mode: CacheMode, phys: PhysAddr, size: int) -> bool:
        if size <= 0:
            return False
        line = self.line_bytes
        start = int(PhysAddr.check(phys)) & -line
        end = int(phys) + size + line - 1 & -line
        self.regs.start.write(addr=start)
        self.regs.end.write(addr=end)
        self._command(f"{start:#x} to {end:#x}", mode, whole=0)
        stats, lines = self._kernel.stats, (end - start) // line
        stats.cache_lines += lines
        stats.lines_cleaned += lines * (mode is not CacheMode.MAKE_INVALIDATE)
        stats.lines_invalidated += lines * (mode is not CacheMode.CLEAN_SHARED)
        return True

    def _command(self, what: str, mode: CacheMode | CacheCommand, *, whole: int) -> None:
        """Start an operation after all earlier stores; wait for its end, unless in a batch."""
        if self._batches and self._places:
            if self._queued == self._places:
                self._take_result()
            self._kernel.cpu.mb()
            self.regs.cmd.write(mode=mode, whole=whole)
            self._queued += 1
            return
        self._kernel.cpu.mb()
        self.regs.ctl.write(enable=1, mode=mode, whole=whole)
        if not poll_timeout(self._kernel.machine, lambda: not self.regs.ctl.read("enable"),
                            TIMEOUT_CYCLES):
            dev_err(self.dev, "%s of %s timed out", mode.name, what)

    def _take_result(self) -> bool:
        """Wait for the oldest queued operation. What went wrong is told by the interrupt.

        Returns whether it was done in full.
        """
        self._queued -= 1
        if not poll_timeout(self._kernel.machine, lambda: self.regs.result.read("valid"),
                            TIMEOUT_CYCLES):
            dev_err(self.dev, "a queued operation timed out")
            return False
        result = self.regs.result.fields()
        self.regs.result.write(valid=1)
        return not (result["error"] or result["refused"])
