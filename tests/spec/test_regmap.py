"""Register maps: what they refuse, and how values are packed."""

import enum

import pytest

from rtl.spec.regmap import Access, Field, Register, RegisterMap

RW, RO = Access.RW, Access.RO


def one(*fields, offset=0, **kwargs):
    return RegisterMap("m", "", (Register("r", offset, "", fields),), **kwargs)


@pytest.mark.parametrize("make, message", [
    (lambda: Field("A", 0, 1, RW, ""), r"Field name must be a lower-case identifier, not 'A'"),
    (lambda: Field("a b", 0, 1, RW, ""), r"Field name must be a lower-case ident.*, not 'a b'"),
    (lambda: Field("a", 0, 0, RW, ""), r"Field 'a' must have a positive width at a bit position of "
                                       r"at least 0, not width 0 at bit 0"),
    (lambda: Field("a", -1, 2, RW, ""), r"Field 'a' must have .*, not width 2 at bit -1"),
    (lambda: Field("a", 0, 1, RW, "", reset=2),
     r"Reset value 0x2 of field 'a' does not fit in 1 bits"),
    (lambda: Field("a", 0, 1, RO, "", reset=1),
     r"Field 'a' has no storage and cannot have a reset value"),
    (lambda: Field("a", 0, 1, Access.WARL, "", reset=1),
     r"Field 'a' has no storage and cannot have a reset value"),
    (lambda: one(Field("a", 0, 4, RW, ""), Field("b", 3, 1, RW, "")),
     r"Field 'r\.b' overlaps another field"),
    (lambda: one(Field("a", 0, 4, RW, ""), Field("a", 4, 1, RW, "")),
     r"Field name 'r\.a' is used twice"),
    (lambda: one(Field("a", 30, 4, RW, "")),
     r"Field 'r\.a' occupies bits 30\.\.33 of a 32-bit register"),
    (lambda: one(offset=2), r"Register 'r' at 0x2 is not aligned to 4 bytes"),
    (lambda: one(offset=4, width=64), r"Register 'r' at 0x4 is not aligned to 8 bytes"),
    (lambda: RegisterMap("m", "", (Register("r", 0, "", ()), Register("s", 0, "", ()))),
     r"Registers 'r' and 's' are both at 0x0"),
    (lambda: RegisterMap("m", "", (Register("r", 0, "", ()), Register("r", 4, "", ()))),
     r"Register name 'r' is used twice"),
])
def test_refused(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()


MAP = one(Field("mode", 4, 3, RW, "", reset=5), Field("go", 0, 1, Access.WO, ""),
          Field("done", 31, 1, Access.W1C, ""), offset=0x14)


def test_lookup():
    assert MAP["r"].reset == 0x50
    assert [field.name for field in MAP["r"]] == ["mode", "go", "done"]
    assert (MAP["r"]["mode"].msb, MAP["r"]["mode"].mask) == (6, 0x70)
    assert MAP.addr_width == 5
    with pytest.raises(KeyError, match="Register map 'm' has no register 'x'; it has: r"):
        MAP["x"]
    with pytest.raises(KeyError, match="Register 'r' has no field 'x'; it has: mode, go, done"):
        MAP["r"]["x"]


def test_pack():
    class Mode(enum.Enum):
        FAST = 6

    register = MAP["r"]
    assert register.pack({"mode": 1, "done": True}) == 0x8000_0010
    assert register.pack({"mode": Mode.FAST}, base=0xFFFF_FFFF) == 0xFFFF_FFEF
    assert register["mode"].get(0x8000_006F) == 6
    with pytest.raises(KeyError, match="has no field 'mood'"):
        register.pack({"mood": 1})
    for value in (8, -1):
        with pytest.raises(ValueError, match=f"^Value {value:#x} does not fit in the 3 bits of "
                                             r"field 'r\.mode'$"):
            register.pack({"mode": value})
