"""Metadata of a descriptor: words that go to, or come from, a device beside the data.

Only the mode ``DESC_METADATA_ENGINE`` is here: the buffer is the channel's.

Source: Linux ``Documentation/driver-api/dmaengine/client.rst``, "Optional: per descriptor
metadata".
"""

from ..core.errno import EINVAL, EOPNOTSUPP
from .engine import DmaAsyncTxDescriptor

__all__ = ["DESC_METADATA_CLIENT", "DESC_METADATA_ENGINE", "dmaengine_desc_get_metadata_ptr",
           "dmaengine_desc_set_metadata_len", "dmaengine_is_metadata_mode_supported"]

DESC_METADATA_CLIENT, DESC_METADATA_ENGINE = 1, 2


def dmaengine_is_metadata_mode_supported(chan: object, mode: int) -> bool:
    """Say whether the channel's descriptors have metadata of that kind."""
    return mode == DESC_METADATA_ENGINE and getattr(chan, "metadata_bytes", 0) > 0


def dmaengine_desc_get_metadata_ptr(desc: DmaAsyncTxDescriptor) -> (
        tuple[bytearray | None, int, int]):
    """Return the buffer, the bytes in use and its size; None if there is none.

    To a device: fill it before the descriptor is submitted. From one: read it in the callback.
    """
    if desc.metadata is None:
        return None, 0, 0
    return desc.metadata, len(desc.metadata), len(desc.metadata)


def dmaengine_desc_set_metadata_len(desc: DmaAsyncTxDescriptor, payload_len: int) -> int:
    """Say how much of the buffer was filled; all of it goes. 0 or a negative error number."""
    if desc.metadata is None:
        return -EOPNOTSUPP
    return 0 if 0 <= payload_len <= len(desc.metadata) else -EINVAL
