"""Design that `measure` measures: a lookup with 32 entries, a cache, a memory, and busy lanes."""

from amaranth.hdl import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Lane", "MemoryPort", "System"]

LINE_BEATS = 8
MEMORY_ROWS = 8192
PAGE_BITS = 12


def _crc32(state, data):
    """Return the CRC-32 after eight more bits, as one exclusive or for each bit."""
    terms = [[("s", n)] for n in range(32)]
    for bit in range(8):
        feedback = [*terms[0], ("d", bit)]
        terms = [*terms[1:], []]
        for n in range(32):
            if 0xedb88320 >> n & 1:
                terms[n] = terms[n] + feedback
    out = []
    for row in terms:
        odd = [term for term in dict.fromkeys(row) if row.count(term) % 2]
        word = Const(0, 1)
        for kind, n in odd:
            word = word ^ (state if kind == "s" else data)[n]
        out.append(word)
    return Cat(*out)


class Lane(wiring.Component):
    """Generator, queue, checksum and counters: about 1400 flip-flops that are always busy."""

    enable: In(1)
    digest: Out(32)

    def elaborate(self, platform):
        """Return the module."""
        m = Module()
        random, crc = Signal(64, init=0x2545f4914f6cdd1d), Signal(32, init=0xffffffff)
        m.submodules.queue = queue = memory.Memory(shape=64, depth=64, init=[])
        write, read = queue.write_port(), queue.read_port()
        counts = Array(Signal(48, name=f"count{n}") for n in range(16))
        totals = Array(Signal(32, name=f"total{n}") for n in range(16))
        phase = Signal(4)
        m.d.comb += [write.addr.eq(random[:6]), write.data.eq(random ^ Cat(crc, crc)),
                     read.addr.eq(random[6:12]), self.digest.eq(crc)]
        with m.If(self.enable):
            m.d.sync += [random.eq(Cat(random[1:], random[0] ^ random[1] ^ random[3] ^ random[4])),
                         phase.eq(phase + 1), counts[phase].eq(counts[phase] + random[:9])]
            with m.FSM(name="work"):
                with m.State("FETCH"):
                    m.d.comb += read.en.eq(1)
                    m.next = "FOLD"
                with m.State("FOLD"):
                    m.d.sync += crc.eq(_crc32(crc, read.data[:8] ^ random[:8]))
                    with m.If(random[0]):
                        m.next = "STORE"
                with m.State("STORE"):
                    m.d.comb += write.en.eq(1)
                    m.d.sync += totals[random[:4]].eq(totals[phase] + counts[phase][:32])
                    m.next = "FETCH"
        return m


class MemoryPort(wiring.Signature):
    """Memory with words of 64 bits; data comes three cycles after the request."""

    def __init__(self):
        super().__init__({"valid": Out(1), "write": Out(1), "address": Out(32), "data": Out(64),
                          "answered": In(1), "answer": In(64)})


class _Memory(wiring.Component):
    port: In(MemoryPort())

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = memory.Memory(
            shape=64, depth=MEMORY_ROWS, init=[n * 0x9e3779b97f4a7c15 & (1 << 64) - 1
                                               for n in range(MEMORY_ROWS)])
        read, write = rows.read_port(), rows.write_port()
        pending = Signal(2)
        m.d.comb += [read.addr.eq(self.port.address[3:]), write.addr.eq(self.port.address[3:]),
                     write.data.eq(self.port.data), write.en.eq(self.port.valid & self.port.write),
                     self.port.answered.eq(pending[1])]
        m.d.sync += [pending.eq(Cat(self.port.valid & ~self.port.write, pending[0])),
                     self.port.answer.eq(read.data)]
        return m


class _Lookup(wiring.Component):
    """Fully associative, 32 entries, replaced in turn."""

    page: In(20)
    hit: Out(1)
    frame: Out(20)
    fill: In(1)
    filled: In(20)

    def elaborate(self, platform):
        m = Module()
        entries = [Signal(42, name=f"entry{n}") for n in range(32)]
        turn, hits = Signal(5), Signal(32)
        found = Const(0, 20)
        for n, entry in enumerate(entries):
            m.d.comb += hits[n].eq(entry[40] & (entry[:20] == self.page))
            found = found | (entry[20:40] & hits[n].replicate(20))
            with m.If(self.fill & (turn == n)):
                m.d.sync += entry.eq(Cat(self.page, self.filled, C(1, 1)))
        with m.If(self.fill):
            m.d.sync += turn.eq(turn + 1)
        m.d.comb += [self.hit.eq(hits.any()), self.frame.eq(found)]
        return m


class System(wiring.Component):
    """Requests through lookup and cache to memory, beside lanes.

    Parameters
    ----------
    lanes : int
        Number of `Lane` components.
    inside : bool
        Whether the memory is part of the design; otherwise ``memory`` is a port.
    """

    def __init__(self, lanes=6, *, inside=True):
        self.lanes, self.inside = lanes, inside
        super().__init__({
            "busy": In(1), "valid": In(1), "ready": Out(1), "address": In(32), "write": In(1),
            "data": In(64), "done": Out(1), "result": Out(64), "digest": Out(32),
            "transfer": In(16), "left": Out(16), "sum": Out(64),
            **({} if inside else {"memory": Out(MemoryPort())})})

    def elaborate(self, platform):
        """Return the module."""
        m = Module()
        m.submodules.lookup = lookup = _Lookup()
        digest = Const(0, 32)
        for n in range(self.lanes):
            m.submodules[f"lane{n}"] = lane = Lane()
            m.d.comb += lane.enable.eq(self.busy)
            digest = digest ^ lane.digest
        m.d.comb += self.digest.eq(digest)
        if self.inside:
            m.submodules.memory = store = _Memory()
        self._cache(m, lookup, store.port if self.inside else self.memory)
        return m

    def _cache(self, m, lookup, send):
        m.submodules.tags = tags = memory.Memory(shape=24, depth=64, init=[])
        m.submodules.lines = lines = memory.Memory(shape=64, depth=64 * LINE_BEATS, init=[])
        tag, set_tag = tags.read_port(domain="comb"), tags.write_port()
        line, set_line = lines.read_port(domain="comb"), lines.write_port()
        address, data, write, beat = Signal(32), Signal(64), Signal(), Signal(4)
        moving = Signal()
        physical = Cat(address[:PAGE_BITS], lookup.frame)[:16]
        m.d.comb += [lookup.page.eq(address[PAGE_BITS:]), lookup.filled.eq(address[PAGE_BITS:] * 7),
                     tag.addr.eq(physical[6:12]), set_tag.addr.eq(physical[6:12]),
                     set_tag.data.eq(Cat(physical[12:], C(1, 1))),
                     line.addr.eq(physical[3:12]), set_line.data.eq(data),
                     set_line.addr.eq(physical[3:12]), self.result.eq(line.data)]
        with m.FSM(name="walk"):
            with m.State("IDLE"):
                m.d.comb += self.ready.eq(~moving)
                with m.If(moving):
                    m.d.sync += [address.eq(address + 8), write.eq(0)]
                    m.next = "LOOK"
                with m.Elif(self.valid):
                    m.d.sync += [address.eq(self.address), data.eq(self.data),
                                 write.eq(self.write)]
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.d.comb += lookup.fill.eq(~lookup.hit)
                with m.If(lookup.hit):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += beat.eq(0)
                with m.If(tag.data == set_tag.data):
                    m.next = "FINISH"
                with m.Else():
                    m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += [send.valid.eq(1), send.address.eq(Cat(C(0, 3), beat[:3],
                                                                   physical[6:]))]
                m.next = "WAIT"
            with m.State("WAIT"):
                with m.If(send.answered):
                    m.d.comb += [set_line.en.eq(1), set_line.data.eq(send.answer),
                                 set_line.addr.eq(Cat(beat[:3], physical[6:12]))]
                    m.d.sync += beat.eq(beat + 1)
                    m.next = "ASK"
                    with m.If(beat == LINE_BEATS - 1):
                        m.d.comb += set_tag.en.eq(1)
                        m.next = "FINISH"
            with m.State("FINISH"):
                m.d.comb += [self.done.eq(~moving), set_line.en.eq(write), send.valid.eq(write),
                             send.write.eq(1), send.data.eq(data),
                             send.address.eq(physical)]
                with m.If(moving):
                    m.d.sync += [self.sum.eq(self.sum + line.data), self.left.eq(self.left - 1),
                                 moving.eq(self.left != 1)]
                m.next = "IDLE"
        with m.If(self.transfer.any() & ~moving):
            m.d.sync += [self.left.eq(self.transfer), moving.eq(1), self.sum.eq(0)]
