"""Copies between a list and a buffer.

Where C takes a buffer to fill, the bytes are a further result here.

Source: Linux ``lib/scatterlist.c`` (behaviour).
"""

from collections.abc import Iterator

from ..core.addresses import VirtAddr
from ..core.current import current_kernel
from .miter import (
    SG_MITER_ATOMIC,
    SG_MITER_FROM_SG,
    SG_MITER_TO_SG,
    SgMappingIter,
    sg_miter_next,
    sg_miter_skip,
    sg_miter_start,
    sg_miter_stop,
)
from .scatterlist import Sgl

__all__ = ["sg_copy_buffer", "sg_copy_from_buffer", "sg_copy_to_buffer", "sg_pcopy_from_buffer",
           "sg_pcopy_to_buffer", "sg_zero_buffer"]


def _pieces(sgl: Sgl, nents: int, length: int, skip: int,
            flag: int) -> Iterator[tuple[VirtAddr, int]]:
    """Linear addresses and lengths of ``length`` bytes from byte ``skip`` on."""
    miter = SgMappingIter()
    sg_miter_start(miter, sgl, nents, SG_MITER_ATOMIC | flag)
    if not sg_miter_skip(miter, skip):
        return
    while length > 0 and sg_miter_next(miter):
        size = min(length, miter.length)
        yield miter.addr, size
        length -= size
    sg_miter_stop(miter)


def sg_copy_buffer(sgl: Sgl, nents: int, buf: bytearray, buflen: int, skip: int,
                   to_buffer: bool) -> int:
    """Copy ``buflen`` bytes between ``buf`` and the list from byte ``skip`` on, either way.

    Returns
    -------
    int
        Bytes copied: fewer if list or buffer are shorter.
    """
    cpu, done = current_kernel().cpu, 0
    flag = SG_MITER_FROM_SG if to_buffer else SG_MITER_TO_SG
    for va, size in _pieces(sgl, nents, min(buflen, len(buf)), skip, flag):
        if to_buffer:
            buf[done:done + size] = cpu.load(va, size)
        else:
            cpu.store(va, buf[done:done + size])
        done += size
    return done


def sg_pcopy_from_buffer(sgl: Sgl, nents: int, buf: bytes, buflen: int, skip: int) -> int:
    """Store ``buflen`` bytes of ``buf`` into the list from byte ``skip`` on. Returns how many."""
    return sg_copy_buffer(sgl, nents, buf, buflen, skip, False)


def sg_pcopy_to_buffer(sgl: Sgl, nents: int, buflen: int, skip: int) -> tuple[int, bytes]:
    """Load ``buflen`` bytes of the list from byte ``skip`` on. Returns how many, and the bytes."""
    buf = bytearray(buflen)
    done = sg_copy_buffer(sgl, nents, buf, buflen, skip, True)
    return done, bytes(buf[:done])


def sg_copy_from_buffer(sgl: Sgl, nents: int, buf: bytes, buflen: int) -> int:
    """Store the first ``buflen`` bytes of ``buf`` into the list. Returns bytes stored."""
    return sg_pcopy_from_buffer(sgl, nents, buf, buflen, 0)


def sg_copy_to_buffer(sgl: Sgl, nents: int, buflen: int) -> tuple[int, bytes]:
    """Load the first ``buflen`` bytes of the list. Returns how many, and the bytes."""
    return sg_pcopy_to_buffer(sgl, nents, buflen, 0)


def sg_zero_buffer(sgl: Sgl, nents: int, buflen: int, skip: int) -> int:
    """Store ``buflen`` zeros into the list from byte ``skip`` on. Returns how many."""
    cpu, done = current_kernel().cpu, 0
    for va, size in _pieces(sgl, nents, buflen, skip, SG_MITER_TO_SG):
        cpu.store(va, bytes(size))
        done += size
    return done
