"""AXI4 checker: every rule is seen when it, and only it, is violated; its neighbours pass."""

from functools import cache

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Value

from rtl.axi import lite
from rtl.axi.checker import Checker
from rtl.axi.signature import Burst, Resp, Signature
from sim.engine import choose

from .play import Player, Stalled, address

WRAP, FIXED, INCR = Burst.WRAP, Burst.FIXED, Burst.INCR


@cache
def player(id_width=3, data_width=64, **kwargs):
    bus = Signature(addr_width=32, data_width=data_width, id_width=id_width).create(path=("bus",))
    return Player(bus, Checker(bus, "here", **kwargs))


def play(cycles, *, warm=True, **kwargs):
    """Rule that ``cycles`` violate, after a first idle cycle."""
    return player(**kwargs).violated([{}] * warm + cycles)


def aw(**fields):
    return {"aw": address(**fields)}


def ar(**fields):
    return {"ar": address(**fields)}


def w(*, last=0, **fields):
    return {"w": {"strb": 0xFF, "last": last, **fields}}


def b(axi_id=0, resp=Resp.OKAY):
    return {"b": {"id": axi_id, "resp": resp}}


def r(axi_id=0, last=0, resp=Resp.OKAY):
    return {"r": {"id": axi_id, "last": last, "resp": resp}}


#: What makes the response channels legal to offer, and a payload.
OFFERS = {
    "aw": ([], address(addr=8)),
    "w": ([aw(len=2)], {"strb": 0xFF, "data": 5}),
    "b": ([aw(), w(last=1), aw(), w(last=1)], {"id": 0}),
    "ar": ([], address(addr=8)),
    "r": ([ar(len=2)], {"id": 0, "data": 5}),
}


@pytest.mark.parametrize("channel", OFFERS)
class TestChannel:
    def test_withdrawn(self, channel):
        before, payload = OFFERS[channel]
        stalled = {channel: Stalled(payload)}
        assert play([*before, stalled, {}]) == f"AXI_{channel.upper()}_VALID"
        assert play([*before, stalled, stalled, {channel: payload}, {}]) is None

    def test_changed(self, channel):
        before, payload = OFFERS[channel]
        other = {key: value + 1 if key in ("addr", "data") else value
                 for key, value in payload.items()}
        if channel == "b":
            other["resp"] = Resp.SLVERR
        assert play([*before, {channel: Stalled(payload)}, {channel: other}]) == \
            f"AXI_{channel.upper()}_STABLE"
        assert play([*before, {channel: payload}, {channel: other}]) is None

    def test_after_reset(self, channel):
        _, payload = OFFERS[channel]
        assert play([{channel: Stalled(payload)}], warm=False) == f"AXI_{channel.upper()}_RESET"
        if channel in ("aw", "w", "ar"):
            assert play([{channel: payload}], warm=False, reset=()) is None


#: Rule, an address that violates it, its nearest neighbour that does not.
ADDRESS = [
    ("4K", {"addr": 0x1FF8, "len": 1}, {"addr": 0x1FF8, "len": 0}),
    ("4K", {"addr": 0x2808, "len": 255}, {"addr": 0x2807, "len": 255}),
    ("4K", {"addr": 0xFFD, "len": 1, "size": 2}, {"addr": 0xFF9, "len": 1, "size": 2}),
    ("4K", {"addr": 0xFFF, "len": 1, "size": 0}, {"addr": 0xFFE, "len": 1, "size": 0}),
    ("SIZE", {"size": 4}, {"size": 3}),
    ("SIZE", {"size": 7}, {"size": 0}),
    ("FIXED_LEN", {"burst": FIXED, "len": 16}, {"burst": FIXED, "len": 15, "addr": 0xFFF}),
    ("WRAP_LEN", {"burst": WRAP, "len": 2}, {"burst": WRAP, "len": 1}),
    ("WRAP_LEN", {"burst": WRAP, "len": 0}, {"burst": WRAP, "len": 3}),
    ("WRAP_LEN", {"burst": WRAP, "len": 31}, {"burst": WRAP, "len": 15, "addr": 0xFF8}),
    ("WRAP_ALIGN", {"burst": WRAP, "len": 7, "addr": 0xC}, {"burst": WRAP, "len": 7, "addr": 8}),
    ("LOCK_SIZE", {"lock": 1, "len": 2, "size": 2}, {"lock": 1, "len": 3, "size": 2}),
    ("LOCK_SIZE", {"lock": 1, "len": 16, "size": 0}, {"lock": 1, "len": 15, "size": 0}),
    ("LOCK_SIZE", {"lock": 1, "len": 31, "size": 0}, {"lock": 1, "len": 7, "size": 0}),
    ("LOCK_SIZE", {"lock": 1, "len": 31, "size": 3}, {"lock": 1, "len": 15, "size": 3}),
    ("LOCK_ALIGN", {"lock": 1, "len": 3, "addr": 0x10}, {"lock": 1, "len": 3, "addr": 0x20}),
    ("CACHE", {"cache": 0b0100}, {"cache": 0b0110}),
    ("CACHE", {"cache": 0b1001}, {"cache": 0b0001}),
]


@pytest.mark.parametrize("channel", ["aw", "ar"])
@pytest.mark.parametrize("rule, bad, good", ADDRESS)
def test_address(channel, rule, bad, good):
    assert play([{channel: Stalled(address(**bad))}]) == f"AXI_{channel.upper()}_{rule}"
    assert play([{channel: Stalled(address(**good))}]) is None


def test_wide_exclusive_access():
    assert play([ar(lock=1, len=15, size=4)], data_width=512) == "AXI_AR_LOCK_SIZE"
    assert play([ar(lock=1, len=7, size=4)], data_width=512) is None


@pytest.mark.parametrize("channel", ["aw", "ar"])
def test_reserved_burst(channel):
    """A view cannot hold the reserved value: set the bits."""
    bus = Signature(addr_width=32).create(path=("bus",))
    stream = getattr(bus, channel)
    m = Module()
    m.submodules.checker = Checker(bus, "here", reset=())
    m.d.comb += stream.valid.eq(1)
    m.d.comb += stream.p.burst.as_value().eq(3)
    simulator = choose()(m)
    simulator.add_clock(1e-8)
    with pytest.raises(AssertionError, match=f"violated: AXI_{channel.upper()}_BURST at here: "):
        simulator.run_until(3e-8)


LAST = [
    ("early", [aw(len=2), w(), w(last=1)]),
    ("late", [aw(len=1), w(), w(last=0)]),
    ("missing", [aw(), w(last=0)]),
    ("same cycle", [aw(len=1) | w(last=1)]),
    ("second burst", [aw(len=1), aw(len=0), w(), w(last=1) | aw(len=3), w(last=0)]),
    ("data first, short", [w(), w(last=1), aw(len=2)]),
    ("data first, long", [w(), w(), w(last=1), aw(len=1)]),
    ("two data first", [w(last=1), w(), w(last=1), aw(len=0), aw(len=0)]),
    ("address in the midst", [w(), w(), aw(len=1), w(last=1)]),
    ("address in the midst, too short", [w(), w(), aw(len=1), w()]),
    ("endless", [w()] * 256),
]


@pytest.mark.parametrize("cycles", [cycles for _, cycles in LAST], ids=[name for name, _ in LAST])
def test_wlast(cycles):
    assert play(cycles) == "AXI_WLAST"


@pytest.mark.parametrize("cycles", [
    [aw(len=2), w(), w(), w(last=1), b()],
    [aw() | w(last=1), b() | aw() | w(last=1), b()],
    [aw(len=1, id=1), aw(id=2), w(), w(last=1), w(last=1) | b(1), b(2)],
    [w(), w(last=1), w(last=1), aw(len=1), aw(id=3) | b(), b(3)],
    [w(), aw(len=3), w(), w(), w(last=1), b()],
    [aw() | w(last=1), aw(len=1), w(), w(last=1), b(), b()],
    [w(last=1), aw() | w(last=1), aw() | w(last=1), aw(), b(), b(), b()],
    [aw(), aw() | w(last=1), aw() | w(last=1), w(last=1), b(), b(), b()],
    [*[w()] * 255, w(last=1), aw(len=255), b()],
    [*[aw(id=1)] * 16, *[w(last=1)] * 16, *[b(1)] * 16],
])
def test_writes_in_order(cycles):
    assert play(cycles) is None


@pytest.mark.parametrize("cycles", [
    [b()],
    [aw(), b()],                                # data is missing
    [w(last=1), b()],                           # the address is missing
    [aw(len=1), w(), b()],                      # data is not complete
    [aw(), w(last=1) | b()],                    # too early by a cycle
    [aw(id=1), w(last=1), b(2)],
    [aw(id=1), w(last=1), b(1), b(1)],
    [aw(id=1), aw(id=2), w(last=1), b(2)],
])
def test_answer_to_no_write(cycles):
    assert play(cycles) == "AXI_B_WITHOUT_AW"


STROBES = [
    (address(addr=4, len=1), [0xF0, 0xFF]),
    (address(addr=1, len=2, size=1), [0x02, 0x0C, 0x30]),
    (address(addr=6, len=1, size=1), [0xC0, 0x03]),
    (address(addr=0, len=3, size=2), [0x0F, 0xF0, 0x0F, 0xF0]),
    (address(addr=4, len=1, size=2, burst=FIXED), [0xF0, 0xF0]),
    (address(addr=6, len=1, size=1, burst=WRAP), [0xC0, 0x30]),
    (address(addr=0x1C, len=3, size=2, burst=WRAP), [0xF0, 0x0F, 0xF0, 0x0F]),
]


@pytest.mark.parametrize("first, strobes", STROBES)
@pytest.mark.parametrize("together", [False, True])
def test_strobes(first, strobes, together):
    beats = [w(strb=strb, last=k == len(strobes) - 1) for k, strb in enumerate(strobes)]
    cycles = [{"aw": first} | beats[0], *beats[1:]] if together else [{"aw": first}, *beats]
    assert play([*cycles, b()]) is None
    for k, strb in enumerate(strobes):          # one byte more, at each side
        for wrong in (strb << 1 & 0xFF, strb >> 1):
            if wrong & ~strb:
                bad = [*cycles]
                where = k + (not together)
                bad[where] = {**cycles[where], "w": {**cycles[where]["w"], "strb": strb | wrong}}
                assert play(bad) == "AXI_WSTRB"


def test_strobes_of_early_data():
    """Not checked, and the next burst is again."""
    assert play([w(strb=0xFF), aw(addr=4, len=1, size=2) | w(strb=0xFF, last=1), b()]) is None
    assert play([w(strb=0x0F), aw(len=2, size=2) | w(strb=0xF0), w(strb=0x0F, last=1), b()]) is None
    assert play([w(strb=0xFF, last=1), aw(addr=4), aw(addr=4), w(last=1)]) == "AXI_WSTRB"


@pytest.mark.parametrize("cycles", [
    [r()],
    [ar() | r(last=1)],                         # too early by a cycle
    [ar(id=1), r(2, last=1)],
    [ar(id=1), r(1, last=1), r(1, last=1)],
    [ar(id=1), ar(id=2), r(2, last=1), r(2, last=1)],
])
def test_answer_to_no_read(cycles):
    assert play(cycles) == "AXI_R_UNKNOWN_ID"


@pytest.mark.parametrize("cycles", [
    [ar(len=1), r(last=1)],
    [ar(len=1), r(), r()],
    [ar(), r()],
    [ar(id=1, len=1), ar(id=2), r(1), r(2)],
    [ar(id=1, len=0), ar(id=1, len=2), r(1, last=1), r(1, last=1)],
])
def test_rlast(cycles):
    assert play(cycles) == "AXI_RLAST"


@pytest.mark.parametrize("cycles", [
    [ar(len=1), r(), r(last=1)],
    [ar(id=1, len=1), ar(id=2), r(1), r(2, last=1), r(1, last=1)],
    [ar(id=1, len=0), ar(id=1, len=2), r(1, last=1) | ar(id=1), r(1), r(1), r(1, last=1),
     r(1, last=1)],
    [*[ar(id=7)] * 15, *[r(7, last=1) | ar(id=7)] * 40],
    [ar(len=255), *[r()] * 255, r(last=1)],
])
def test_reads_in_order(cycles):
    assert play(cycles) is None


@pytest.mark.parametrize("answer", [r(last=1, resp=Resp.EXOKAY), b(resp=Resp.EXOKAY)])
def test_exokay(answer):
    (channel,) = answer
    ask = [ar(id=1), ar(), ar(id=0)] if channel == "r" else [aw() | w(last=1), aw() | w(last=1)]
    assert play([*ask, answer]) == f"AXI_{channel.upper()}_EXOKAY"
    locked = ar(lock=1) if channel == "r" else aw(lock=1) | w(last=1)
    plain = answer | {channel: {"last": 1} if channel == "r" else {}}
    assert play([*ask[1:], locked, plain, *([plain] * (channel == "r")), answer]) is None
    assert play([locked, ask[1], plain, answer]) == f"AXI_{channel.upper()}_EXOKAY"


@pytest.mark.parametrize("depth", [1, 4])
def test_depth(depth):
    assert play([ar(id=1)] * depth, depth=depth) is None
    assert play([ar(id=1)] * (depth + 1), depth=depth) == "AXI_AR_DEPTH"
    assert play([ar(id=k) for k in range(depth + 1)], depth=depth) is None
    assert play([aw(id=k) for k in range(depth)], depth=depth) is None
    assert play([aw(id=k) for k in range(depth + 1)], depth=depth) == "AXI_AW_DEPTH"
    assert play([w(last=1)] * (depth + 1), depth=depth) == "AXI_AW_DEPTH"
    assert play([aw() | w(last=1)] * (depth + 1), depth=depth) == "AXI_AW_DEPTH"


def test_high_ids_are_not_followed():
    assert play([r(64), b(1 << 15)], id_width=16) is None
    assert play([ar(id=64 + 1), r(1)], id_width=16) == "AXI_R_UNKNOWN_ID"
    assert play([ar(id=63), r(63, last=1)], id_width=16) is None


def test_message():
    assert player().message([{}, ar(addr=0xFF8, len=1)]) == \
        "AXI_AR_4K at here: leaves its 4 KiB: addr 0xff8"


@pytest.mark.parametrize("data_width", [8, 512])
def test_netlist(data_width):
    bus = Signature(addr_width=32, data_width=data_width).create(path=("bus",))
    ports = [Value.cast(signal) for _, _, signal in bus.signature.flatten(bus)]
    assert "AXI_RLAST" in rtlil.convert(Checker(bus, "here"), ports=ports)


def test_wrong_parameters():
    with pytest.raises(TypeError, match=r"^Port must be one of AXI4, not 3$"):
        Checker(3, "here")
    with pytest.raises(TypeError, match=r"^Port must be one of AXI4, not "):
        Checker(lite.Signature(addr_width=12).create(), "here")
    with pytest.raises(ValueError, match=r"^Depth must be a power of two, not 3$"):
        Checker(Signature(addr_width=32).create(), "here", depth=3)
