"""How entries lie in I/O virtual memory, and which are joined: known cases, and byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api.ops.sg_merge import join_segments, layout_spans

PAGE, NONE = 4096, (1 << 64) - 1
BASE = 0x10_0000
KIB = 1024


def segments(pieces, boundary=NONE, max_segment=65536, base=BASE):
    spans = layout_spans(pieces, PAGE, boundary)
    return join_segments(base, pieces, spans, boundary, max_segment)


@pytest.mark.parametrize("pieces,limits,expected", [
    ([(0, PAGE)] * 3, {}, [(BASE, 3 * PAGE)]),
    ([(0x200, 0x800), (0, 0x1000)], {}, [(BASE + 0x200, 0x800), (BASE + PAGE, PAGE)]),
    ([(0x200, 0xE00), (0, 0x1000)], {}, [(BASE + 0x200, 0x1E00)]),
    ([(0, 0x1000), (0x200, 0xE00)], {}, [(BASE, PAGE), (BASE + PAGE + 0x200, 0xE00)]),
    ([(0, PAGE)] * 4, {"max_segment": 8192}, [(BASE, 8192), (BASE + 8192, 8192)]),
    ([(0, 40 * KIB)] * 2, {"boundary": 0xFFFF}, [(BASE, 40 * KIB), (BASE + 64 * KIB, 40 * KIB)]),
    ([(0, 32 * KIB)] * 3, {"boundary": 0xFFFF}, [(BASE, 64 * KIB), (BASE + 64 * KIB, 32 * KIB)]),
    ([(0, 5 * PAGE)], {"max_segment": PAGE}, [(BASE, 5 * PAGE)]),
    ([(0, 32 * KIB)] * 3, {"boundary": 0xFFFF, "max_segment": 1 << 20},
     [(BASE, 64 * KIB), (BASE + 64 * KIB, 32 * KIB)]),
])
def test_r105_known_cases(pieces, limits, expected):
    assert segments(pieces, **limits) == expected


def test_r106_the_gap_before_a_boundary_belongs_to_the_entry_before():
    assert layout_spans([(0, 40 * KIB)] * 2, PAGE, 0xFFFF) == [64 * KIB, 40 * KIB]
    assert sum(layout_spans([(0, 40 * KIB)] * 2, PAGE, 0xFFFF)) == 26 * PAGE


def by_bytes(pieces, boundary, max_segment):
    """Place every byte; cut wherever the rules of R105 and R106 do not allow to go on."""
    addresses, cursor = [], 0
    for offset, length in pieces:
        pages = -(-(offset + length) // PAGE)
        if cursor // (boundary + 1) != (cursor + pages * PAGE - 1) // (boundary + 1):
            cursor += -cursor % (boundary + 1)
        addresses.append((cursor + offset, length))
        cursor += pages * PAGE
    found = []
    for (start, length), (offset, _) in zip(addresses, pieces, strict=True):
        last = found[-1] if found else None
        if (last and last[0] + last[1] == start and offset == 0 and start % (boundary + 1)
                and last[1] + length <= max_segment):
            last[1] += length
        else:
            found.append([start, length])
    return [(BASE + start, length) for start, length in found]


piece = st.one_of(
    st.tuples(st.just(0), st.integers(1, 4).map(lambda pages: pages * PAGE)),
    st.integers(1, 4095).flatmap(lambda offset: st.tuples(st.just(offset), st.one_of(
        st.just(PAGE - offset), st.integers(1, 3 * PAGE)))),
    st.tuples(st.just(0), st.integers(1, 3 * PAGE)))


@given(st.lists(piece, min_size=1, max_size=20),
       st.sampled_from([NONE, 0xFFFF, 0x7FFF, 0xF_FFFF]),
       st.sampled_from([4 * PAGE, 8 * PAGE, 65536, 1 << 20]))
def test_r103_r105_r106_against_bytes(pieces, boundary, max_segment):
    found = segments(pieces, boundary, max_segment)
    assert found == by_bytes(pieces, boundary, max_segment)
    assert 1 <= len(found) <= len(pieces)
    assert sum(length for _, length in found) == sum(length for _, length in pieces)
    for start, length in found:
        assert length <= max(max_segment, max(size for _, size in pieces))
        assert start // (boundary + 1) == (start + length - 1) // (boundary + 1)
