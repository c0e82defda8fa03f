"""Driver of the native ring: one channel, as a provider of the DMA engine API.

Source: docs/ring.md; Linux ``Documentation/driver-api/dmaengine/provider.rst``.
"""

from collections import deque
from collections.abc import Iterable

from rtl.spec.platform import RING_BASE, WINDOW_BYTES, Irq
from rtl.spec.ring_formats import (
    COMPLETION_BYTES,
    RING_ALIGN,
    SLOT_BYTES,
    RingFault,
)
from rtl.spec.ring_regs import RING_REGISTERS

from ..coherent.coherent import dma_alloc_coherent, dma_free_coherent
from ..core.addresses import DmaAddr, VirtAddr
from ..core.attrs import DMA_BIT_MASK, Dir
from ..core.errno import EBUSY, EINVAL, ENODEV, ENOMEM, ETIMEDOUT
from ..core.gfp import GFP_KERNEL
from ..core.kernel import Kernel
from ..device.device import Device, device_register, device_unregister
from ..device.masks import dma_set_mask_and_coherent
from ..device.messages import dev_err
from ..dmaengine.engine import (
    DMA_PREP_INTERRUPT,
    DmaAsyncTxDescriptor,
    DmaengineResult,
    DmaInterleavedTemplate,
    DmaSlaveConfig,
    Piece,
    dma_async_device_register,
    dma_async_device_unregister,
)
from ..dmaengine.virt_chan import FINE, VirtChan
from ..platform.context import atomic_context
from ..platform.iopoll import poll_timeout
from ..platform.irq import IRQ_HANDLED, IRQ_NONE, IRQF_SHARED, IrqReturn, free_irq, request_irq
from ..platform.registers import Registers
from .ring_config import RingConfig, failure
from .ring_loop import Loop, periods
from .ring_slots import Completions, encode, parts, slots

__all__ = ["RingChan"]

#: How long a reset or a pause may take, in cycles.
DRAIN_CYCLES = 100_000
_COUNT = 1 << 16


class RingChan(VirtChan):
    """A channel. Descriptors are done in the order in which they were submitted.

    Parameters
    ----------
    kernel : Kernel
        Kernel that drives it.
    channel : int
        Which one.
    size_log2 : int, 3 to 15
        log2 of the slots of its ring.

    Attributes
    ----------
    name : str
        For ``dma_request_chan``.
    dev : Device
        What to map buffers for.
    """

    def __init__(self, kernel: Kernel, channel: int = 0, *, size_log2: int = 6):
        super().__init__(f"dma{channel}chan0", Device(
            f"ring{channel}", kernel.platform.ring_device_id + channel))
        self._kernel, self._log2 = kernel, size_log2
        self.regs = Registers(RING_REGISTERS, kernel.machine, RING_BASE + channel * WINDOW_BYTES)
        self._rings: list[tuple[int, VirtAddr, DmaAddr]] = []
        self._issued: deque[tuple[DmaAsyncTxDescriptor, int]] = deque()     # piece by piece
        self._busy: deque[tuple[DmaAsyncTxDescriptor, int]] = deque()       # in the ring
        self._ends: dict[int, int] = {}         # cookie to `done_bytes` when it is complete
        self._loop: Loop | None = None
        self._config, self._own = DmaSlaveConfig(), RingConfig()
        self._failed: dict[int, DmaengineResult] = {}       # by cookie, until the last piece ends
        self._has: dict[str, int] = {}          # fields of `cap`

    def probe(self) -> int:
        """Reset the channel, and set up what it needs. 0 or a negative error number."""
        if (self.regs.cap.read("version") < 1 or
                self.regs.device_id.read("did") != self.dev.device_id):
            dev_err(self.dev, "no channel, or not with device ID %#x", self.dev.device_id)
            return -ENODEV
        self._has = self.regs.cap.fields()
        bits = self.regs.cap2.read("addr_bits")
        if rc := self._reset() or device_register(self.dev) or dma_set_mask_and_coherent(
                self.dev, DMA_BIT_MASK(bits)):
            return rc
        for size in (SLOT_BYTES, COMPLETION_BYTES):
            length = max(size << self._log2, RING_ALIGN)
            va, dma = dma_alloc_coherent(self.dev, length, GFP_KERNEL)
            if va is None:
                return -ENOMEM
            self._rings.append((length, va, dma))
        if rc := request_irq(Irq.RING, self._interrupt, IRQF_SHARED, self.name, self):
            return rc
        self._setup()
        return dma_async_device_register(self)

    def remove(self) -> None:
        """Stop the channel, and give back what it had."""
        dma_async_device_unregister(self)
        self._reset()
        for length, va, dma in self._rings:
            dma_free_coherent(self.dev, length, va, dma)
        free_irq(Irq.RING, self)
        device_unregister(self.dev)

    # The channel

    def _reset(self) -> int:
        self.regs.cr.write(reset=1)
        if not poll_timeout(self._kernel.machine, lambda: not self.regs.cr.read("reset"),
                            DRAIN_CYCLES):
            dev_err(self.dev, "reset timed out")
            return -ETIMEDOUT
        return 0

    def _setup(self) -> None:
        """After a reset: empty rings."""
        (_, self._ring, ring_dma), (length, done, done_dma) = self._rings
        self._kernel.cpu.store(done, bytes(length))
        self._completions = Completions(self._kernel.cpu, done, self._log2)
        self._tail = self._free = self._bytes = 0
        self._ends.clear()
        self._failed.clear()
        self._kernel.cpu.wmb()
        self.regs.size.write(log2=self._log2)
        self.regs.base.write(addr=ring_dma // RING_ALIGN)
        self.regs.completion_base.write(addr=done_dma // RING_ALIGN)
        self._identify()

    def _control(self) -> None:
        self.regs.cr.write(run=1, pause=self._paused, cyclic=self._loop is not None,
                           urgent=self._own.urgent, proceed=self._own.proceed, irq_en=1,
                           err_irq_en=1, irq_threshold=1)

    def _identify(self) -> None:
        """While idle: what the client chose."""
        if self._has["process_id"]:
            process = self._own.process_id
            self.regs.process_id.write(pid=process or 0, valid=process is not None)
        self._control()

    def _put(self, piece: Piece, *, irq: bool) -> None:
        for slot in encode(piece, irq=irq):
            self._kernel.cpu.store(
                self._ring + self._tail % (1 << self._log2) * SLOT_BYTES, slot)
            self._tail = (self._tail + 1) % _COUNT

    def _ring_doorbell(self) -> None:
        self._kernel.cpu.wmb()                  # descriptors before the doorbell
        self.regs.tail.write(slot=self._tail)

    def _fill(self) -> None:
        """Hand over as much as the ring takes."""
        before, size = self._tail, 1 << self._log2
        while self._issued and (self._tail - self._free) % _COUNT <= size - 2:
            tx, at = self._issued.popleft()
            piece, last = tx.pieces[at], at == len(tx.pieces) - 1
            self._put(piece, irq=last and bool(tx.flags & DMA_PREP_INTERRUPT))
            self._busy.append((tx, at))
            self._bytes += piece.total
            if last:
                self._ends[tx.cookie] = self._bytes
        if self._tail != before:
            self._ring_doorbell()

    def _begin(self, tx: DmaAsyncTxDescriptor) -> None:
        """Start a cyclic descriptor: the ring holds its periods and nothing else."""
        self._loop = Loop(tx, self.regs)
        self._reset()
        self._setup()
        for piece in tx.pieces:
            self._put(piece, irq=bool(tx.flags & DMA_PREP_INTERRUPT))
        self._ring_doorbell()

    def _periods(self) -> None:
        """Call back for each period that ended since the last time."""
        loop = self._loop
        for _ in range(loop.ended()):
            if self._loop is loop and loop.tx.callback is not None:
                loop.tx.callback(loop.tx.callback_param)

    def _reap(self) -> None:
        """Take completions, up to one that tells a fault, unless the channel goes on behind it."""
        while self._busy and (said := self._completions.take()) is not None:
            fault = RingFault(said["fault"])
            if fault and (fault >= RingFault.RING_SLV or not self._own.proceed):
                break
            tx, at = self._busy.popleft()
            self._free = (said["slot"] + slots(tx.pieces[at])) % _COUNT
            if fault:
                self._skip(said["bytes"])
                known = self.regs.err_slot.read("slot") == said["slot"]     # else an earlier one
                address = self.regs.err_addr.read() if known else None
                self._failed.setdefault(tx.cookie, failure(fault, tx.size, said, address))
            if at == len(tx.pieces) - 1:
                self._finish(tx, self._failed.pop(tx.cookie, FINE))

    def _skip(self, done_bytes: int) -> None:
        """After a piece that failed: count from what ``done_bytes`` was then."""
        left = sum(tx.pieces[at].total for tx, at in self._busy)
        short = (self._bytes - left - done_bytes) % (1 << 32)
        self._bytes -= short
        for cookie in self._ends:
            self._ends[cookie] -= short

    def _finish(self, tx: DmaAsyncTxDescriptor, result: DmaengineResult = FINE) -> None:
        self._ends.pop(tx.cookie, None)
        super()._finish(tx, result)

    def _interrupt(self, irq: int, dev_id: object) -> IrqReturn:
        status = self.regs.sr.fields()
        if not status["irq"] and not status["err_irq"]:
            return IRQ_NONE
        self.regs.sr.write(irq=status["irq"], err_irq=status["err_irq"])
        if self._loop is not None:
            self._periods()
        else:
            self._reap()
        if status["halted"]:
            self._fail(status)
        self._fill()
        return IRQ_HANDLED

    def _fail(self, status: dict[str, int]) -> None:
        """Give up the descriptor that failed, and do the others again from where they are."""
        fault, address = RingFault(status["fault"]), self.regs.err_addr.read()
        dev_err(self.dev, "%s%s at %#x", fault.name, ", refused" * status["refused"], address)
        tx = self._busy[0][0] if self._busy else self._loop and self._loop.tx
        self._loop = None
        self._issued.extendleft(reversed([entry for entry in self._busy if entry[0] is not tx]))
        self._issued = deque(entry for entry in self._issued if entry[0] is not tx)
        self._busy.clear()
        self._reset()
        self._setup()
        if tx is not None:
            self._finish(tx, failure(fault, tx.size, status, address))

    # What clients use

    def prep(self, pieces: list[Piece | tuple[DmaAddr, DmaAddr, int]],
             flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor; None if there is nothing to do, or the channel cannot do it."""
        whole = [piece if isinstance(piece, Piece) else Piece(*piece) for piece in pieces]
        if not whole or any(piece.size <= 0 or piece.rows <= 0 for piece in whole):
            return None
        if any((piece.rows > 1 and not self._has["strided"]) or
               (piece.pattern is not None and not self._has["fill"]) for piece in whole):
            return None
        return DmaAsyncTxDescriptor(
            self, [part for piece in whole for part in parts(piece)], flags)

    def prep_interleaved(self, template: DmaInterleavedTemplate,
                         flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor of frames; a chunk is one piece where rows are there."""
        strided = self._has["strided"] and template.numf > 1
        return self.prep(template.columns() if strided else template.pieces(), flags)

    def slave_config(self, config: DmaSlaveConfig) -> int:
        """Take the addresses of a device, and a :class:`RingConfig` as ``peripheral_config``.

        Returns 0, ``-EINVAL`` if this build has not what it asks for, or ``-EBUSY``: it can change
        only while nothing is under way.
        """
        own = config.peripheral_config or RingConfig()
        if not isinstance(own, RingConfig) or not all(self._has[name] for name in own.needs()):
            return -EINVAL
        if own != self._own:
            if self._loop is not None or self._busy or self._issued:
                return -EBUSY
            self._own = own
            self._identify()
        self._config = config
        return 0

    def prep_cyclic(self, buf: DmaAddr, size: int, period: int, direction: Dir,
                    flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor whose periods go to, or come from, one address of the device."""
        if not (self._has["cyclic"] and self._has["strided"]):
            return None
        pieces = periods(self._config, buf, size, period, direction, 1 << self._log2 >> 1)
        return pieces and DmaAsyncTxDescriptor(self, pieces, flags, cyclic=True)

    def tx_submit(self, tx: DmaAsyncTxDescriptor) -> int:
        """Put a descriptor into the queue; return its cookie. One that is cyclic must be alone."""
        if self._loop is not None or any(other.cyclic for other in self._submitted) or (
                tx.cyclic and (self._submitted or self._issued or self._busy)):
            return -EBUSY
        return super().tx_submit(tx)

    def _start(self, txs: Iterable[DmaAsyncTxDescriptor]) -> None:
        for tx in txs:
            if tx.cyclic:
                self._begin(tx)
                return
            self._issued.extend((tx, at) for at in range(len(tx.pieces)))
        self._fill()

    def _issued_txs(self) -> Iterable[DmaAsyncTxDescriptor]:
        return [self._loop.tx] if self._loop else [tx for tx, _ in (*self._busy, *self._issued)]

    def _left(self, tx: DmaAsyncTxDescriptor) -> int:
        """Bytes that are left; exact to the burst once all of it is in the ring."""
        if self._loop is not None:
            return self._loop.residue()
        if tx.cookie not in self._ends:
            return tx.size
        left = (self._ends[tx.cookie] - self.regs.done_bytes.read("count")) % (1 << 32)
        return min(tx.size, left)

    def pause(self) -> int:
        """Stop at the next boundary of bursts; wait until all were answered."""
        self._paused = True
        self._control()
        if poll_timeout(self._kernel.machine, lambda: self.regs.sr.read("paused"), DRAIN_CYCLES):
            return 0
        return -ETIMEDOUT

    def resume(self) -> int:
        """Go on."""
        self._paused = False
        self._control()
        return 0

    def terminate_all(self) -> int:
        """Drop all descriptors; nobody is called back."""
        with atomic_context():
            self._issued.clear()
            self._busy.clear()
            self._loop = None
            self._drop()
            rc = self._reset()
            self._setup()
        return rc
