"""The CDMA as a provider of the DMA engine API: one channel that copies memory."""

from collections import deque
from collections.abc import Iterable
from functools import partial

from ..core.addresses import DmaAddr
from ..core.attrs import Dir
from ..core.errno import EOPNOTSUPP
from ..dmaengine.engine import (
    DmaAsyncTxDescriptor,
    DmaengineResult,
    dma_async_device_register,
    dma_async_device_unregister,
)
from ..dmaengine.transfers import DmaInterleavedTemplate, DmaSlaveConfig, Piece
from ..dmaengine.virt_chan import VirtChan
from ..platform.context import atomic_context
from .cdma import Cdma, Job

__all__ = ["CdmaChan"]


class CdmaChan(VirtChan):
    """A channel over the driver of the engine, which others may use beside it.

    There is no pause: the engine has none.

    Parameters
    ----------
    cdma : Cdma
        Driver, probed.
    """

    def __init__(self, cdma: Cdma):
        super().__init__("cdma0chan0", cdma.dev)
        self._cdma = cdma
        self._issued: deque[DmaAsyncTxDescriptor] = deque()
        self._jobs: dict[int, Job] = {}         # by cookie

    def probe(self) -> int:
        """Offer the channel. 0."""
        return dma_async_device_register(self)

    def remove(self) -> None:
        """Drop what is under way, and offer it no more."""
        self.terminate_all()
        dma_async_device_unregister(self)

    def prep(self, pieces: list[Piece | tuple[DmaAddr, DmaAddr, int]],
             flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor of copies; None if one has no bytes, is a fill, or there is none."""
        parts = [piece if isinstance(piece, Piece) else Piece(*piece) for piece in pieces]
        if not parts or any(part.total <= 0 or part.pattern is not None or (
                part.rows > 1 and not (part.src_stride and part.dst_stride)) for part in parts):
            return None
        rows = [Piece(part.src + row * part.src_stride, part.dst + row * part.dst_stride,
                      part.size) for part in parts for row in range(part.rows)]
        return DmaAsyncTxDescriptor(self, rows, flags)

    def prep_interleaved(self, template: DmaInterleavedTemplate,
                         flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor of frames of chunks, a copy each; None if a side stays in place."""
        return self.prep(template.pieces(), flags) if template.src_inc and template.dst_inc else (
            None)

    def prep_slave_sg(self, buffers: list[tuple[DmaAddr, int]], direction: Dir,
                      flags: int) -> None:
        """Refuse: there is no device. None."""

    def prep_cyclic(self, buf: DmaAddr, size: int, period: int, direction: Dir,
                    flags: int) -> None:
        """Refuse: there is no device. None."""

    def slave_config(self, config: DmaSlaveConfig) -> int:
        """Refuse: ``-EOPNOTSUPP``."""
        return -EOPNOTSUPP

    def _start(self, txs: Iterable[DmaAsyncTxDescriptor]) -> None:
        for tx in txs:
            self._issued.append(tx)
            job = self._cdma.submit([(piece.src, piece.dst, piece.size) for piece in tx.pieces],
                                    ended=partial(self._ended, tx))
            if job.status is None:              # it may have ended at once
                self._jobs[tx.cookie] = job

    def _ended(self, tx: DmaAsyncTxDescriptor, job: Job) -> None:
        """Finish the descriptor of a job."""
        self._issued.remove(tx)
        self._jobs.pop(tx.cookie, None)
        if not job.status:
            self._finish(tx)
            return
        moved = sum(size for _, _, size in job.transfers[:job.failed or 0])
        failed = "write_failed" if job.write else "read_failed"
        self._finish(tx, DmaengineResult(
            "aborted" if "dma_int_err" in job.errors or not job.errors else failed,
            tx.size - moved, job.refused, job.err_addr if job.errors else None))

    def _reap(self) -> None:
        """Do nothing: the interrupt ends jobs."""

    def _issued_txs(self) -> Iterable[DmaAsyncTxDescriptor]:
        return self._issued

    def _left(self, tx: DmaAsyncTxDescriptor) -> int:
        job = self._jobs.get(tx.cookie)
        return tx.size if job is None else max(0, tx.size - self._cdma.moved(job))

    def pause(self) -> int:
        """Refuse: ``-EOPNOTSUPP``."""
        return -EOPNOTSUPP

    def resume(self) -> int:
        """Refuse: ``-EOPNOTSUPP``."""
        return -EOPNOTSUPP

    def terminate_all(self) -> int:
        """Drop all descriptors; nobody is called back."""
        with atomic_context():
            jobs = list(self._jobs.values())
            self._issued.clear()
            self._jobs.clear()
            self._drop()
            return self._cdma.cancel(jobs) if jobs else 0
