"""The AXI4-Lite protocol checker."""

from collections.abc import Iterable

from amaranth import *

from rtl.axi.lite import Resp, Signature

from .channel import claim, stable

__all__ = ["LiteChecker"]


class LiteChecker(Elaboratable):
    """Assert the rules of AXI4-Lite on one port, each with a name that begins its message.

    It observes as :class:`~.axi4.Checker` does.

    ====================================  ==========================================================
    rule                                  violated when
    ====================================  ==========================================================
    ``AXIL_{AW,W,B,AR,R}_VALID``          valid is withdrawn before ready
    ``AXIL_{AW,W,B,AR,R}_STABLE``         the payload changes before ready
    ``AXIL_{AW,W,B,AR,R}_RESET``          valid in the first cycle after reset
    ``AXIL_B_WITHOUT_AW``                 no write is complete and unanswered
    ``AXIL_R_WITHOUT_AR``                 no read is outstanding
    ``AXIL_{B,R}_EXOKAY``                 there are no exclusive accesses
    ``AXIL_{AW,W,AR}_DEPTH``              more is outstanding than the checker can follow
    ====================================  ==========================================================

    Parameters
    ----------
    bus : interface of ``lite.Signature``
        Port to observe.
    name : str
        Its name, for messages.
    depth : int
        Accesses in each direction that may be outstanding.
    reset : iterable of str
        Channels that must not be valid in the first cycle after reset; all by default.

    Raises
    ------
    TypeError
        If ``bus`` is not an AXI4-Lite port.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", part B "AXI4-Lite".
    """

    def __init__(self, bus, name: str, *, depth: int = 15,
                 reset: Iterable[str] = ("aw", "w", "b", "ar", "r")):
        if not isinstance(getattr(bus, "signature", None), Signature):
            raise TypeError(f"Port must be one of AXI4-Lite, not {bus!r}")
        self._bus, self._name, self._depth, self._reset = bus, name, depth, frozenset(reset)

    def elaborate(self, platform):
        m = Module()
        bus = self._bus
        for channel in ("aw", "w", "b", "ar", "r"):
            stable(m, getattr(bus, channel), f"AXIL_{channel.upper()}", self._name,
                   reset=channel in self._reset)

        for response, text, requests in (("b", "B_WITHOUT_AW", ("aw", "w")),
                                         ("r", "R_WITHOUT_AR", ("ar",))):
            answer = getattr(bus, response)
            for name in requests:
                request = getattr(bus, name)
                unanswered = Signal(range(self._depth + 1), name=f"{name}_unanswered")
                begins = request.valid & request.ready
                with m.If(begins | answer.valid):
                    m.d.sync += unanswered.eq(unanswered + begins - (answer.valid & answer.ready))
                with m.If(answer.valid):
                    claim(m, unanswered != 0, f"AXIL_{text} at {self._name}: answer to nothing")
                with m.If(begins):
                    claim(m, unanswered != self._depth, f"AXIL_{name.upper()}_DEPTH at "
                          f"{self._name}: the checker needs more depth")
            with m.If(answer.valid):
                claim(m, answer.p.resp != Resp.EXOKAY, f"AXIL_{response.upper()}_EXOKAY at "
                      f"{self._name}: there are no exclusive accesses")
        return m
