"""Transfers and descriptors."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from kernel_api.drivers.cdma_chain import Transfer, chain_bytes, limit_transfers, pair_lists

MAX = (1 << 26) - 1


def test_descriptors_by_the_book():
    chain = chain_bytes([Transfer(DmaAddr(0x1_2345_6789), DmaAddr(0x2_0000_0001), 100),
                         Transfer(DmaAddr(3), DmaAddr(4), MAX)], DmaAddr(0x7_FFFF_F000))
    words = [int.from_bytes(chain[at:at + 4], "little") for at in range(0, 128, 4)]
    assert words == [0xFFFF_F040, 7, 0x2345_6789, 1, 1, 2, 100, *[0] * 9,
                     0xFFFF_F000, 7, 3, 0, 4, 0, MAX, *[0] * 9]


@given(st.integers(1, 4 * MAX))
def test_long_transfers_are_cut(size):
    parts = list(limit_transfers([(DmaAddr(5), DmaAddr(9), size)]))
    assert sum(part.size for part in parts) == size and all(0 < p.size <= MAX for p in parts)
    at = 0
    for part in parts:
        assert (part.src, part.dst) == (5 + at, 9 + at)
        at += part.size


def mapped(cuts, base):
    """A list whose DMA side has the given segments, with a gap after each."""
    sgl = [Scatterlist() for _ in cuts]
    sg_init_table(sgl, len(cuts))
    for sg, size in zip(sgl, cuts, strict=True):
        sg.dma_address, sg.dma_length = DmaAddr(base), size
        base += size + 1000
    return sgl


def addresses(sgl):
    return [int(sg.dma_address) + i for sg in sgl for i in range(sg.dma_length)]


@given(st.data())
def test_pairs_against_bytes(data):
    total = data.draw(st.integers(1, 200))
    cuts = [sorted({0, total, *data.draw(st.lists(st.integers(0, total), max_size=6))})
            for _ in range(2)]
    src, dst = (mapped([b - a for a, b in itertools.pairwise(cut)], base)
                for cut, base in zip(cuts, (1 << 20, 1 << 40), strict=True))
    pairs = pair_lists(src, len(src), dst, len(dst))
    assert [(a + i, b + i) for a, b, size in pairs for i in range(size)] == list(
        zip(addresses(src), addresses(dst), strict=True))
    assert len(pairs) == len({*cuts[0], *cuts[1]}) - 1


def test_empty_segments_are_passed_over():
    src, dst = mapped([0, 10, 0, 5], 0x1000), mapped([15, 0], 0x9000)
    assert [size for _, _, size in pair_lists(src, 4, dst, 2)] == [10, 5]


def test_only_the_count_is_used():
    src, dst = mapped([10, 99], 0x1000), mapped([10], 0x9000)
    assert pair_lists(src, 1, dst, 1) == [(DmaAddr(0x1000), DmaAddr(0x9000), 10)]


def test_lists_of_different_length():
    with pytest.raises(ValueError, match="Lists must have equally many bytes, not 10 and 11"):
        pair_lists(mapped([10], 0), 1, mapped([11], 0), 1)
