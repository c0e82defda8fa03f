"""Driver of the CDMA: copies memory by scatter-gather chains.

Source: AMD PG034, "AXI Central Direct Memory Access", sections "Register Space" and "Programming
Sequence"; Linux ``drivers/dma/xilinx/xilinx_dma.c`` (order of the steps).
"""

from collections import deque
from collections.abc import Callable, Iterable

from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.descriptor import CDMA_ALIGN
from rtl.spec.platform import CDMA_BASE, Irq

from ..coherent.coherent import dma_alloc_coherent, dma_free_coherent
from ..core.addresses import PAGE_SIZE, DmaAddr, VirtAddr
from ..core.attrs import DMA_BIT_MASK
from ..core.errno import EIO, ENODEV, ENOMEM, ETIMEDOUT
from ..core.gfp import GFP_KERNEL
from ..core.kernel import Kernel
from ..device.device import Device, device_register, device_unregister
from ..device.masks import dma_set_mask_and_coherent
from ..device.messages import dev_err, dev_info
from ..platform.completion import Completion, complete, wait_for_completion_timeout
from ..platform.iopoll import poll_timeout
from ..platform.irq import IRQ_HANDLED, IRQ_NONE, IrqReturn, free_irq, request_irq
from ..platform.registers import Registers
from ..sg.scatterlist import Sgl
from .cdma_chain import Transfer, chain_bytes, limit_transfers, pair_lists

__all__ = ["Cdma", "Job", "Transfer"]

#: How long a reset may take, and a copy unless the caller says otherwise, in cycles.
RESET_CYCLES = 100_000
COPY_CYCLES = 10_000_000
#: Descriptors of one batch: at most as many as the interrupt threshold can count.
MAX_BATCH = 255

_ERRORS = "dma_int_err", "dma_slv_err", "dma_dec_err", "sg_int_err", "sg_slv_err", "sg_dec_err"


class Job:
    """A list of transfers that was submitted.

    Attributes
    ----------
    transfers : list of Transfer
        One for each descriptor.
    done : int
        Transfers known to be complete.
    completion : Completion
        Complete when the job has ended, well or badly.
    status : int
        0, ``-EIO``, or ``-ETIMEDOUT``; None while the job has not ended.
    errors : tuple of str
        Names of the error bits in the status register.
    failed : int or None
        Index of the transfer whose descriptor failed.
    err_addr : int
        DMA address of the burst that failed.
    write, refused : bool
        It was a write; the IOMMU refused it.
    ended : callable or None
        Called with the job when it has ended.
    """

    def __init__(self, transfers: list[Transfer], ended: "Callable[[Job], None] | None" = None):
        self.transfers, self.done, self.ended = transfers, 0, ended
        self.completion = Completion()
        self.status: int | None = None
        self.errors: tuple[str, ...] = ()
        self.failed: int | None = None
        self.err_addr = 0
        self.write = self.refused = False


class Cdma:
    """The engine. Jobs are done one after the other.

    Parameters
    ----------
    kernel : Kernel
        Kernel that drives it.
    base : int
        Address of its registers.
    pages : int
        Memory for descriptors, in pages of 64; a longer list takes an interrupt for each fill.

    Attributes
    ----------
    dev : Device
        What to map buffers for: ``dma_map_single(kernel.cdma.dev, ...)``.
    """

    def __init__(self, kernel: Kernel, base: int = CDMA_BASE, *, pages: int = 1):
        self._kernel = kernel
        self.dev = Device("cdma", kernel.platform.cdma_device_id)
        self.regs = Registers(CDMA_REGISTERS, kernel.machine, base)
        self._ring_bytes = pages * PAGE_SIZE
        self._batch_size = min(MAX_BATCH, self._ring_bytes // CDMA_ALIGN)
        self._ring: VirtAddr | None = None
        self._ring_dma: DmaAddr | None = None
        self._jobs: deque[Job] = deque()
        self._batch = 0                         # descriptors under way
        self._before = 0                        # `done_bytes` when they were started

    # Probing

    def probe(self) -> int:
        """Reset the engine, and set up what it needs. 0 or a negative error number."""
        if not self.regs.sr.read("sg_incld") or self.regs.cap.read("version") < 1:
            dev_err(self.dev, "scatter-gather and version 1 of the extensions are needed")
            return -ENODEV
        if (did := self.regs.device_id.read("did")) != self.dev.device_id:
            dev_err(self.dev, "device ID %#x, the platform says %#x", did, self.dev.device_id)
            return -ENODEV
        if rc := self._reset() or device_register(self.dev):
            return rc
        bits = self._address_bits()
        # A refused mask is no failure: a narrower one will do.
        if dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(bits)) and (
                rc := dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(32))):
            return rc
        self._ring, self._ring_dma = dma_alloc_coherent(self.dev, self._ring_bytes, GFP_KERNEL)
        if self._ring is None:
            return -ENOMEM
        if rc := request_irq(Irq.CDMA, self._interrupt, 0, "cdma", self):
            return rc
        dev_info(self.dev, "%d-bit addresses, %d descriptors", bits, self._batch_size)
        return 0

    def _address_bits(self) -> int:
        """Find the width of DMA addresses: the engine keeps no more bits of a descriptor's."""
        self.regs.cr.write(sg_mode=1)
        self.regs.curdesc.write(addr=DMA_BIT_MASK(58))
        return max(32, self.regs.curdesc.read().bit_length())

    def remove(self) -> None:
        """Stop the engine, and give back what it had."""
        self._reset()
        if self._ring is not None:
            dma_free_coherent(self.dev, self._ring_bytes, self._ring, self._ring_dma)
            free_irq(Irq.CDMA, self)
        device_unregister(self.dev)

    def _reset(self) -> int:
        """Stop whatever runs, and wait until outstanding accesses were answered."""
        self.regs.cr.write(reset=1)
        if not poll_timeout(self._kernel.machine, lambda: not self.regs.cr.read("reset"),
                            RESET_CYCLES):
            dev_err(self.dev, "reset timed out")
            return -ETIMEDOUT
        return 0

    # Jobs

    def submit(self, transfers: Iterable[tuple[DmaAddr, DmaAddr, int]],
               ended: Callable[[Job], None] | None = None) -> Job:
        """Queue a job and return at once.

        Parameters
        ----------
        transfers : iterable of (DmaAddr, DmaAddr, int)
            Source, destination and bytes; mapped for :attr:`dev`.
        ended : callable or None
            Called with the job when it has ended.

        Raises
        ------
        TypeError
            If an address is not a DMA address.
        ValueError
            If there is no transfer, or one has no bytes.
        """
        job = Job(list(limit_transfers(transfers)), ended)
        if not job.transfers:
            raise ValueError("Job must have at least one transfer")
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._start_batch()
        return job

    def wait(self, job: Job, timeout: int = COPY_CYCLES) -> int:
        """Wait until a job has ended.

        Returns
        -------
        int
            0; ``-EIO``: see :attr:`Job.errors`; ``-ETIMEDOUT`` after ``timeout`` cycles: it and the
            jobs behind it are given up.
        """
        if not wait_for_completion_timeout(job.completion, timeout):
            dev_err(self.dev, "no completion after %d cycles", timeout)
            self._reset()
            while self._jobs:
                self._end(-ETIMEDOUT)
        return job.status

    def moved(self, job: Job) -> int:
        """Bytes of a job that are in memory, exact to the burst."""
        moved = sum(size for _, _, size in job.transfers[:job.done])
        if self._jobs and self._jobs[0] is job:
            moved += (self.regs.done_bytes.read() - self._before) % (1 << 32)
        return moved

    def cancel(self, jobs: Iterable[Job]) -> int:
        """Drop jobs, whose end nobody is told; what is under way of others begins again."""
        dropped = {id(job) for job in jobs}
        rc = self._reset()
        self._jobs = deque(job for job in self._jobs if id(job) not in dropped)
        if self._jobs:
            self._start_batch()
        return rc

    def copy(self, transfers: Iterable[tuple[DmaAddr, DmaAddr, int]],
             timeout: int = COPY_CYCLES) -> int:
        """Do transfers and wait. As :meth:`submit` and :meth:`wait`."""
        return self.wait(self.submit(transfers), timeout)

    def copy_sg(self, src_sgl: Sgl, src_count: int, dst_sgl: Sgl, dst_count: int,
                timeout: int = COPY_CYCLES) -> int:
        """Copy one mapped list to another and wait; the counts are those of ``dma_map_sg``.

        Raises
        ------
        ValueError
            If the lists do not have the same number of bytes, or have none.
        """
        return self.copy(pair_lists(src_sgl, src_count, dst_sgl, dst_count), timeout)

    # The engine

    def _start_batch(self) -> None:
        """Write the next descriptors of the first job, and let the engine go."""
        job = self._jobs[0]
        batch = job.transfers[job.done:job.done + self._batch_size]
        self._batch = len(batch)
        self._kernel.cpu.store(self._ring, chain_bytes(batch, self._ring_dma))
        self._before = self.regs.done_bytes.read()
        self._kernel.cpu.wmb()                  # descriptors before the doorbell
        self.regs.cr.write(sg_mode=1, ioc_irq_en=1, err_irq_en=1, irq_threshold=len(batch))
        self.regs.curdesc.write(addr=self._ring_dma // CDMA_ALIGN)
        self.regs.taildesc.write(addr=self._ring_dma // CDMA_ALIGN + len(batch) - 1)

    def _end(self, status: int) -> None:
        job = self._jobs.popleft()
        job.status = status
        complete(job.completion)
        if job.ended is not None:
            job.ended(job)

    def _interrupt(self, irq: int, dev_id: object) -> IrqReturn:
        status = self.regs.sr.fields()
        if not status["ioc_irq"] and not status["err_irq"]:
            return IRQ_NONE
        self.regs.sr.write(ioc_irq=status["ioc_irq"], err_irq=status["err_irq"])
        if not self._jobs:
            return IRQ_HANDLED
        errors = tuple(name for name in _ERRORS if status[name])
        if errors:
            self._fail(errors, status)
        else:
            poll_timeout(self._kernel.machine, lambda: self.regs.sr.read("idle"), RESET_CYCLES)
            job = self._jobs[0]
            job.done += self._batch
            if job.done == len(job.transfers):
                self._end(0)
        if self._jobs:
            self._start_batch()
        return IRQ_HANDLED

    def _fail(self, errors: tuple[str, ...], status: dict[str, int]) -> None:
        """Note what went wrong. The engine halts on an error, until it is reset."""
        job = self._jobs[0]
        job.errors, job.err_addr = errors, self.regs.err_addr.read()
        job.write, job.refused = bool(status["err_write"]), bool(status["err_refused"])
        index = self.regs.curdesc.read("addr") - self._ring_dma // CDMA_ALIGN
        if 0 <= index < self._batch:
            job.failed = job.done + index
        dev_err(self.dev, "%s at %#x, transfer %s", ", ".join(errors), job.err_addr, job.failed)
        self._reset()
        self._end(-EIO)
