"""Rules that hold for every channel with valid and ready."""

from amaranth import *
from amaranth.hdl import Assert, Format

__all__ = ["Stable", "claim", "stable"]


def claim(m: Module, test: Value, message: str, **values: Value):
    """Assert ``test`` at each clock edge. ``message``, then ``values``, say what is wrong."""
    shown = ", ".join(f"{name} {{:#x}}" for name in values)
    m.d.sync += Assert(test, Format(f"{message}: {shown}" if values else message,
                                    *values.values()))


def stable(m: Module, channel, rule: str, where: str, *, reset: bool = True) -> Signal:
    """Add to ``m`` the rules that :class:`Stable` describes.

    Returns a signal: what ``channel`` offers, if anything, was not offered in the cycle before.
    """
    valid, ready, payload = channel.valid, channel.ready, Value.cast(channel.payload)
    name = rule.lower()
    fresh = Signal(init=1, name=f"{name}_fresh")
    before = Signal(len(payload), name=f"{name}_before")
    with m.If(~fresh):
        claim(m, valid, f"{rule}_VALID at {where}: withdrawn before it was taken")
        claim(m, payload == before, f"{rule}_STABLE at {where}: changed before it was taken")
    with m.If(valid):
        m.d.sync += before.eq(payload)
    m.d.sync += fresh.eq(~valid | ready)
    if reset:
        running = Signal(name=f"{name}_running")
        m.d.sync += running.eq(1)
        with m.If(~running):
            claim(m, ~valid, f"{rule}_RESET at {where}: valid in the first cycle after reset")
    return fresh


class Stable(Elaboratable):
    """Check that what a stream offers is neither withdrawn nor changed.

    Rules: ``<rule>_VALID`` (withdrawn before it was taken), ``<rule>_STABLE`` (payload changed
    before it was taken), ``<rule>_RESET`` (valid in the first cycle after reset).

    Parameters
    ----------
    channel : stream interface
        Stream to observe; nothing is driven.
    rule : str
        Prefix of the names of rules, such as ``"AXIS_T"``.
    where : str
        Name of the port, for messages.
    reset : bool
        Whether to check the first cycle after reset.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", sections "Handshake process" and "Reset".
    """

    def __init__(self, channel, rule: str, where: str, *, reset: bool = True):
        self._channel, self._rule, self._where, self._reset = channel, rule, where, reset

    def elaborate(self, platform):
        m = Module()
        stable(m, self._channel, self._rule, self._where, reset=self._reset)
        return m
