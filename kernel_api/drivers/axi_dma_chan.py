"""A channel of the AXI DMA: a ring of descriptors in coherent memory.

Source: docs/axi_dma.md; Linux ``drivers/dma/xilinx/xilinx_dma.c`` (order of the steps).
"""

from collections import deque
from collections.abc import Iterable

from rtl.spec.axi_dma_regs import AXI_DMA_CHANNELS
from rtl.spec.descriptor import (
    AXI_DMA_CONTROL,
    AXI_DMA_STATUS,
    CDMA_ALIGN,
    CDMA_BYTES,
    CDMA_MAX_BYTES,
    AxiDmaWord,
)
from rtl.spec.platform import Irq

from ..coherent.coherent import dma_alloc_coherent, dma_free_coherent
from ..core.addresses import PAGE_SIZE, DmaAddr, VirtAddr, lower_32_bits, upper_32_bits
from ..core.attrs import Dir
from ..core.errno import ENOMEM, ETIMEDOUT
from ..core.gfp import GFP_KERNEL
from ..core.kernel import Kernel
from ..device.device import Device
from ..device.messages import dev_err
from ..dmaengine.engine import (
    DMA_PREP_INTERRUPT,
    DmaAsyncTxDescriptor,
    DmaengineResult,
    dma_async_device_register,
    dma_async_device_unregister,
)
from ..dmaengine.slave import DMA_DEV_TO_MEM, DMA_MEM_TO_DEV
from ..dmaengine.transfers import DmaInterleavedTemplate, DmaSlaveConfig, Piece
from ..dmaengine.virt_chan import VirtChan
from ..platform.context import atomic_context
from ..platform.iopoll import poll_timeout
from ..platform.irq import IRQ_HANDLED, IRQ_NONE, IRQF_SHARED, IrqReturn, free_irq, request_irq
from ..platform.registers import BoundRegister, Registers

__all__ = ["AxiDmaChan"]

#: How long a reset or a pause may take, in cycles.
DRAIN_CYCLES = 100_000
#: Descriptors of the ring.
SLOTS = PAGE_SIZE // CDMA_ALIGN
_ERRORS = "dma_int_err", "dma_slv_err", "dma_dec_err", "sg_int_err", "sg_slv_err", "sg_dec_err"


class AxiDmaChan(VirtChan):
    """A channel. Descriptors are done in the order in which they were submitted.

    Parameters
    ----------
    kernel : Kernel
        Kernel that drives it.
    dev : Device
        The engine's device.
    regs : Registers
        The engine's registers.
    channel : "mm2s" or "s2mm"
        Which one.
    """

    def __init__(self, kernel: Kernel, dev: Device, regs: Registers, channel: str):
        self._sends = channel == "mm2s"
        super().__init__(f"{dev.name}{'tx' if self._sends else 'rx'}", dev)
        self._kernel, self._regs, self._channel = kernel, regs, channel
        self._irq = (Irq.MM2S, Irq.S2MM)[AXI_DMA_CHANNELS.index(channel)]
        self._ring: VirtAddr | None = None
        self._ring_dma: DmaAddr | None = None
        self._issued: deque[tuple[DmaAsyncTxDescriptor, int]] = deque()     # piece by piece
        self._busy: deque[tuple[DmaAsyncTxDescriptor, int]] = deque()       # in the ring
        self._cyclic: DmaAsyncTxDescriptor | None = None
        self.metadata_bytes = 0             # of a descriptor: its application words

    def _reg(self, name: str) -> BoundRegister:
        return getattr(self._regs, f"{self._channel}_{name}")

    def probe(self) -> int:
        """Set up what the channel needs. 0 or a negative error number."""
        self._ring, self._ring_dma = dma_alloc_coherent(self.dev, PAGE_SIZE, GFP_KERNEL)
        if self._ring is None:
            return -ENOMEM
        if rc := request_irq(self._irq, self._interrupt, IRQF_SHARED, self.name, self):
            return rc
        self._setup()
        return dma_async_device_register(self)

    def remove(self) -> None:
        """Stop the channel, and give back what it had."""
        dma_async_device_unregister(self)
        self.reset()
        if self._ring is not None:
            free_irq(self._irq, self)
            dma_free_coherent(self.dev, PAGE_SIZE, self._ring, self._ring_dma)

    # The channel

    def reset(self) -> int:
        """Reset, and wait until outstanding accesses were answered. 0 or ``-ETIMEDOUT``."""
        self._reg("cr").write(reset=1)
        if not poll_timeout(self._kernel.machine, lambda: not self._reg("cr").read("reset"),
                            DRAIN_CYCLES):
            dev_err(self.dev, "%s: reset timed out", self.name)
            return -ETIMEDOUT
        return 0

    def _setup(self) -> None:
        """After a reset: an empty ring."""
        self._head = self._tail = 0         # slots, of the oldest under way and of the next one
        self._moved = self._accounted = 0   # bytes of the descriptor under way, and of all
        self._placed = False
        self._cyclic = None

    def _slot_dma(self, slot: int) -> DmaAddr:
        return self._ring_dma + slot % SLOTS * CDMA_ALIGN

    def _write_slot(self, slot: int, link: int, addr: DmaAddr, apps: bytes = b"",
                    **control: int) -> None:
        following = self._slot_dma(link)
        words = {AxiDmaWord.NXTDESC: lower_32_bits(following),
                 AxiDmaWord.NXTDESC_MSB: upper_32_bits(following),
                 AxiDmaWord.BUFFER: lower_32_bits(addr),
                 AxiDmaWord.BUFFER_MSB: upper_32_bits(addr),
                 AxiDmaWord.CONTROL: AXI_DMA_CONTROL.pack(**control)}
        image = bytearray(CDMA_BYTES)
        for at, word in words.items():
            image[at:at + 4] = word.to_bytes(4, "little")
        self._kernel.cpu.store(self._ring + slot % SLOTS * CDMA_ALIGN, bytes(image) + apps)

    def _control(self, *, run: int = 1) -> None:
        self._reg("cr").write(run=run, ioc_irq_en=1, err_irq_en=1, irq_threshold=1,
                              cyclic_bd=int(self._cyclic is not None))

    def _ring_doorbell(self, tail: DmaAddr, first: int) -> None:
        self._kernel.cpu.wmb()                  # descriptors before the doorbell
        if not self._placed:
            self._reg("curdesc").write(addr=self._slot_dma(first) // CDMA_ALIGN)
            self._control()
            self._placed = True
        self._reg("taildesc").write(addr=tail // CDMA_ALIGN)

    def _fill(self) -> None:
        """Hand over as much as the ring takes."""
        first = self._tail
        while self._issued and len(self._busy) < SLOTS and self._cyclic is None:
            tx, at = self._issued[0]
            if tx.cyclic:
                if not self._busy:
                    self._go_round(tx)
                break
            self._issued.popleft()
            ends = at == len(tx.pieces) - 1
            self._write_slot(
                self._tail, self._tail + 1, tx.pieces[at].src, bytes(tx.metadata or b""),
                length=tx.pieces[at].size,
                sof=int(self._sends and at == 0),
                eof=int(ends and (self._sends or bool(tx.flags & DMA_PREP_INTERRUPT))))
            self._tail += 1
            self._busy.append((tx, at))
        if self._tail != first:
            self._ring_doorbell(self._slot_dma(self._tail - 1), first)

    def _go_round(self, tx: DmaAsyncTxDescriptor) -> None:
        """Start a cyclic descriptor, in a ring of its own at the begin of the memory."""
        while self._issued and self._issued[0][0] is tx:
            self._issued.popleft()
        self.reset()
        self._setup()
        self._cyclic = tx
        for slot, piece in enumerate(tx.pieces):
            self._write_slot(slot, (slot + 1) % len(tx.pieces), piece.src, length=piece.size,
                             sof=int(self._sends), eof=1)
        # The tail is no descriptor of the ring, and stops nothing.
        self._ring_doorbell(self._slot_dma(SLOTS - 1), 0)

    def _reap(self) -> None:
        """Finish what is complete, by the statuses in memory."""
        while self._busy:
            at = self._ring + self._head % SLOTS * CDMA_ALIGN + AxiDmaWord.STATUS
            status = AXI_DMA_STATUS.unpack(
                int.from_bytes(self._kernel.cpu.load(at, 4), "little"))
            if not status["cmplt"] or any(status[name] for name in _ERRORS if name in status):
                break
            tx, index = self._busy.popleft()
            self._head += 1
            self._moved += status["transferred"]
            self._accounted += status["transferred"]
            if tx.metadata is not None and status["eof"] and not self._sends:
                tx.metadata[:] = self._kernel.cpu.load(
                    at - AxiDmaWord.STATUS + AxiDmaWord.APP0, len(tx.metadata))
            if index == len(tx.pieces) - 1:
                residue, self._moved = tx.size - self._moved, 0
                self._finish(tx, DmaengineResult("noerror", residue))

    def _interrupt(self, irq: int, dev_id: object) -> IrqReturn:
        status = self._reg("sr").fields()
        if not status["ioc_irq"] and not status["err_irq"]:
            return IRQ_NONE
        self._reg("sr").write(ioc_irq=status["ioc_irq"], err_irq=status["err_irq"])
        self._reap()
        errors = tuple(name for name in _ERRORS if status[name])
        if errors:
            self._fail(errors, refused=bool(status["err_refused"]))
        elif self._cyclic is not None and self._cyclic.flags & DMA_PREP_INTERRUPT:
            self._call(self._cyclic, DmaengineResult("noerror"))
        self._fill()
        return IRQ_HANDLED

    def _fail(self, errors: tuple[str, ...], *, refused: bool) -> None:
        """Give up the descriptor that failed, and do the others again from where they are."""
        where = self._reg("err_addr").read()
        dev_err(self.dev, "%s: %s at %#x", self.name, ", ".join(errors), where)
        tx = self._cyclic or (self._busy[0][0] if self._busy else None)
        residue = self._left(tx) if tx is not None else 0
        self._issued.extendleft(reversed([entry for entry in self._busy if entry[0] is not tx]))
        self._issued = deque(entry for entry in self._issued if entry[0] is not tx)
        self._busy.clear()
        self.reset()
        self._setup()
        if tx is not None:
            data = errors[0] in ("dma_slv_err", "dma_dec_err")
            failed = "read_failed" if self._sends else "write_failed"
            self._finish(tx, DmaengineResult(failed if data else "aborted", residue, refused,
                                             where))

    # What clients use

    def prep(self, pieces: list[Piece | tuple[DmaAddr, DmaAddr, int]], flags: int) -> None:
        """Refuse: the channel copies no memory. None."""

    def prep_interleaved(self, template: DmaInterleavedTemplate, flags: int) -> None:
        """Refuse: the channel copies no memory. None."""

    def slave_config(self, config: DmaSlaveConfig) -> int:
        """Take what says nothing here: a stream has no address. 0."""
        return 0

    def prep_slave_sg(self, buffers: list[tuple[DmaAddr, int]], direction: Dir,
                      flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor of one packet; None if the direction or a length is wrong."""
        if direction != (DMA_MEM_TO_DEV if self._sends else DMA_DEV_TO_MEM) or not buffers or (
                any(size <= 0 for _, size in buffers)):
            return None
        parts = [Piece(addr + at, addr + at, min(CDMA_MAX_BYTES, size - at))
                 for addr, size in buffers for at in range(0, size, CDMA_MAX_BYTES)]
        apps = bytearray(self.metadata_bytes) if self.metadata_bytes else None
        return DmaAsyncTxDescriptor(self, parts, flags, metadata=apps)

    def prep_cyclic(self, buf: DmaAddr, size: int, period: int, direction: Dir,
                    flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor that goes round; None if it is not whole periods, or too many."""
        if period <= 0 or size % period or size // period >= SLOTS or period > CDMA_MAX_BYTES:
            return None
        tx = self.prep_slave_sg([(buf + at, period) for at in range(0, size, period)], direction,
                                flags)
        if tx is not None:
            tx.cyclic = True
        return tx

    def _start(self, txs: Iterable[DmaAsyncTxDescriptor]) -> None:
        for tx in txs:
            self._issued.extend((tx, at) for at in range(len(tx.pieces)))
        self._fill()

    def _issued_txs(self) -> Iterable[DmaAsyncTxDescriptor]:
        cyclic = [self._cyclic] if self._cyclic is not None else []
        return [*cyclic, *(tx for tx, _ in (*self._busy, *self._issued))]

    def _left(self, tx: DmaAsyncTxDescriptor) -> int:
        """Bytes left, exact to the burst; of a cyclic descriptor, to the end of its buffer."""
        if tx is self._cyclic:
            periods, done = (self._reg(name).read("count") for name in ("done_descs", "done_bytes"))
            period = tx.pieces[0].size
            within = max(0, min(period - 1, done - periods * period))
            return tx.size - periods % len(tx.pieces) * period - within
        if not self._busy or self._busy[0][0] is not tx:
            return tx.size
        under_way = max(0, self._reg("done_bytes").read("count") - self._accounted % (1 << 32))
        return max(0, tx.size - self._moved - under_way)

    def pause(self) -> int:
        """Stop at the next boundary of bursts; wait until all were answered."""
        self._paused = True
        self._control(run=0)
        if poll_timeout(self._kernel.machine, lambda: self._reg("sr").read("halted"),
                        DRAIN_CYCLES):
            return 0
        return -ETIMEDOUT

    def resume(self) -> int:
        """Go on."""
        self._paused = False
        self._control(run=int(self._placed))
        return 0

    def terminate_all(self) -> int:
        """Drop all descriptors; nobody is called back, and the other channel goes on."""
        with atomic_context():
            self._issued.clear()
            self._busy.clear()
            self._drop()
            rc = self.reset()
            self._setup()
        return rc
