"""Rules for the answers to reads."""

from amaranth import *
from amaranth.lib import data
from amaranth.utils import exact_log2

from rtl.axi.signature import Resp

from .channel import claim
from .outstanding import Outstanding, Table

__all__ = ["read_rules"]


def read_rules(m: Module, bus, where: str, *, depth: int):
    """Add to ``m`` the rules that tie R of ``bus`` to AR.

    Source: Arm IHI 0022, "AMBA AXI Protocol Specification", sections "Read data channel",
    "Transaction ordering" and "Exclusive accesses".
    """
    ar, r = bus.ar, bus.r
    reads = Outstanding(m, data.StructLayout({"len": 8, "lock": 1}), id_width=len(r.p.id),
                        depth=depth, rule="AXI_AR", where=where)
    beats = Table(m, "r_beats", unsigned(8), reads.ids)     # came of the oldest burst

    with m.If(ar.valid & ar.ready):
        reads.push(ar.p.id, Cat(ar.p.len, ar.p.lock))
    axi_id, last = r.p.id, r.p.last
    known, oldest = reads.look(axi_id)
    beat = beats.read(axi_id[:exact_log2(reads.ids)])
    with m.If(r.valid & reads.followed(axi_id)):
        claim(m, known, f"AXI_R_UNKNOWN_ID at {where}: no read is outstanding",
              id=axi_id)
        claim(m, last == (beat == oldest.len),
              f"AXI_RLAST at {where}: the last beat is not marked, or another is",
              id=axi_id, beat=beat, len=oldest.len)
        claim(m, (r.p.resp != Resp.EXOKAY) | oldest.lock,
              f"AXI_R_EXOKAY at {where}: the access was not exclusive", id=axi_id)
        with m.If(r.ready):
            beats.write(axi_id[:exact_log2(reads.ids)], Mux(last, 0, beat + 1))
            with m.If(last):
                reads.pop(axi_id)
