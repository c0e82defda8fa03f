"""Driver of the RISC-V IOMMU: finds out what the hardware has, and puts devices in address spaces.

Source: RISC-V IOMMU Architecture Specification, chapters "Memory-mapped register interface" and
"Software guidelines"; Linux ``drivers/iommu/riscv/iommu.c`` (order of the steps).
"""

from collections import Counter

from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.page_table import DdtpMode, IosatpMode
from rtl.spec.platform import IOMMU_BASE, Irq

from ..core.addresses import PAGE_SHIFT, PAGE_SIZE, PhysAddr
from ..core.attrs import DMA_BIT_MASK
from ..core.bug import BUG_ON
from ..core.errno import EBUSY, EINVAL, ENODEV, ENOMEM
from ..core.kernel import Kernel
from ..device.device import Device
from ..device.messages import dev_err, dev_info, dev_warn
from ..iommu.domain import BlockedDomain, IdentityDomain, IommuDomain, PagingDomain
from ..platform.iopoll import poll_timeout
from ..platform.irq import IRQ_HANDLED, IRQ_NONE, IRQF_SHARED, IrqReturn, free_irq, request_irq
from ..platform.registers import Registers
from .riscv_iommu_commands import COMMANDS, CommandQueue, inval_ddt, inval_vma, powers_of_two
from .riscv_iommu_directory import DeviceDirectory
from .riscv_iommu_faults import FAULTS, FaultQueue, FaultRecord

__all__ = ["RiscvIommu"]

#: How long a change of mode may take, in cycles.
MODE_CYCLES = 100_000
#: More pages than this are invalidated together with all others of the address space.
INVALIDATE_PAGES = 512

_MODES = {"sv57": IosatpMode.SV57, "sv48": IosatpMode.SV48, "sv39": IosatpMode.SV39}
_LEVELS = {3: DdtpMode.LVL3, 2: DdtpMode.LVL2, 1: DdtpMode.LVL1}
_COMMAND_VECTOR, _FAULT_VECTOR = 0, 1
_LINES = Irq.IOMMU0, Irq.IOMMU1, Irq.IOMMU2, Irq.IOMMU3


class RiscvIommu:
    """One IOMMU.

    Parameters
    ----------
    kernel : Kernel
        Kernel that drives it.
    base : int
        Address of its registers.

    Attributes
    ----------
    capabilities : dict
        Fields of the ``capabilities`` register.
    directory : DeviceDirectory
        Device contexts.
    faults : list of FaultRecord
        All faults since boot, oldest first.
    fault_counts : Counter
        Faults by cause.
    """

    def __init__(self, kernel: Kernel, base: int = IOMMU_BASE):
        self.kernel = kernel
        self.dev = Device("riscv-iommu")
        self.regs = Registers(IOMMU_REGISTERS, kernel.machine, base)
        self.capabilities: dict[str, int] = {}
        self.faults: list[FaultRecord] = []
        self.fault_counts: Counter[int] = Counter()
        self.directory: DeviceDirectory | None = None
        self._commands = CommandQueue(self.dev, self.regs)
        self._fault_queue = FaultQueue(self.dev, self.regs)
        self._lines: set[int] = set()
        self._pscids: set[int] = set()

    # Probing

    def probe(self) -> int:
        """Find out what the hardware has, and set it up so that every access faults.

        Returns
        -------
        int
            0; ``-ENODEV`` if something is missing; ``-EBUSY`` if it is in use; ``-ENOMEM``.
        """
        if rc := self._check():
            return rc
        for step in (self._allocate, self._request_irqs, self._fault_queue.enable,
                     self._commands.enable, self._set_directory):
            if rc := step():
                self.remove()
                return rc
        dev_info(self.dev, "%s, %d-level directory", self.mode.name, self.directory.levels)
        return 0

    def _check(self) -> int:
        self.capabilities = found = CAPABILITIES.unpack(self.regs.capabilities.read())
        mode = next((mode for name, mode in _MODES.items() if found[name]), None)
        if found["version"] < 0x10 or mode is None:
            dev_err(self.dev, "version %#x without Sv39 is not supported", found["version"])
            return -ENODEV
        self.mode = mode
        self.dev.coherent_dma_mask = DMA_BIT_MASK(found["pas"])
        if self._poll_mode() > DdtpMode.BARE:
            dev_err(self.dev, "in use: mode %d", self.regs.ddtp.read("mode"))
            return -EBUSY
        self.regs.fctl.write(wsi=1)
        if found["igs"] == 0 or not self.regs.fctl.read("wsi") or self.regs.fctl.read("be"):
            dev_err(self.dev, "needs interrupts by wire, and little-endian tables")
            return -ENODEV
        return 0

    def _allocate(self) -> int:
        try:
            self.directory = DeviceDirectory(self.dev)
        except MemoryError:
            return -ENOMEM
        return self._commands.allocate(COMMANDS) or self._fault_queue.allocate(FAULTS)

    def _request_irqs(self) -> int:
        self.regs.icvec.write(civ=_COMMAND_VECTOR, fiv=_FAULT_VECTOR)
        handlers = {"civ": self._command_interrupt, "fiv": self._fault_interrupt}
        for name, handler in handlers.items():
            vector = self.regs.icvec.read(name)
            if vector >= len(_LINES):
                return -ENODEV
            line = _LINES[vector]
            # One vector for both is legal: then both handlers look.
            if rc := request_irq(line, handler, IRQF_SHARED, f"riscv-iommu-{name}", self):
                return rc
            self._lines.add(line)
        return 0

    def _poll_mode(self) -> int:
        poll_timeout(self.kernel.machine, lambda: not self.regs.ddtp.read("busy"), MODE_CYCLES)
        return self.regs.ddtp.read("mode")

    def _set_directory(self) -> int:
        """Offer three levels, then two, then one, and keep what the hardware keeps."""
        self.regs.ddtp.write(mode=self._poll_mode())
        if self.regs.ddtp.read("ppn"):
            dev_err(self.dev, "a directory at a fixed address is not supported")
            return -ENODEV
        for levels, mode in _LEVELS.items():
            self.regs.ddtp.write(mode=mode, ppn=self.directory.root >> PAGE_SHIFT)
            kept = self._poll_mode()
            if kept == mode:
                self.directory.levels = levels
                return self._commands.sync([inval_ddt(), inval_vma()])
            if kept > DdtpMode.BARE:
                dev_err(self.dev, "asked for directory mode %d, got %d", mode, kept)
                return -EINVAL
        dev_err(self.dev, "no directory mode was kept")
        return -ENODEV

    def remove(self) -> None:
        """Switch off: every access faults. Memory and interrupt lines are given back."""
        self.regs.ddtp.write(mode=DdtpMode.OFF)
        self._poll_mode()
        self._commands.release()
        self._fault_queue.release()
        for line in self._lines:
            free_irq(line, self)
        self._lines = set()
        if self.directory is not None:
            self.directory.release()

    # Interrupts

    def _command_interrupt(self, irq: int, dev_id: object) -> IrqReturn:
        if not self.regs.ipsr.read("cip"):
            return IRQ_NONE
        self._commands.fail()
        self.regs.ipsr.write(cip=1)
        return IRQ_HANDLED

    def _fault_interrupt(self, irq: int, dev_id: object) -> IrqReturn:
        if not self.regs.ipsr.read("fip"):
            return IRQ_NONE
        self.regs.ipsr.write(fip=1)
        for record in self._fault_queue.drain():
            self.faults.append(record)
            self.fault_counts[record.cause] += 1
            dev_warn(self.dev, "%s", record)
        if errors := self._fault_queue.find_errors():
            dev_err(self.dev, "fault queue error: %s", ", ".join(errors))
            self._fault_queue.csr.update(**dict.fromkeys(errors, 1))
            self.regs.ipsr.write(fip=1)
        return IRQ_HANDLED

    # Address spaces

    def clean(self, phys: PhysAddr, size: int) -> None:
        """Make what the CPU wrote visible to the walker."""
        if not self.kernel.platform.coherent:
            self.kernel.cache.wback(phys, size)

    def invalidate(self, pscid: int, start: int = 0, size: int = 0, stride: int = PAGE_SIZE) -> int:
        """Forget translations of an address space, and wait until no access uses them.

        Parameters
        ----------
        pscid : int
            The address space.
        start, size : int
            Range in bytes; all of it if ``size`` is 0.
        stride : int
            Smallest page in the range, in bytes.

        Returns
        -------
        int
            0; ``-EIO`` or ``-ETIMEDOUT`` if the hardware did not do it.
        """
        if size and self.capabilities["s"]:
            return self._commands.sync([inval_vma(pscid, *piece)
                                        for piece in powers_of_two(start, size)])
        if not 0 < size <= INVALIDATE_PAGES * stride:
            return self._commands.sync([inval_vma(pscid)])
        return self._commands.sync([inval_vma(pscid, iova)
                                    for iova in range(start, start + size, stride)])

    def paging_domain(self) -> PagingDomain:
        """Make an empty address space. Raises :exc:`MemoryError` without memory."""
        pscid = next(number for number in range(1, 1 << 20) if number not in self._pscids)
        domain = PagingDomain(self, self.mode, pscid)
        self._pscids.add(pscid)
        return domain

    def free_domain(self, domain: PagingDomain) -> None:
        """Free an address space. Raises :exc:`KernelBug` if a device is in it."""
        BUG_ON(domain.devices, f"domain with {len(domain.devices)} devices freed")
        self._pscids.remove(domain.pscid)
        domain.table.release()

    def attach(self, dev: Device, domain: IommuDomain) -> int:
        """Move a device to an address space; in between, its accesses fault.

        Returns
        -------
        int
            0; ``-ENODEV`` if the directory has no place for its ID; ``-ENOMEM``; ``-EIO`` or
            ``-ETIMEDOUT`` if the hardware did not take it.
        """
        if not self.directory.holds(dev.device_id):
            dev_err(dev, "device ID %#x does not fit the directory", dev.device_id)
            return -ENODEV
        entry = self.directory.entry(dev.device_id)
        if entry is None:
            return -ENOMEM
        if self.directory.is_valid(entry):
            self.directory.clear(entry)
            if rc := self._commands.sync([inval_ddt(dev.device_id)]):
                return rc
        tc, ta, fsc = domain.context()
        if tc:
            self.directory.fill(entry, tc, ta, fsc)
            if rc := self._commands.sync([inval_ddt(dev.device_id)]):
                return rc
        self._moved(dev, domain)
        return 0

    def _moved(self, dev: Device, domain: IommuDomain) -> None:
        old = dev.iommu_domain
        if old is not None:
            old.devices.remove(dev)
            if isinstance(old, PagingDomain) and not old.devices:
                self.invalidate(old.pscid)
        domain.devices.append(dev)
        dev.iommu_domain = domain
        # As in Linux, the DMA API does not mix with mappings made by hand in the same space.
        by_api = isinstance(domain, PagingDomain) and domain.for_dma_api
        dev.dma_ops = self.kernel.iommu_ops if by_api else self.kernel.direct_ops

    def probe_device(self, dev: Device) -> int:
        """Give a new device its default address space. As :meth:`attach`."""
        if self.kernel.options.passthrough:
            return self.attach(dev, IdentityDomain())
        try:
            domain = self.paging_domain()
        except MemoryError:
            return -ENOMEM
        domain.for_dma_api = True
        if rc := self.attach(dev, domain):
            self.free_domain(domain)
            return rc
        return 0

    def release_device(self, dev: Device) -> None:
        """Block a device, and free its default address space."""
        domain = dev.iommu_domain
        self.attach(dev, BlockedDomain())
        if isinstance(domain, PagingDomain) and not domain.devices:
            self.free_domain(domain)
