"""AXI4-Lite checker: every rule is seen when it, and only it, is violated."""

from functools import cache

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Value

from rtl.axi import lite
from rtl.axi.checker import LiteChecker
from rtl.axi.lite import Resp
from rtl.axi.signature import Signature

from .play import Player, Stalled

AW, W, AR = {"aw": {"addr": 4}}, {"w": {"data": 5, "strb": 15}}, {"ar": {"addr": 4}}
B, R = {"b": {"resp": Resp.OKAY}}, {"r": {"data": 1, "resp": Resp.SLVERR}}


@cache
def player(depth=15):
    bus = lite.Signature(addr_width=12).create(path=("bus",))
    return Player(bus, LiteChecker(bus, "here", depth=depth))


@pytest.mark.parametrize("cycles", [
    [AW, W, B, AR, R],
    [W, AW, B],
    [AW | W, AW | W | B, B],
    [AR, AR | R, AR | R, R, AR, R],
    [W, W, AW, AW | B, B, {}],
    [AR] * 15 + [R] * 15,
])
def test_legal(cycles):
    assert player().message([{}, *cycles]) is None


@pytest.mark.parametrize("rule, cycles", [
    ("B_WITHOUT_AW", [B]),
    ("B_WITHOUT_AW", [AW, B]),
    ("B_WITHOUT_AW", [W, B]),
    ("B_WITHOUT_AW", [AW | W | B]),
    ("B_WITHOUT_AW", [AW | W, B, B]),
    ("R_WITHOUT_AR", [R]),
    ("R_WITHOUT_AR", [AR | R]),
    ("R_WITHOUT_AR", [AR, R, R]),
    ("B_EXOKAY", [AW | W, {"b": {"resp": Resp.EXOKAY}}]),
    ("R_EXOKAY", [AR, {"r": {"resp": Resp.EXOKAY}}]),
    ("AR_DEPTH", [AR] * 16),
    ("AW_DEPTH", [AW] * 16),
    ("W_DEPTH", [W] * 16),
])
def test_violation(rule, cycles):
    assert player().violated([{}, *cycles]) == f"AXIL_{rule}"


@pytest.mark.parametrize("channel, before, first, second", [
    ("aw", [], {"addr": 4}, {"addr": 8}),
    ("w", [], {"data": 4}, {"data": 4, "strb": 1}),
    ("b", [AW | W, AW | W], {}, {"resp": Resp.DECERR}),
    ("ar", [], {"addr": 4}, {"addr": 4, "prot": 1}),
    ("r", [AR, AR], {"data": 4}, {"data": 5}),
])
def test_channel(channel, before, first, second):
    stalled = {channel: Stalled(first)}
    rule = f"AXIL_{channel.upper()}"
    assert player().violated([{}, *before, stalled, {}]) == f"{rule}_VALID"
    assert player().violated([{}, *before, stalled, {channel: second}]) == f"{rule}_STABLE"
    assert player().violated([stalled]) == f"{rule}_RESET"
    assert player().violated([{}, *before, stalled, {channel: first}, {channel: second}]) is None


def test_netlist():
    bus = lite.Signature(addr_width=12).create(path=("bus",))
    ports = [Value.cast(signal) for _, _, signal in bus.signature.flatten(bus)]
    assert "AXIL_R_WITHOUT_AR" in rtlil.convert(LiteChecker(bus, "here"), ports=ports)


def test_wrong_port():
    with pytest.raises(TypeError, match=r"^Port must be one of AXI4-Lite, not "):
        LiteChecker(Signature(addr_width=12).create(), "here")
