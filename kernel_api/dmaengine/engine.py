"""The DMA engine API: channels, descriptors, cookies, callbacks.

Names, order of calls and results are those of Linux. A provider makes :class:`DmaChan` objects and
registers them; a client asks for one, prepares, submits, issues, and is called back.

Source: Linux ``Documentation/driver-api/dmaengine/client.rst`` and ``provider.rst``.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakKeyDictionary

from ..core.addresses import DmaAddr
from ..core.attrs import Dir
from ..core.current import current_kernel
from ..core.errno import ENODEV
from ..core.kernel import Kernel
from .transfers import DataChunk, DmaInterleavedTemplate, DmaSlaveConfig, Piece

__all__ = ["DMA_CTRL_ACK", "DMA_PREP_INTERRUPT", "DataChunk", "DmaAsyncTxDescriptor", "DmaChan",
           "DmaInterleavedTemplate", "DmaSlaveConfig", "DmaStatus", "DmaTxState",
           "DmaengineResult", "Piece",
           "dma_async_device_register", "dma_async_device_unregister", "dma_async_is_tx_complete",
           "dma_async_issue_pending", "dma_channels", "dma_release_channel", "dma_request_chan",
           "dmaengine_pause", "dmaengine_prep_dma_cyclic", "dmaengine_prep_dma_memcpy",
           "dmaengine_prep_dma_memset", "dmaengine_prep_interleaved_dma", "dmaengine_resume",
           "dmaengine_slave_config", "dmaengine_submit", "dmaengine_terminate_sync",
           "dmaengine_tx_status"]

#: Call back when the descriptor is complete.
DMA_PREP_INTERRUPT = 1 << 0
#: The descriptor may be used again at once.
DMA_CTRL_ACK = 1 << 1


class DmaStatus(enum.IntEnum):
    """State of a descriptor: ``enum dma_status``."""

    DMA_COMPLETE = 0
    DMA_IN_PROGRESS = 1
    DMA_PAUSED = 2
    DMA_ERROR = 3


@dataclass
class DmaTxState:
    """``struct dma_tx_state``: last cookie that is complete, last used, and bytes left."""

    last: int = 0
    used: int = 0
    residue: int = 0


@dataclass(frozen=True)
class DmaengineResult:
    """``struct dmaengine_result``: what a ``callback_result`` is told.

    ``result`` is ``DMA_TRANS_NOERROR``, ``DMA_TRANS_READ_FAILED``, ``DMA_TRANS_WRITE_FAILED`` or
    ``DMA_TRANS_ABORTED`` without prefix and in small letters; ``residue`` in bytes. Linux has no
    more; here an error may also say whether the IOMMU ``refused`` the access, and its ``address``.
    """

    result: str
    residue: int = 0
    refused: bool = False
    address: int | None = None


@dataclass(eq=False)
class DmaAsyncTxDescriptor:
    """``struct dma_async_tx_descriptor``: a transfer that was prepared.

    Parameters
    ----------
    chan : DmaChan
        Channel that prepared it.
    pieces : list of Piece
        What it is made of.
    flags : int
        ``DMA_PREP_INTERRUPT`` and ``DMA_CTRL_ACK``.
    cyclic : bool
        Whether its pieces are done again and again; each is a period, and called back.

    Attributes
    ----------
    cookie : int
        Number that it was given when it was submitted.
    callback, callback_result : callable or None
        Called with ``callback_param``; the second with a :class:`DmaengineResult` before that.
    metadata : bytearray or None
        What goes with the data, if the channel has that; see :mod:`.metadata`.
    """

    chan: "DmaChan"
    pieces: list[Piece]
    flags: int = 0
    cyclic: bool = False
    cookie: int = 0
    callback: Callable[[object], None] | None = None
    callback_result: Callable[[object, DmaengineResult], None] | None = None
    callback_param: object = None
    metadata: bytearray | None = None
    size: int = field(init=False)

    def __post_init__(self):
        self.size = sum(piece.total for piece in self.pieces)


class DmaChan(Protocol):
    """What a provider offers: ``struct dma_chan`` with the operations of its device.

    Attributes
    ----------
    name : str
        As ``dma0chan0``.
    """

    name: str

    def prep(self, pieces: list[Piece | tuple[DmaAddr, DmaAddr, int]],
             flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor of pieces, or of copies; None if the channel cannot do that."""

    def prep_interleaved(self, template: DmaInterleavedTemplate,
                         flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor of frames of chunks; None if the channel cannot do that."""

    def prep_slave_sg(self, buffers: list[tuple[DmaAddr, int]], direction: Dir,
                      flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor of buffers to or from a device; None if the channel cannot do that."""

    def prep_cyclic(self, buf: DmaAddr, size: int, period: int, direction: Dir,
                    flags: int) -> DmaAsyncTxDescriptor | None:
        """Make a descriptor that goes round without end; None if the channel cannot do that."""

    def slave_config(self, config: DmaSlaveConfig) -> int:
        """Take the addresses of a device for :meth:`prep_cyclic`."""

    def tx_submit(self, tx: DmaAsyncTxDescriptor) -> int:
        """Put a descriptor into the queue; return its cookie, or a negative error number."""

    def issue_pending(self) -> None:
        """Start what was submitted."""

    def tx_status(self, cookie: int, state: DmaTxState | None) -> DmaStatus:
        """Say how far a descriptor is."""

    def pause(self) -> int:
        """Stop at the next boundary of bursts. 0 or a negative error number."""

    def resume(self) -> int:
        """Go on after :meth:`pause`. 0 or a negative error number."""

    def terminate_all(self) -> int:
        """Drop all descriptors; nobody is called back. 0 or a negative error number."""


_channels: "WeakKeyDictionary[Kernel, dict[str, DmaChan]]" = WeakKeyDictionary()
_taken: "WeakKeyDictionary[Kernel, set[str]]" = WeakKeyDictionary()


def dma_async_device_register(chan: DmaChan) -> int:
    """Offer a channel to clients."""
    _channels.setdefault(current_kernel(), {})[chan.name] = chan
    return 0


def dma_async_device_unregister(chan: DmaChan) -> None:
    """Offer it no more."""
    _channels.get(current_kernel(), {}).pop(chan.name, None)


def dma_channels() -> list[DmaChan]:
    """All channels, by name."""
    return [chan for _, chan in sorted(_channels.get(current_kernel(), {}).items())]


def dma_request_chan(name: str) -> DmaChan | int:
    """Take a channel for oneself; ``-ENODEV`` if there is none of that name, or it is taken."""
    kernel = current_kernel()
    chan = _channels.get(kernel, {}).get(name)
    taken = _taken.setdefault(kernel, set())
    if chan is None or name in taken:
        return -ENODEV
    taken.add(name)
    return chan


def dma_release_channel(chan: DmaChan) -> None:
    """Give a channel back; what is under way is dropped."""
    dmaengine_terminate_sync(chan)
    _taken.get(current_kernel(), set()).discard(chan.name)


def dmaengine_prep_dma_memcpy(chan: DmaChan, dst: DmaAddr, src: DmaAddr, size: int,
                              flags: int) -> DmaAsyncTxDescriptor | None:
    """Prepare a copy; None if the channel cannot do it."""
    return chan.prep([(src, dst, size)], flags)


def dmaengine_prep_interleaved_dma(chan: DmaChan, template: DmaInterleavedTemplate,
                                   flags: int) -> DmaAsyncTxDescriptor | None:
    """Prepare frames of chunks; None if the channel cannot do it."""
    return chan.prep_interleaved(template, flags)


def dmaengine_prep_dma_memset(chan: DmaChan, dest: DmaAddr, value: int, size: int,
                              flags: int) -> DmaAsyncTxDescriptor | None:
    """Prepare to set every byte to the low byte of ``value``; None if the channel cannot do it."""
    pattern = (value & 0xFF) * 0x0101_0101_0101_0101
    return chan.prep([Piece(DmaAddr(0), dest, size, pattern=pattern)], flags)


def dmaengine_slave_config(chan: DmaChan, config: DmaSlaveConfig) -> int:
    """Tell a channel the addresses of the device that it serves. 0 or a negative error number."""
    return chan.slave_config(config)


def dmaengine_prep_dma_cyclic(chan: DmaChan, buf_addr: DmaAddr, buf_len: int, period_len: int,
                              direction: Dir, flags: int) -> DmaAsyncTxDescriptor | None:
    """Prepare to move a buffer to or from a device again and again.

    The callback comes once a period. Only ``dmaengine_terminate_sync`` ends it. None if the channel
    cannot do it, or the buffer is not whole periods.
    """
    return chan.prep_cyclic(buf_addr, buf_len, period_len, direction, flags)


def dmaengine_submit(tx: DmaAsyncTxDescriptor) -> int:
    """Queue a descriptor; return its cookie, or a negative error number."""
    return tx.chan.tx_submit(tx)


def dma_async_issue_pending(chan: DmaChan) -> None:
    """Start what was submitted."""
    chan.issue_pending()


def dmaengine_tx_status(chan: DmaChan, cookie: int, state: DmaTxState | None = None) -> DmaStatus:
    """Say how far a descriptor is, and fill in ``state``."""
    return chan.tx_status(cookie, state)


def dma_async_is_tx_complete(chan: DmaChan, cookie: int) -> DmaStatus:
    """Say how far a descriptor is."""
    return chan.tx_status(cookie, None)


def dmaengine_pause(chan: DmaChan) -> int:
    """Stop at the next boundary of bursts."""
    return chan.pause()


def dmaengine_resume(chan: DmaChan) -> int:
    """Go on."""
    return chan.resume()


def dmaengine_terminate_sync(chan: DmaChan) -> int:
    """Drop all descriptors, and wait until nothing of them is under way."""
    return chan.terminate_all()
