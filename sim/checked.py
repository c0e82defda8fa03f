"""A component with a protocol checker on each of its buses."""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Elaboratable, Module
from amaranth.lib import stream, wiring

from rtl.axi import lite
from rtl.axi import stream as axi_stream
from rtl.axi.checker import Checker, LiteChecker, Stable
from rtl.axi.signature import Signature

__all__ = ["Checked"]


class Checked(Elaboratable):
    """Stand in for ``dut``, and assert the rules of the protocol at its ports.

    Ports are those of ``dut`` itself, by the same names; every other attribute is passed on, too.
    AXI4 and AXI4-Lite ports get all rules of :mod:`rtl.axi.checker`, and streams are checked for
    valid and payload that stay until they are taken.

    Parameters
    ----------
    dut : wiring.Component
        Design under test.
    name : str
        Put before the names of ports in messages, if there is one.
    depth : int, power of two
        Accesses of one ID that may be outstanding at an AXI4 port.
    reset : bool
        Whether to check, too, that what ``dut`` drives is not valid in the first cycle after reset.
        Testbenches may offer something right then, and a combinational path passes it on.

    Raises
    ------
    AssertionError
        Not here, but by the simulator, with a message that begins with the rule's name.
    """

    def __init__(self, dut: wiring.Component, name: str = "", *, depth: int = 16,
                 reset: bool = False):
        self._dut, self._name, self._depth, self._reset = dut, name, depth, reset

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_dut", "_name", "_depth", "_reset"):
            raise AttributeError(name)
        return getattr(self._dut, name)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = self._dut
        for name, flow, port in _ports(self._dut, self._dut.signature):
            # Channels that `dut` drives: requests of its own, or answers to those of others.
            ours = ("aw", "w", "ar", "t") if flow is wiring.Out else ("b", "r")
            ours = ours if self._reset else ()
            where = f"{self._name}.{name}" if self._name else name
            match port.signature:
                case Signature():
                    checker = Checker(port, where, depth=self._depth, reset=ours)
                case lite.Signature():
                    checker = LiteChecker(port, where, reset=ours)
                case axi_stream.Signature():
                    checker = Stable(port.t, "AXIS_T", where, reset="t" in ours)
                case _:
                    checker = Stable(port, "STREAM", where, reset="t" in ours)
            m.submodules[f"check_{name}"] = checker
        return m


_BUSES = (Signature, lite.Signature, axi_stream.Signature, stream.Signature)


def _ports(owner, signature, prefix: str = "", flow: wiring.Flow | None = None) -> Iterator:
    """Name, direction and interface of each bus and stream within the ports of ``owner``."""
    for name, member in signature.members.items():
        if member.is_port:
            continue
        for suffix, port in _each(getattr(owner, name), member.dimensions):
            full = f"{prefix}{name}{suffix}"
            if isinstance(member.signature, _BUSES):
                yield full, member.flow, port
            else:
                yield from _ports(port, port.signature, f"{full}_")


def _each(value, dimensions) -> Iterator:
    if not dimensions:
        yield "", value
        return
    for index, item in enumerate(value):
        for suffix, port in _each(item, dimensions[1:]):
            yield f"_{index}{suffix}", port
