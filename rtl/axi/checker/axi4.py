"""The AXI4 protocol checker."""

from collections.abc import Iterable

from amaranth import *

from rtl.axi.signature import Signature

from .address import address_rules
from .channel import stable
from .reads import read_rules
from .writes import write_rules

__all__ = ["Checker"]


class Checker(Elaboratable):
    """Assert the rules of AXI4 on one port, each with a name that begins its message.

    All rules hold for the clock domain ``sync``. The checker only observes: it refers to the
    signals of the port, so that nothing needs to be connected, and a simulator need not copy them.

    ==================================  ============================================================
    rule                                violated when
    ==================================  ============================================================
    ``AXI_{AW,W,B,AR,R}_VALID``         valid is withdrawn before ready
    ``AXI_{AW,W,B,AR,R}_STABLE``        the payload changes before ready
    ``AXI_{AW,W,B,AR,R}_RESET``         valid in the first cycle after reset
    ``AXI_{AW,AR}_4K``                  an incrementing burst crosses 4 KiB
    ``AXI_{AW,AR}_SIZE``                a beat is wider than the bus
    ``AXI_{AW,AR}_BURST``               the burst type is the reserved one
    ``AXI_{AW,AR}_FIXED_LEN``           a fixed burst has more than 16 beats
    ``AXI_{AW,AR}_WRAP_LEN``            a wrapping burst has not 2, 4, 8 or 16 beats
    ``AXI_{AW,AR}_WRAP_ALIGN``          a wrapping burst is not aligned to its beats
    ``AXI_{AW,AR}_LOCK_SIZE``           an exclusive access is not of a power of two up to 128 bytes
    ``AXI_{AW,AR}_LOCK_ALIGN``          an exclusive access is not aligned to its size
    ``AXI_{AW,AR}_CACHE``               AxCACHE allocates but is not modifiable
    ``AXI_WLAST``, ``AXI_RLAST``        the last beat is not marked, or another one is
    ``AXI_WSTRB``                       a strobe is outside the bytes of the beat
    ``AXI_B_WITHOUT_AW``                no write of this ID is complete and unanswered
    ``AXI_R_UNKNOWN_ID``                no read of this ID is outstanding
    ``AXI_{B,R}_EXOKAY``                the access was not exclusive
    ``AXI_{AW,AR}_DEPTH``               more is outstanding than the checker can follow
    ==================================  ============================================================

    Parameters
    ----------
    bus : interface of ``axi.Signature``
        Port to observe.
    name : str
        Its name, for messages.
    depth : int, power of two
        Accesses of one ID, in each direction, that may be outstanding.
    reset : iterable of str
        Channels that must not be valid in the first cycle after reset; all by default. A testbench
        that drives a channel has no reset.

    Raises
    ------
    TypeError
        If ``bus`` is not an AXI4 port.
    ValueError
        If ``depth`` is not a power of two.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", part A.
    """

    def __init__(self, bus, name: str, *, depth: int = 16,
                 reset: Iterable[str] = ("aw", "w", "b", "ar", "r")):
        if not isinstance(getattr(bus, "signature", None), Signature):
            raise TypeError(f"Port must be one of AXI4, not {bus!r}")
        if depth < 1 or depth & (depth - 1):
            raise ValueError(f"Depth must be a power of two, not {depth!r}")
        self._bus, self._name, self._depth, self._reset = bus, name, depth, frozenset(reset)

    def elaborate(self, platform):
        # All in one module: a simulator then runs one function for each clock edge.
        m = Module()
        bus, name = self._bus, self._name
        for channel in ("aw", "w", "b", "ar", "r"):
            stream, rule = getattr(bus, channel), f"AXI_{channel.upper()}"
            fresh = stable(m, stream, rule, name, reset=channel in self._reset)
            if channel in ("aw", "ar"):
                # An address stays as it is until it is taken: one look is enough.
                with m.If(stream.valid & fresh):
                    address_rules(m, stream.p, rule, name, bus_bytes=len(bus.w.p.strb))
        read_rules(m, bus, name, depth=self._depth)
        write_rules(m, bus, name, depth=self._depth)
        return m
