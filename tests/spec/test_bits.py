"""BitLayout: what it refuses, packing and unpacking."""

import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.spec.bits import BitLayout

WORD = BitLayout("word", 16, {"v": (0, 1), "ppn": (4, 6), "mode": (12, 4)})


class Mode(enum.Enum):
    SV39 = 8


@pytest.mark.parametrize("width, fields, message", [
    (8, {"a": (0, 4), "b": (3, 1)}, r"Field 'w\.b' overlaps another field"),
    (8, {"a": (6, 3)}, r"Field 'w\.a' must lie within 8 bits, not at 6\.\.8"),
    (8, {"a": (0, 0)}, r"Field 'w\.a' must lie within 8 bits, not at 0\.\.-1"),
    (8, {"a": (-1, 2)}, r"Field 'w\.a' must lie within 8 bits, not at -1\.\.0"),
])
def test_refused(width, fields, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        BitLayout("w", width, fields)


def test_fields():
    assert list(WORD) == ["v", "ppn", "mode"]
    assert WORD.reserved == 0x0C0E
    assert WORD.mask("ppn") == 0x03F0
    assert WORD.pack(v=1, ppn=0x3F, mode=Mode.SV39) == 0x83F1
    assert WORD.pack(0xFFFF, ppn=0) == 0xFC0F
    assert WORD.get(0x8A5B, "ppn") == 0x25
    with pytest.raises(KeyError, match="word has no field 'x'; it has: v, ppn, mode"):
        WORD.get(0, "x")
    for value in (64, -1):
        with pytest.raises(ValueError, match=f"^Value {value:#x} does not fit in the 6 bits of "
                                             r"field 'word\.ppn'$"):
            WORD.pack(ppn=value)


@given(st.integers(0, 0xFFFF))
def test_round_trip(word):
    assert WORD.pack(word & WORD.reserved, **WORD.unpack(word)) == word
    assert WORD.pack(**WORD.unpack(word)) == word & ~WORD.reserved
