"""What providers of channels have in common: cookies, queues, callbacks.

Source: Linux ``drivers/dma/virt-dma.h`` (what is done when), ``drivers/dma/dmaengine.h``.
"""

from collections import deque
from collections.abc import Iterable

from ..device.device import Device
from ..platform.context import atomic_context
from .engine import (
    DmaAsyncTxDescriptor,
    DmaengineResult,
    DmaStatus,
    DmaTxState,
)

__all__ = ["FINE", "VirtChan"]

#: The result of a descriptor that did all that it should.
FINE = DmaengineResult("noerror")


class VirtChan:
    """A channel that does descriptors in the order in which they were submitted.

    A provider says how to start what was issued (:meth:`_start`), to look for what is complete
    (:meth:`_reap`), and how many bytes of a descriptor are left (:meth:`_left`).

    Parameters
    ----------
    name : str
        For ``dma_request_chan``.
    dev : Device
        What to map buffers for.
    """

    def __init__(self, name: str, dev: Device):
        self.name, self.dev = name, dev
        self._cookie = self._completed = 0
        self._errors: dict[int, int] = {}           # cookie to bytes that were not moved
        self._short: dict[int, int] = {}            # the same, of those that went well
        self._submitted: deque[DmaAsyncTxDescriptor] = deque()
        self._paused = False

    def _start(self, txs: Iterable[DmaAsyncTxDescriptor]) -> None:
        """Take descriptors into the engine's queue, and start."""
        raise NotImplementedError

    def _reap(self) -> None:
        """Finish descriptors that are complete."""
        raise NotImplementedError

    def _left(self, tx: DmaAsyncTxDescriptor) -> int:
        """Bytes that are left of a descriptor which was issued and has not ended."""
        raise NotImplementedError

    def _issued_txs(self) -> Iterable[DmaAsyncTxDescriptor]:
        """Descriptors that were issued and have not ended."""
        raise NotImplementedError

    def _finish(self, tx: DmaAsyncTxDescriptor, result: DmaengineResult = FINE) -> None:
        """End a descriptor, and call back."""
        self._completed = tx.cookie
        if result.result != "noerror":
            self._errors[tx.cookie] = result.residue
        elif result.residue:
            self._short[tx.cookie] = result.residue
        self._call(tx, result)

    @staticmethod
    def _call(tx: DmaAsyncTxDescriptor, result: DmaengineResult) -> None:
        if tx.callback_result is not None:
            tx.callback_result(tx.callback_param, result)
        elif tx.callback is not None:
            tx.callback(tx.callback_param)

    def tx_submit(self, tx: DmaAsyncTxDescriptor) -> int:
        """Put a descriptor into the queue; return its cookie."""
        self._cookie += 1
        tx.cookie = self._cookie
        self._submitted.append(tx)
        return tx.cookie

    def issue_pending(self) -> None:
        """Start what was submitted."""
        with atomic_context():
            txs = list(self._submitted)
            self._submitted.clear()
            self._start(txs)

    def tx_status(self, cookie: int, state: DmaTxState | None) -> DmaStatus:
        """Say how far a descriptor is; the residue of one that ended is what it did not move."""
        with atomic_context():
            self._reap()
            if state is not None:
                state.last, state.used = self._completed, self._cookie
                state.residue = self._residue(cookie)
        if cookie in self._errors:
            return DmaStatus.DMA_ERROR
        if cookie <= self._completed:
            return DmaStatus.DMA_COMPLETE
        return DmaStatus.DMA_PAUSED if self._paused else DmaStatus.DMA_IN_PROGRESS

    def _residue(self, cookie: int) -> int:
        if cookie <= self._completed:
            return self._errors.get(cookie, self._short.get(cookie, 0))
        for tx in self._submitted:
            if tx.cookie == cookie:
                return tx.size
        for tx in self._issued_txs():
            if tx.cookie == cookie:
                return self._left(tx)
        return 0

    def _drop(self) -> None:
        """Forget everything that has not ended; nobody is called back."""
        self._submitted.clear()
        self._completed, self._paused = self._cookie, False
