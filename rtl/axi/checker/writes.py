"""Rules for the data of writes and the answers to them."""

from amaranth import *
from amaranth.lib import data
from amaranth.utils import exact_log2

from rtl.axi.signature import Burst, Resp

from .channel import claim
from .outstanding import Outstanding

__all__ = ["write_rules"]


def write_rules(m: Module, bus, where: str, *, depth: int):
    """Add to ``m`` the rules that tie W and B of ``bus`` to AW. Data may come before its address.

    Source: Arm IHI 0022, "AMBA AXI Protocol Specification", sections "Write data channel", "Write
    strobes", "Transaction ordering" and "Exclusive accesses".
    """
    aw, w, b = bus.aw, bus.w, bus.b
    lane_bits = exact_log2(len(w.p.strb))
    layout = data.StructLayout({"len": 8, "id": len(aw.p.id), "lock": 1, "size": 3, "burst": 2,
                                "lane": lane_bits})
    arriving = Cat(aw.p.len, aw.p.id, aw.p.lock, aw.p.size, aw.p.burst, aw.p.addr[:lane_bits])

    # Either addresses wait for data, or data waits for addresses, never both: one queue will do.
    # Of data that waits only the length is kept.
    queue = Signal(data.ArrayLayout(layout, depth), name="w_queue")
    head, tail = Signal(range(2 * depth), name="w_head"), Signal(range(2 * depth), name="w_tail")
    data_first = Signal(name="w_data_first")    # what the queue holds, if anything
    waiting = head != tail
    oldest = queue[head[:-1]]

    index = Signal(8, name="w_index")           # next beat of its burst
    address = aw.valid & aw.ready
    last = w.valid & w.ready & w.p.last
    address_waits, data_waits = waiting & ~data_first, waiting & data_first
    burst = Signal(layout, name="w_burst")      # of the data that `w` offers, or that waits first
    m.d.comb += burst.eq(Mux(address_waits, oldest, arriving))

    with m.If(w.valid):
        _data_rules(m, w, burst, index, address_waits | address & ~data_waits, where)

    paired = Mux(address_waits, last, address & (data_waits | last))
    writes = Outstanding(
        m, data.StructLayout({"lock": 1}), depth=depth, rule="AXI_AW", where=where,
        push=paired, push_id=burst.id, entry=burst.lock, pop_id=b.p.id)

    def wait(entry, is_data):
        claim(m, (tail - head)[:len(tail)] != depth,
              f"AXI_AW_DEPTH at {where}: the checker needs more depth")
        m.d.sync += [queue[tail[:-1]].eq(entry), tail.eq(tail + 1), data_first.eq(is_data)]

    with m.If(address | last):
        with m.If(paired & waiting):
            m.d.sync += head.eq(head + 1)
        with m.If(address & ~data_waits & (waiting | ~last)):
            wait(arriving, 0)
        with m.If(last & ~address_waits & (waiting | ~address)):
            wait(index, 1)
        with m.If(address & data_waits):
            claim(m, aw.p.len == oldest.len, f"AXI_WLAST at {where}: the data came before its "
                  "address, and has another length", addr=aw.p.addr, len=aw.p.len)

    with m.If(b.valid & writes.followed):
        claim(m, writes.known, f"AXI_B_WITHOUT_AW at {where}: no write is unanswered", id=b.p.id)
        claim(m, (b.p.resp != Resp.EXOKAY) | writes.oldest.lock,
              f"AXI_B_EXOKAY at {where}: the access was not exclusive", id=b.p.id)
        with m.If(b.ready):
            writes.pop()


def _data_rules(m, w, burst, index, known, where):
    """Add rules for the ``index``-th beat, which ``w`` offers, of ``burst`` if that is known."""
    lane_bits = len(burst.lane)
    lane = Signal(lane_bits, name="w_lane")     # first byte of the beat, except in beat 0
    blind = Signal(name="w_blind")              # an earlier beat came before the address
    here = Mux(index == 0, burst.lane, lane)
    within_beat = ((1 << burst.size) - 1)[:lane_bits]
    above = (here | within_beat) + 1            # first byte of the next beat
    strb, last = w.p.strb, w.p.last

    with m.If(known):
        claim(m, Mux(index < burst.len, ~last, last & (index == burst.len)),
              f"AXI_WLAST at {where}: the last beat is not marked, or another is",
              beat=index, len=burst.len)
        with m.If(~blind):
            claim(m, (((strb >> here) << here) == strb) & ((strb >> above) == 0),
                  f"AXI_WSTRB at {where}: strobe outside the bytes of the beat",
                  beat=index, strb=strb, lane=here)
    with m.Else():
        claim(m, last | (index != 255), f"AXI_WLAST at {where}: more than 256 beats")
    with m.If(w.ready):
        m.d.sync += index.eq(Mux(last, 0, index + 1))
        m.d.sync += blind.eq(~last & (blind | ~known))
        with m.Switch(burst.burst):
            with m.Case(Burst.FIXED.value):
                m.d.sync += lane.eq(here)
            with m.Case(Burst.INCR.value):
                m.d.sync += lane.eq(above)
            with m.Case(Burst.WRAP.value):
                within_burst = ((burst.len << burst.size) | within_beat)[:lane_bits]
                m.d.sync += lane.eq(here & ~within_burst | above & within_burst)
