"""What to copy, as the CDMA's descriptors say it.

Source: AMD PG034, "AXI Central Direct Memory Access", section "Scatter Gather Transfer Descriptor
Definition".
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rtl.spec.descriptor import CDMA_ALIGN, CDMA_CONTROL, CDMA_MAX_BYTES, CdmaWord

from ..core.addresses import DmaAddr, lower_32_bits, upper_32_bits
from ..sg.scatterlist import Sgl, for_each_sg, sg_dma_address, sg_dma_len

__all__ = ["Transfer", "chain_bytes", "limit_transfers", "pair_lists"]


class Transfer(NamedTuple):
    """Copy ``size`` bytes from ``src`` to ``dst``."""

    src: DmaAddr
    dst: DmaAddr
    size: int


def limit_transfers(transfers: Iterable[Transfer]) -> Iterator[Transfer]:
    """Cut transfers that one descriptor cannot hold.

    Raises
    ------
    TypeError
        If an address is not a DMA address.
    ValueError
        If a transfer has no bytes.
    """
    for src, dst, size in transfers:
        DmaAddr.check(src)
        DmaAddr.check(dst)
        if size <= 0:
            raise ValueError(f"Transfer must have at least 1 byte, not {size!r}")
        for done in range(0, size, CDMA_MAX_BYTES):
            yield Transfer(src + done, dst + done, min(CDMA_MAX_BYTES, size - done))


def chain_bytes(transfers: list[Transfer], base: DmaAddr) -> bytes:
    """Make descriptors, one after the other from ``base`` on; the last leads back to the first."""
    chain = bytearray(len(transfers) * CDMA_ALIGN)
    for index, (src, dst, size) in enumerate(transfers):
        following = base + (index + 1) % len(transfers) * CDMA_ALIGN
        words = {CdmaWord.CONTROL: CDMA_CONTROL.pack(btt=size)}
        for low, high, addr in ((CdmaWord.NXTDESC, CdmaWord.NXTDESC_MSB, following),
                                (CdmaWord.SA, CdmaWord.SA_MSB, src),
                                (CdmaWord.DA, CdmaWord.DA_MSB, dst)):
            words[low], words[high] = lower_32_bits(addr), upper_32_bits(addr)
        for offset, word in words.items():
            at = index * CDMA_ALIGN + offset
            chain[at:at + 4] = word.to_bytes(4, "little")
    return bytes(chain)


def pair_lists(src_sgl: Sgl, src_count: int, dst_sgl: Sgl, dst_count: int) -> list[Transfer]:
    """Transfers that copy one mapped list to another: a new one wherever a segment begins.

    Parameters
    ----------
    src_sgl, dst_sgl : list of Scatterlist
        Mapped lists.
    src_count, dst_count : int
        What ``dma_map_sg`` returned for them.

    Raises
    ------
    ValueError
        If the lists do not have the same number of bytes.
    """
    sides = [[[sg_dma_address(sg), sg_dma_len(sg)] for sg, _ in for_each_sg(sgl, count)]
             for sgl, count in ((src_sgl, src_count), (dst_sgl, dst_count))]
    totals = [sum(size for _, size in side) for side in sides]
    if totals[0] != totals[1]:
        raise ValueError(f"Lists must have equally many bytes, not {totals[0]} and {totals[1]}")
    sources, targets = (iter([segment for segment in side if segment[1]]) for side in sides)
    transfers, (src, left), (dst, room) = [], (None, 0), (None, 0)
    for _ in range(src_count + dst_count):
        if not left:
            src, left = next(sources, (None, 0))
        if not room:
            dst, room = next(targets, (None, 0))
        size = min(left, room)
        if not size:
            break
        transfers.append(Transfer(src, dst, size))
        src, dst, left, room = src + size, dst + size, left - size, room - size
    return transfers
