"""A ring in coherent memory between software and the IOMMU: what commands and faults share.

Linux: ``drivers/iommu/riscv/iommu.c`` (order of the steps).

Source: RISC-V IOMMU Architecture Specification, chapter "In-memory queue interface" and section
"Software guidelines / Reading and writing of queues".
"""


from ..coherent.coherent import dma_free_coherent, dma_zalloc_coherent
from ..core.addresses import PAGE_SHIFT, VirtAddr
from ..core.errno import ENODEV, ENOMEM
from ..core.gfp import GFP_KERNEL
from ..device.device import Device
from ..device.messages import dev_err
from ..platform.iopoll import poll_timeout
from ..platform.registers import Registers

__all__ = ["Queue"]

#: How long the hardware may take to switch a queue, in cycles.
SWITCH_CYCLES = 10_000


class Queue:
    """What both rings have in common.

    Parameters
    ----------
    dev : Device
        The IOMMU, for memory and messages.
    regs : Registers
        Its registers.
    prefix : str
        ``"cq"`` or ``"fq"``.
    entry_bytes : int
        Bytes of an entry.
    """

    errors: tuple[str, ...] = ()

    def __init__(self, dev: Device, regs: Registers, prefix: str, entry_bytes: int):
        self._dev, self._prefix, self._entry_bytes = dev, prefix, entry_bytes
        self._machine, self._cpu = dev.kernel.machine, dev.kernel.cpu
        self._base, self._head, self._tail, self.csr = (
            getattr(regs, prefix + name) for name in ("b", "h", "t", "csr"))
        self._va: VirtAddr | None = None
        self.entries = 0

    def allocate(self, entries: int) -> int:
        """Give the ring memory for ``entries``, or as many as the hardware can have.

        Returns
        -------
        int
            0; ``-ENODEV`` if the hardware does not keep the base; ``-ENOMEM``.
        """
        self._base.write(log2sz_1=31)
        found = self._base.fields()
        if found["ppn"]:
            dev_err(self._dev, "%s: a ring at a fixed address is not supported", self._prefix)
            return -ENODEV
        self.entries = min(entries, 2 << found["log2sz_1"])
        size = self.entries * self._entry_bytes
        self._va, self._dma = dma_zalloc_coherent(self._dev, size, GFP_KERNEL)
        if self._va is None:
            return -ENOMEM
        base = {"log2sz_1": self.entries.bit_length() - 2, "ppn": self._dma >> PAGE_SHIFT}
        self._base.write(**base)
        if self._base.fields() != base:
            dev_err(self._dev, "%s: the base does not read back", self._prefix)
            return -ENODEV
        return 0

    def release(self) -> None:
        """Switch off, and free the memory."""
        if self._va is not None:
            self.disable()
            dma_free_coherent(self._dev, self.entries * self._entry_bytes, self._va, self._dma)
            self._va = None

    def _switch(self, *, on: bool) -> int:
        clear = dict.fromkeys(self.errors, 1)
        self.csr.write(**{f"{self._prefix}en": on, f"{self._prefix[0]}ie": on}, **clear)
        poll_timeout(self._machine, lambda: not self.csr.read("busy"), SWITCH_CYCLES)
        if self.csr.read(f"{self._prefix}on") != on:
            dev_err(self._dev, "%s: does not switch %s", self._prefix, "on" if on else "off")
            return -ENODEV
        return 0

    def disable(self) -> int:
        """Switch off. 0 or ``-ENODEV``."""
        return self._switch(on=False)

    def find_errors(self) -> list[str]:
        """Error bits that are set."""
        word = self.csr.fields()
        return [name for name in self.errors if word[name]]
