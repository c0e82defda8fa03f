"""Rules for the answers to reads."""

from amaranth import *
from amaranth.lib import data

from rtl.axi.signature import Resp

from .channel import claim
from .outstanding import Outstanding

__all__ = ["read_rules"]


def read_rules(m: Module, bus, where: str, *, depth: int):
    """Add to ``m`` the rules that tie R of ``bus`` to AR.

    Source: Arm IHI 0022, "AMBA AXI Protocol Specification", sections "Read data channel",
    "Transaction ordering" and "Exclusive accesses".
    """
    ar, r = bus.ar, bus.r
    reads = Outstanding(
        m, data.StructLayout({"len": 8, "lock": 1}), depth=depth, rule="AXI_AR", where=where,
        push=ar.valid & ar.ready, push_id=ar.p.id, entry=Cat(ar.p.len, ar.p.lock), pop_id=r.p.id)

    beats = Signal(8 * reads.ids, name="r_beats")       # of each ID, that came of the oldest burst
    beat = beats.word_select(r.p.id, 8)
    axi_id, last, oldest = r.p.id, r.p.last, reads.oldest
    with m.If(r.valid & reads.followed):
        claim(m, reads.known, f"AXI_R_UNKNOWN_ID at {where}: no read is outstanding", id=axi_id)
        claim(m, last == (beat == oldest.len),
              f"AXI_RLAST at {where}: the last beat is not marked, or another is",
              id=axi_id, beat=beat, len=oldest.len)
        claim(m, (r.p.resp != Resp.EXOKAY) | oldest.lock,
              f"AXI_R_EXOKAY at {where}: the access was not exclusive", id=axi_id)
        with m.If(r.ready):
            m.d.sync += beat.eq(Mux(last, 0, beat + 1))
            with m.If(last):
                reads.pop()
