"""Translation requests of software among the accesses of one channel."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .records import address_layout, refused_layout

__all__ = ["DebugTap", "FoundSignature"]


class FoundSignature(wiring.Signature):
    """Result of a request. Directions are those of who asked.

    ``valid``: it is there, in this cycle only. ``fault``: refused; else ``page``, the physical page
    number, and ``cache``, AxCACHE after translation.
    """

    def __init__(self, phys_bits: int):
        super().__init__({"valid": In(1), "fault": In(1), "page": In(phys_bits - 12),
                          "cache": In(4)})


class DebugTap(wiring.Component):
    """Put requests among a device's accesses before translation, and take them out behind it.

    Inside, IDs have one bit more, which tells a request. Nothing of a request leaves towards memory
    or the device. Combinational but for the turn: a request waits for a cycle without an access, or
    for the end of one, and delays those behind it by one cycle.

    Parameters
    ----------
    id_width, phys_bits : int
        Widths of AXI IDs outside, and of physical addresses, in bits.
    user : shape-like
        AxUSER towards memory.

    Members
    -------
    i, ask : ``In(stream.Signature(address_layout(...)))``
        Accesses of devices, and requests: one at a time, ``valid`` until it is taken.
    o : ``Out(stream.Signature(...))``
        Accesses that were translated.
    passed : ``Out(...)``
        ``valid`` and ``id`` of an access that passes.
    refused : ``Out(stream.Signature(...))``
        Accesses to refuse.
    found : ``In(FoundSignature(phys_bits))``
        Result of the request.
    inner : ``Out(...)``
        ``i``, ``o``, ``passed`` and ``refused`` of the translator.
    """

    def __init__(self, *, id_width: int, phys_bits: int, user: ShapeLike = 0):
        def ports(width):
            return {
                "i": In(stream.Signature(address_layout(id_width=width))),
                "o": Out(stream.Signature(
                    address_layout(id_width=width, addr_width=phys_bits, user=user))),
                "passed": Out(wiring.Signature({"valid": Out(1), "id": Out(width)})),
                "refused": Out(stream.Signature(refused_layout(width)))}
        super().__init__({
            **ports(id_width), "ask": In(stream.Signature(address_layout(id_width=id_width))),
            "found": In(FoundSignature(phys_bits)),
            "inner": In(wiring.Signature(ports(id_width + 1)))})

    def elaborate(self, platform):
        m = Module()
        inner, ask, turn = self.inner, self.ask, Signal()       # turn: of the request
        with m.If(turn):
            m.d.comb += [inner.i.valid.eq(ask.valid), ask.ready.eq(inner.i.ready)]
            m.d.sync += turn.eq(ask.valid & ~inner.i.ready)
        with m.Else():
            m.d.comb += [inner.i.valid.eq(self.i.valid), self.i.ready.eq(inner.i.ready)]
            m.d.sync += turn.eq(ask.valid & (~self.i.valid | inner.i.ready))
        m.d.comb += inner.i.p.id.eq(Cat(self.i.p.id, turn))
        m.d.comb += [inner.i.p[name].eq(Mux(turn, ask.p[name], self.i.p[name]))
                     for name, _ in inner.i.p.shape() if name != "id"]

        translated = self._split(m, inner.o, self.o)
        fault = self._split(m, inner.refused, self.refused)
        m.d.comb += [
            self.passed.valid.eq(inner.passed.valid & ~inner.passed.id[-1]),
            self.passed.id.eq(inner.passed.id[:-1]),
            self.found.valid.eq(translated | fault), self.found.fault.eq(fault),
            self.found.page.eq(inner.o.p.addr[12:]), self.found.cache.eq(inner.o.p.cache),
        ]
        return m

    @staticmethod
    def _split(m, whole, rest):
        """Let what is no request go on. Returns the strobe of one that is."""
        mine = whole.p.id[-1]
        m.d.comb += [rest.valid.eq(whole.valid & ~mine), whole.ready.eq(rest.ready | mine),
                     rest.p.id.eq(whole.p.id[:-1])]
        m.d.comb += [rest.p[name].eq(whole.p[name]) for name, _ in rest.p.shape() if name != "id"]
        return whole.valid & mine
