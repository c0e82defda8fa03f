"""The CPU of the simulated machine: whole loads, stores and register accesses, one command each."""

from amaranth import *
from amaranth.lib import data, enum, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.axi import lite
from rtl.axi import signature as axi

__all__ = ["BUFFER_BYTES", "HostPort", "Op"]

#: Largest load or store of one command, in bytes.
BUFFER_BYTES = 4096


class Op(enum.Enum, shape=3):
    """What a command does."""

    LOAD = 0
    STORE = 1
    READ = 2            # a register
    WRITE = 3
    WAIT = 4


class HostPort(wiring.Component):
    """Executes one command at a time; its caller is called once for each.

    A load or store of up to :data:`BUFFER_BYTES` bytes at any alignment is cut at cache lines into
    bursts, which are issued one a cycle without waiting for each other's response, and ends with
    the last response. Bytes pass through ``buffer``, whose row ``i`` is the ``i``-th bus word from
    the one that holds the first byte.

    Parameters
    ----------
    signature : axi.Signature
        Bus towards the cache.
    line_bytes : int
        Cache line, in bytes.
    irqs : int
        Interrupt lines.

    Members
    -------
    command : ``In(stream.Signature(...))``
        ``op``, ``addr``, ``size`` (bytes; cycles of a wait; value of a register write), ``cached``.
    done : ``Out(stream.Signature(...))``
        ``resp`` of the worst beat, ``addr`` of its burst, ``data`` that was read from a register,
        ``irqs`` high and enabled at the end.
    bus : ``Out(axi.Signature(...))``
        Memory, through the cache.
    regs : ``Out(lite.Signature(addr_width=32))``
        Registers.
    irqs, enabled : ``In(irqs)``
        Interrupt lines, and those that end a wait.
    cycles : ``Out(64)``
        Clock cycles since reset.

    Attributes
    ----------
    buffer : MemoryData
        Bytes of a load or store.
    """

    def __init__(self, signature: axi.Signature, *, line_bytes: int, irqs: int):
        self.line_bytes = line_bytes
        self.word_bytes = signature.data_width // 8
        self.buffer = memory.MemoryData(
            shape=signature.data_width, depth=BUFFER_BYTES // self.word_bytes + 1, init=[])
        super().__init__({
            "command": In(stream.Signature(data.StructLayout({
                "op": Op, "addr": signature.addr_width, "size": 32, "cached": 1}))),
            "done": Out(stream.Signature(data.StructLayout({
                "resp": axi.Resp, "addr": signature.addr_width, "data": 32, "irqs": irqs}))),
            "bus": Out(signature),
            "regs": Out(lite.Signature(addr_width=32)),
            "irqs": In(irqs),
            "enabled": In(irqs),
            "cycles": Out(64),
        })

    def elaborate(self, platform):
        m = Module()
        bus, regs, done = self.bus, self.regs, self.done
        word, line = exact_log2(self.word_bytes), exact_log2(self.line_bytes)
        m.d.sync += self.cycles.eq(self.cycles + 1)

        command = Signal.like(self.command.p)
        m.submodules.buffer = buffer = memory.Memory(self.buffer)
        reader, writer = buffer.read_port(), buffer.write_port()

        at = Signal.like(bus.ar.p.addr)         # next burst
        end = Signal.like(bus.ar.p.addr)        # first byte after the command
        issuing = Signal()                      # bursts are left to issue
        answers = Signal(range(BUFFER_BYTES // self.line_bytes + 2))    # responses to come
        row = Signal(range(self.buffer.depth))  # of the beat under way
        rows = Signal.like(row)                 # beats of the command, less 1
        replies = Signal.like(answers)          # responses that came
        lite_aw, lite_w = Signal(), Signal()    # handed over

        # Address of the burst: up to the end of its line, or of the command.
        boundary = Cat(C(0, line), at[line:] + 1)[:len(at)]
        final = Signal()
        last_byte = Signal.like(at)
        m.d.comb += [
            final.eq((end - 1)[line:len(at)] == at[line:]),
            last_byte.eq(Mux(final, end - 1, boundary - 1)),
        ]
        cache = Mux(command.cached, axi.CACHE_WRITE_BACK, axi.CACHE_BYPASS)
        for channel in (bus.ar, bus.aw):
            m.d.comb += [
                channel.p.addr.eq(at),
                channel.p.len.eq(last_byte[word:line] - at[word:line]),
                channel.p.size.eq(word),
                channel.p.burst.eq(axi.Burst.INCR),
                channel.p.cache.eq(cache),
                channel.p.prot.eq(axi.PROT_PRIVILEGED),
            ]

        def issue(channel):
            """Hand over the addresses of all bursts of the command."""
            m.d.comb += channel.valid.eq(issuing)
            with m.If(channel.valid & channel.ready):
                m.d.sync += [at.eq(boundary), issuing.eq(~final)]
            return channel.valid & channel.ready

        def note(resp, addr):
            """Remember the first error."""
            with m.If((resp != axi.Resp.OKAY) & (done.p.resp == axi.Resp.OKAY)):
                m.d.sync += [done.p.resp.eq(resp), done.p.addr.eq(addr)]

        with m.FSM(name="host"):
            with m.State("IDLE"):
                m.d.comb += self.command.ready.eq(1)
                with m.If(self.command.valid):
                    request = self.command.p
                    m.d.sync += [
                        command.eq(request),
                        at.eq(request.addr),
                        end.eq(request.addr + request.size),
                        rows.eq((request.addr[:word] + request.size - 1) >> word),
                        row.eq(0),
                        issuing.eq(1),
                        answers.eq(0),
                        replies.eq(0),
                        lite_aw.eq(0),
                        lite_w.eq(0),
                        done.p.resp.eq(axi.Resp.OKAY),
                    ]
                    with m.Switch(request.op):
                        for op in Op:
                            with m.Case(op):
                                m.next = op.name

            with m.State("LOAD"):
                issue(bus.ar)
                m.d.comb += [
                    bus.r.ready.eq(1),          # the buffer has room for the whole command
                    writer.addr.eq(row),
                    writer.data.eq(bus.r.p.data),
                    writer.en.eq(bus.r.valid),
                ]
                with m.If(bus.r.valid):
                    note(bus.r.p.resp, (command.addr & ~(self.word_bytes - 1)) + (row << word))
                    m.d.sync += row.eq(row + 1)
                    with m.If(row == rows):
                        m.next = "REPORT"

            with m.State("STORE"):
                issued = issue(bus.aw)
                answered = bus.b.valid & bus.b.ready
                m.d.comb += [reader.addr.eq(0), bus.b.ready.eq(1)]
                m.d.sync += answers.eq(answers + issued - answered)
                m.next = "DATA"

            with m.State("DATA"):
                issued = issue(bus.aw)
                answered = bus.b.valid & bus.b.ready
                m.d.sync += answers.eq(answers + issued - answered)
                first, last = row == 0, row == rows
                ones = (1 << self.word_bytes) - 1
                head = Mux(first, (ones << command.addr[:word])[:self.word_bytes], ones)
                tail = Mux(last, C(ones, self.word_bytes) >> ~(end - 1)[:word], ones)
                beats = line - word
                position = (command.addr[word:line] + row)[:beats]
                sending = row <= rows
                taken = bus.w.valid & bus.w.ready
                m.d.comb += [
                    bus.b.ready.eq(1),
                    bus.w.valid.eq(sending),
                    bus.w.p.data.eq(reader.data),
                    bus.w.p.strb.eq(head & tail),
                    bus.w.p.last.eq(last | position.all()),
                    reader.addr.eq(row + taken),
                ]
                with m.If(taken):
                    m.d.sync += row.eq(row + 1)
                with m.If(bus.b.valid):
                    m.d.sync += replies.eq(replies + 1)
                    note(bus.b.p.resp, Cat(C(0, line), command.addr[line:] + replies))
                with m.If(~issuing & ~sending & (answers == 0)):
                    m.next = "REPORT"

            with m.State("READ"):
                m.d.comb += [
                    regs.ar.valid.eq(~lite_aw),
                    regs.ar.p.addr.eq(command.addr),
                    regs.r.ready.eq(1),
                ]
                with m.If(regs.ar.ready):
                    m.d.sync += lite_aw.eq(1)
                with m.If(regs.r.valid):
                    m.d.sync += done.p.data.eq(regs.r.p.data)
                    note(regs.r.p.resp, command.addr)
                    m.next = "REPORT"

            with m.State("WRITE"):
                m.d.comb += [
                    regs.aw.valid.eq(~lite_aw),
                    regs.aw.p.addr.eq(command.addr),
                    regs.w.valid.eq(~lite_w),
                    regs.w.p.data.eq(command.size),
                    regs.w.p.strb.eq(0xF),
                    regs.b.ready.eq(1),
                ]
                with m.If(regs.aw.ready):
                    m.d.sync += lite_aw.eq(1)
                with m.If(regs.w.ready):
                    m.d.sync += lite_w.eq(1)
                with m.If(regs.b.valid):
                    note(regs.b.p.resp, command.addr)
                    m.next = "REPORT"

            with m.State("WAIT"):
                m.d.sync += command.size.eq(command.size - 1)
                with m.If((command.size <= 1) | (self.irqs & self.enabled).any()):
                    m.next = "REPORT"

            with m.State("REPORT"):
                m.d.comb += [
                    done.valid.eq(1),
                    done.p.irqs.eq(self.irqs & self.enabled),
                ]
                with m.If(done.ready):
                    m.next = "IDLE"
        return m
