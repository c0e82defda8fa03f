"""Round-robin choice among streams."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Arbiter"]

#: Urgent inputs that are granted in a row while another one waits, at most.
MOST_URGENT = 7


class Arbiter(wiring.Component):
    """Pass on one of ``n`` streams at a time, in turn.

    After a payload of input ``k`` was taken, the search for the next one starts at input ``k + 1``.
    A grant is held from ``valid`` until the payload is taken, so what ``o`` offers never changes.
    Every input is served before any other is served twice. Combinational: no latency, one payload a
    cycle; put a :class:`~rtl.stream.buffer.Buffer` behind it where timing asks for one.

    Parameters
    ----------
    shape : shape-like
        Payload.
    n : int
        Number of inputs; at least 1.
    urgent : bool
        Whether inputs can go before others. Those that are urgent take turns, and so do the others;
        while both wait, every eighth grant is for one that is not urgent.

    Members
    -------
    i : ``In(stream.Signature(shape)).array(n)``
        Inputs.
    o : ``Out(stream.Signature(shape))``
        Output.
    grant : ``Out(range(n))``
        Input that ``o`` shows while ``o.valid``.
    urgent : ``In(n)``
        With ``urgent``: inputs that go before the others.

    Raises
    ------
    TypeError
        If ``n`` is not an integer.
    ValueError
        If ``n`` is less than 1.
    """

    def __init__(self, shape: ShapeLike, n: int, *, urgent: bool = False):
        if not isinstance(n, int):
            raise TypeError(f"Number of inputs must be an integer, not {n!r}")
        if n < 1:
            raise ValueError(f"Number of inputs must be at least 1, not {n!r}")
        self.shape, self.n, self._urgent = shape, n, urgent
        super().__init__({
            "i": In(stream.Signature(shape)).array(n),
            "o": Out(stream.Signature(shape)),
            "grant": Out(range(n)),
            **({"urgent": In(n)} if urgent else {}),
        })

    def elaborate(self, platform):
        m = Module()

        last = Signal(range(self.n))        # input of the grant that is held, or was taken last
        held = Signal()
        asks = Cat(port.valid for port in self.i)
        if self._urgent:
            asks = self._urgent_first(m, asks)
        m.d.comb += self.grant.eq(last)
        with m.If(~held):
            with m.Switch(last):
                for k in range(self.n):
                    with m.Case(k):
                        # Of several assignments the final one counts: the nearest input after k.
                        for distance in reversed(range(1, self.n)):
                            other = (k + distance) % self.n
                            with m.If(asks[other]):
                                m.d.comb += self.grant.eq(other)

        with m.Switch(self.grant):
            for k in range(self.n):
                with m.Case(k):
                    m.d.comb += [
                        self.o.valid.eq(self.i[k].valid),
                        self.o.payload.eq(self.i[k].payload),
                    ]
        # An input is ready if it would be granted, so that `ready` does not wait for its `valid`.
        for k in range(self.n):
            turn = Signal(name=f"turn_{k}")
            with m.Switch(last):
                for other in range(self.n):
                    with m.Case(other):
                        nearer = Cat(asks[(other + distance) % self.n]
                                     for distance in range(1, (k - other - 1) % self.n + 1))
                        m.d.comb += turn.eq(Mux(held, k == other, ~nearer.any()))
            if self._urgent:
                m.d.comb += self.i[k].ready.eq(self.o.ready & turn & asks[k])
            else:
                m.d.comb += self.i[k].ready.eq(self.o.ready & turn)
        with m.If(self.o.valid):
            m.d.sync += last.eq(self.grant)
        m.d.sync += held.eq(self.o.valid & ~self.o.ready)
        return m

    def _urgent_first(self, m, asks):
        """Choose the inputs that may be granted, of those that ask."""
        hasty, patient = asks & self.urgent, asks & ~self.urgent
        passed = Signal(range(MOST_URGENT + 1))     # urgent ones in a row while others waited
        with m.If(self.o.valid & self.o.ready):
            with m.If(~patient.any() | ~self.urgent.bit_select(self.grant, 1)):
                m.d.sync += passed.eq(0)
            with m.Else():
                m.d.sync += passed.eq(passed + 1)
        chosen = Signal(self.n)
        m.d.comb += chosen.eq(hasty)
        with m.If(~hasty.any() | (patient.any() & (passed == MOST_URGENT))):
            m.d.comb += chosen.eq(patient)
        return chosen
