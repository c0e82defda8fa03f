"""Standard names for the pins of a component, for Verilog and what reads it."""

from collections.abc import Iterator

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from . import lite
from . import stream as axi_stream
from .signature import Signature

__all__ = ["Flat"]

_KINDS = {Signature: "axi", lite.Signature: "axil", axi_stream.Signature: "axis"}
#: Fields whose pins have other names.
_NAMES = {"refused": "user"}


class Flat(wiring.Component):
    """A component whose ports are plain bit vectors with the names that AXI tools look for.

    Channels of a bus at port ``memory`` become ``m_axi_memory_awaddr``, ``m_axi_memory_awvalid``
    and so on: ``m`` for a manager and ``s`` for a subordinate, ``axi``, ``axil`` (AXI4-Lite) or
    ``axis`` (AXI4-Stream), the port, then the pin. Streams become ``port_field``, ``port_valid``
    and ``port_ready``; other ports keep their names; array members get their index. Members
    without bits, such as an unused AxUSER, are left out. Clock and reset stay ``clk`` and ``rst``
    (active high).

    Parameters
    ----------
    component : wiring.Component
        What to wrap.

    Raises
    ------
    ValueError
        If two pins get the same name.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", chapter "Signal descriptions"; IHI 0051.
    """

    def __init__(self, component: wiring.Component):
        self.component = component
        self._pins = {}
        for name, flow, value in _pins(component, component.signature):
            if name in self._pins:
                raise ValueError(f"Pin {name!r} would stand for two signals")
            if len(value):
                self._pins[name] = (flow, value)
        super().__init__({name: flow(len(value)) for name, (flow, value) in self._pins.items()})

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self.component
        for name, (flow, value) in self._pins.items():
            pin = getattr(self, name)
            m.d.comb += value.eq(pin) if flow is In else pin.eq(value)
        return m


def _pins(owner, signature, prefix: str = "") -> Iterator[tuple[str, wiring.Flow, Value]]:
    """Name, direction and value of each pin of the interface ``owner``."""
    for name, member in signature.members.items():
        for port, suffix in _elements(getattr(owner, name), member.dimensions):
            full = f"{prefix}{name}{suffix}"
            if member.is_port:
                yield full, member.flow, Value.cast(port)
                continue
            side = "m" if member.flow is Out else "s"
            kind = next((kind for bus, kind in _KINDS.items()
                         if isinstance(member.signature, bus)), None)
            if kind:
                for channel in port.signature.members:
                    yield from _stream(getattr(port, channel),
                                       f"{side}_{kind}_{full}_{channel}", "")
            elif isinstance(member.signature, stream.Signature):
                yield from _stream(port, full, "_")
            else:
                yield from _pins(port, port.signature, f"{full}_")


def _stream(channel, prefix: str, joint: str) -> Iterator[tuple[str, wiring.Flow, Value]]:
    """Pins of one stream: a pin for each field of the payload."""
    flows = {name: member.flow for name, member in channel.signature.members.items()}
    payload = channel.payload
    fields = {"payload": payload}
    if isinstance(payload, data.View) and isinstance(payload.shape(), data.StructLayout):
        fields = {name: payload[name] for name in payload.shape().members}
    for name, value in fields.items():
        yield f"{prefix}{joint}{_NAMES.get(name, name)}", flows["payload"], Value.cast(value)
    for name in ("valid", "ready"):
        yield f"{prefix}{joint}{name}", flows[name], getattr(channel, name)


def _elements(value, dimensions: tuple[int, ...]) -> Iterator:
    """Elements of an array of ports, each with what its index adds to the name."""
    if not dimensions:
        yield value, ""
        return
    for index, item in enumerate(value):
        for element, suffix in _elements(item, dimensions[1:]):
            yield element, f"_{index}{suffix}"
