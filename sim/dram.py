"""Memory as RTL, with the latency, jitter and errors that a program asks for."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi import lite
from rtl.axi import signature as axi
from rtl.regs.regfile import RegisterFile
from rtl.spec.memory_regs import MEMORY_REGISTERS
from rtl.stream.queue import Queue

__all__ = ["PAGE_BYTES", "Dram"]

#: Bursts that can be queued each way.
DEPTH = 128
#: Bytes that one bit of ``written`` stands for.
PAGE_BYTES = 4096


def _next_beat(addr, burst):
    """Address of the beat after the one at ``addr`` of the burst with address payload ``burst``."""
    step = Signal.like(addr)
    low = Signal.like(addr)          # bits that a wrapping burst changes
    return [
        step.eq(1 << burst.size),
        low.eq((burst.len << burst.size) | (step - 1)),
    ], Mux(burst.burst == axi.Burst.FIXED, addr,
           Mux(burst.burst == axi.Burst.WRAP,
               (addr & ~low) | ((addr + step) & low),
               (addr & ~(step - 1)) + step))


class Dram(wiring.Component):
    """AXI4 memory for simulation. Responses come in the order of the addresses, each way.

    The first beat of a read comes L cycles after its address is taken, B comes L cycles after the
    last beat of data; L is ``latency.cycles`` (at least 1) plus a random part up to
    ``latency.jitter``. Throughput is one beat a cycle each way. An access outside the memory is
    answered DECERR, one in the error range SLVERR; such a write changes nothing.

    Parameters
    ----------
    signature : axi.Signature
        Bus.
    base, size : int
        Range, in bytes; ``size`` is a power of two, and ``base`` a multiple of it.

    Members
    -------
    bus : ``In(axi.Signature(...))``
        Data.
    regs : ``In(lite.Signature(addr_width=12))``
        Controls, :data:`rtl.spec.memory_regs.MEMORY_REGISTERS`.

    Attributes
    ----------
    rows : MemoryData
        Contents, one row a bus word, for the back door.
    written : MemoryData
        One bit for each :data:`PAGE_BYTES`: whether anything was ever written there. Finding what
        a program left in megabytes of memory is then a matter of a few rows.

    Raises
    ------
    ValueError
        If the range is not as above.
    """

    def __init__(self, signature: axi.Signature, *, base: int, size: int):
        if size <= 0 or size & (size - 1):
            raise ValueError(f"Memory size must be a power of two, not {size!r}")
        if base % size:
            raise ValueError(f"Memory base must be a multiple of the size {size:#x}, not {base:#x}")
        self.base, self.size = base, size
        self.rows = memory.MemoryData(shape=signature.data_width,
                                      depth=size * 8 // signature.data_width, init=[])
        self.written = memory.MemoryData(shape=1, depth=-(-size // PAGE_BYTES), init=[])
        super().__init__({"bus": In(signature), "regs": In(lite.Signature(addr_width=12))})

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        m.submodules.regfile = regfile = RegisterFile(MEMORY_REGISTERS)
        connect(m, flipped(self.regs), regfile.bus)
        m.submodules.store = store = memory.Memory(self.rows)
        reader = store.read_port()
        writer = store.write_port(granularity=8)
        m.submodules.flags = flags = memory.Memory(self.written)
        flag = flags.write_port()
        m.d.comb += [
            flag.addr.eq(writer.addr >> exact_log2(PAGE_BYTES // len(bus.w.p.strb))),
            flag.data.eq(1),
            flag.en.eq(writer.en.any()),
        ]

        now = Signal(32)
        noise = Signal(16, init=0xACE1)         # Galois LFSR
        wait = Signal(17)                       # latency of this cycle's burst, less 1
        fields = regfile.fields
        m.d.sync += [
            now.eq(now + 1),
            noise.eq((noise >> 1) ^ Mux(noise[0], 0xB400, 0)),
        ]
        m.d.comb += wait.eq(fields.latency.cycles - (fields.latency.cycles != 0)
                            + (noise & fields.latency.jitter))

        self._reads(m, bus, reader, fields, now, wait)
        self._writes(m, bus, writer, fields, now, wait)
        return m

    def _resp(self, addr, enable, fields):
        """Response of a beat at ``addr``."""
        low = Cat(fields.error_low.addr, fields.error_low_msb.addr)
        high = Cat(fields.error_high.addr, fields.error_high_msb.addr)
        width = len(self.bus.w.p.strb)
        word = addr & ~(width - 1)
        inside = addr[exact_log2(self.size):] == self.base >> exact_log2(self.size)
        failing = enable & (word < high) & (word + width > low)
        return Mux(~inside, axi.Resp.DECERR, Mux(failing, axi.Resp.SLVERR, axi.Resp.OKAY))

    def _row(self, addr):
        return addr[exact_log2(len(self.bus.w.p.strb)):exact_log2(self.size)]

    def _reads(self, m, bus, reader, fields, now, wait):
        layout = data.StructLayout({"ar": bus.ar.p.shape(), "due": 32})
        m.submodules.read_queue = queue = Queue(layout, DEPTH)
        waiting = Signal(range(DEPTH + 1))
        room = waiting < fields.limit.reads

        # The burst to start next: the oldest queued one, or the one whose address comes right now.
        head = Signal(bus.ar.p.shape())
        due = Signal()
        start = Signal()
        direct = Signal()
        m.d.comb += [
            bus.ar.ready.eq(queue.i.ready & room),
            queue.i.p.ar.eq(bus.ar.p),
            queue.i.p.due.eq(now + wait),
            direct.eq((queue.level == 0) & bus.ar.valid & bus.ar.ready & (wait == 0)),
            queue.i.valid.eq(bus.ar.valid & room & ~(direct & start)),
            head.eq(Mux(queue.o.valid, queue.o.p.ar, bus.ar.p)),
            due.eq(Mux(queue.o.valid, ~(now - queue.o.p.due)[31], direct)),
        ]

        burst = Signal(bus.ar.p.shape())        # burst under way
        addr = Signal.like(bus.ar.p.addr)       # its next beat
        left = Signal(9)                        # its beats to go
        issue = Signal.like(bus.ar.p.addr)      # address read in this cycle
        active = Signal(bus.ar.p.shape())
        m.d.comb += active.eq(Mux(left == 0, head, burst))
        steps, following = _next_beat(issue, active)
        m.d.comb += steps
        free = Signal()
        m.d.comb += [
            free.eq(~bus.r.valid | bus.r.ready),
            start.eq(free & (left == 0) & due),
            queue.o.ready.eq(start & queue.o.valid),
            issue.eq(Mux(left == 0, head.addr, addr)),
            reader.addr.eq(self._row(issue)),
            reader.en.eq(free),
        ]
        last = Signal()
        m.d.comb += last.eq(Mux(left == 0, head.len == 0, left == 1))
        with m.If(free):
            m.d.sync += bus.r.valid.eq(start | (left != 0))
            with m.If(start | (left != 0)):
                m.d.sync += [
                    bus.r.p.id.eq(active.id),
                    bus.r.p.last.eq(last),
                    bus.r.p.resp.eq(self._resp(issue, fields.error.read, fields)),
                    addr.eq(following),
                    left.eq(Mux(left == 0, head.len, left - 1)),
                ]
            with m.If(start):
                m.d.sync += burst.eq(head)
        m.d.comb += bus.r.p.data.eq(reader.data)
        m.d.sync += waiting.eq(waiting + (bus.ar.valid & bus.ar.ready)
                               - (bus.r.valid & bus.r.ready & bus.r.p.last))

    def _writes(self, m, bus, writer, fields, now, wait):
        m.submodules.write_queue = queue = Queue(bus.aw.p.shape(), DEPTH)
        layout = data.StructLayout({"id": len(bus.b.p.id), "resp": axi.Resp, "due": 32})
        m.submodules.reply_queue = replies = Queue(layout, DEPTH)
        waiting = Signal(range(DEPTH + 1))
        room = waiting < fields.limit.writes
        m.d.comb += [
            bus.aw.ready.eq(queue.i.ready & room),
            queue.i.valid.eq(bus.aw.valid & room),
            queue.i.p.eq(bus.aw.p),
        ]
        first = Signal(init=1)
        later = Signal.like(bus.aw.p.addr)
        addr = Signal.like(bus.aw.p.addr)
        resp = Signal(axi.Resp)
        worst = Signal(axi.Resp)                # of the beats so far
        steps, following = _next_beat(addr, queue.o.p)
        m.d.comb += steps
        beat = bus.w.valid & bus.w.ready
        answer = Signal(axi.Resp)
        m.d.comb += [
            addr.eq(Mux(first, queue.o.p.addr, later)),
            resp.eq(self._resp(addr, fields.error.write, fields)),
            answer.eq(Mux(first | (worst == axi.Resp.OKAY), resp, worst)),
            bus.w.ready.eq(queue.o.valid & replies.i.ready),
            queue.o.ready.eq(beat & bus.w.p.last),
            writer.addr.eq(self._row(addr)),
            writer.data.eq(bus.w.p.data),
            writer.en.eq(Mux(beat & (resp == axi.Resp.OKAY), bus.w.p.strb, 0)),
            replies.i.valid.eq(beat & bus.w.p.last),
            replies.i.p.id.eq(queue.o.p.id),
            replies.i.p.resp.eq(answer),
            replies.i.p.due.eq(now + wait + 1),
            bus.b.p.id.eq(replies.o.p.id),
            bus.b.p.resp.eq(replies.o.p.resp),
        ]
        with m.If(beat):
            m.d.sync += [first.eq(bus.w.p.last), later.eq(following), worst.eq(answer)]
        # Once offered, a response stays offered: `now` only grows past `due`.
        ripe = ~(now - replies.o.p.due)[31]
        m.d.comb += [
            bus.b.valid.eq(replies.o.valid & ripe),
            replies.o.ready.eq(bus.b.ready & ripe),
        ]
        m.d.sync += waiting.eq(waiting + (bus.aw.valid & bus.aw.ready)
                               - (bus.b.valid & bus.b.ready))
