"""An IOMMU between a device, a target and a memory that Python answers, one call a burst."""

from amaranth import *
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out, connect

from rtl.axi import lite
from rtl.axi import signature as axi
from rtl.iommu.iommu import Iommu
from rtl.params import IommuParams

__all__ = ["BEATS", "HANG_CYCLES", "QUIET_CYCLES", "Op", "Rig"]

#: Longest burst of the IOMMU's own, in beats.
BEATS = 16
#: Cycles without any handshake after which the IOMMU counts as idle.
QUIET_CYCLES = 64
#: Cycles after which a command has failed.
HANG_CYCLES = 50_000


class Op(enum.Enum, shape=2):
    """What a command does."""

    SETTLE = 0          # nothing more than that
    READ = 1            # a register
    WRITE = 2
    ACCESS = 3          # of the device


def _payload(signature: axi.Signature, channel: str) -> data.StructLayout:
    return signature.members[channel].signature.members["payload"].shape


class BurstPort(wiring.Component):
    """Turn each burst into one request to Python, and its answer into R or B.

    Members
    -------
    bus : ``In(signature)``
        The IOMMU's own accesses, one burst at a time.
    asks : ``Out(1)``
        There is a request: ``write``, ``addr``, ``len``, ``size``, ``burst``, ``lock``, and for a
        write ``data`` and ``strb`` of all beats.
    ack : ``In(1)``
        Python changes this to answer with ``reply`` (of reads) and ``resp``, of all beats.
    """

    def __init__(self, signature: axi.Signature):
        word = signature.data_width
        self._word = word
        self.poisons = signature.poison
        super().__init__({
            "bus": In(signature), "asks": Out(1), "write": Out(1),
            "burst": Out(_payload(signature, "ar")),
            "data": Out(BEATS * word), "strb": Out(BEATS * word // 8),
            "ack": In(1), "reply": In(BEATS * word), "resp": In(BEATS * 2), "poison": In(BEATS)})

    def elaborate(self, platform):
        m = Module()
        bus, word = self.bus, self._word
        beat, seen = Signal(range(BEATS)), Signal()
        r, b = bus.r, bus.b
        m.d.comb += [
            r.p.id.eq(self.burst.id), r.p.last.eq(beat == self.burst.len),
            r.p.data.eq(self.reply.word_select(beat, word)),
            r.p.resp.eq(self.resp.word_select(beat, 2)),
            b.p.id.eq(self.burst.id), b.p.resp.eq(self.resp[:2]),
        ]
        if self.poisons:
            m.d.comb += r.p.poison.eq(self.poison.bit_select(beat, 1))

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [bus.aw.ready.eq(1), bus.ar.ready.eq(~bus.aw.valid)]
                m.d.sync += [beat.eq(0), self.write.eq(bus.aw.valid)]
                with m.If(bus.aw.valid):
                    m.d.sync += self.burst.eq(bus.aw.p)
                    m.next = "DATA"
                with m.Elif(bus.ar.valid):
                    m.d.sync += self.burst.eq(bus.ar.p)
                    m.next = "ASK"
            with m.State("DATA"):
                m.d.comb += bus.w.ready.eq(1)
                with m.If(bus.w.valid):
                    m.d.sync += [self.data.word_select(beat, word).eq(bus.w.p.data),
                                 self.strb.word_select(beat, word // 8).eq(bus.w.p.strb),
                                 beat.eq(beat + 1)]
                    with m.If(bus.w.p.last):
                        m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += self.asks.eq(self.ack == seen)
                m.d.sync += beat.eq(0)
                with m.If(self.ack != seen):
                    m.d.sync += seen.eq(self.ack)
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += [r.valid.eq(~self.write), b.valid.eq(self.write)]
                with m.If(Mux(self.write, b.ready, r.ready)):
                    m.d.sync += beat.eq(beat + 1)
                    with m.If(self.write | r.p.last):
                        m.next = "IDLE"
        return m


class Target(wiring.Component):
    """Where translated accesses go: answers all, and remembers where the last one went.

    Members
    -------
    bus : ``In(signature)``
        Translated accesses.
    clear : ``In(1)``
        Forget.
    seen, addr, cache, user : ``Out(...)``
        There was one; its address, AxCACHE and AxUSER.
    """

    def __init__(self, signature: axi.Signature):
        super().__init__({"bus": In(signature), "clear": In(1), "seen": Out(1),
                          "addr": Out(signature.addr_width), "cache": Out(4),
                          "user": Out(signature.user)})

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        left, reading = Signal(8), Signal()
        ended, writing = Signal(), Signal()
        m.d.comb += [
            bus.ar.ready.eq(~reading), bus.r.valid.eq(reading), bus.r.p.last.eq(left == 0),
            bus.aw.ready.eq(~writing), bus.w.ready.eq(writing & ~ended), bus.b.valid.eq(ended),
        ]
        with m.If(bus.r.valid & bus.r.ready):
            m.d.sync += [left.eq(left - 1), reading.eq(left != 0)]
        with m.If(bus.w.valid & bus.w.ready & bus.w.p.last):
            m.d.sync += ended.eq(1)
        with m.If(bus.b.valid & bus.b.ready):
            m.d.sync += [ended.eq(0), writing.eq(0)]
        with m.If(self.clear):
            m.d.sync += self.seen.eq(0)
        for channel in (bus.ar, bus.aw):
            with m.If(channel.valid & channel.ready):
                m.d.sync += [self.seen.eq(1), self.addr.eq(channel.p.addr),
                             self.cache.eq(channel.p.cache), self.user.eq(channel.p.user)]
        with m.If(bus.ar.valid & bus.ar.ready):
            m.d.sync += [reading.eq(1), left.eq(bus.ar.p.len), bus.r.p.id.eq(bus.ar.p.id)]
        with m.If(bus.aw.valid & bus.aw.ready):
            m.d.sync += [writing.eq(1), bus.b.p.id.eq(bus.aw.p.id)]
        return m


class Commands(wiring.Component):
    """Carry out one command at a time: an access to a register or of the device.

    Members
    -------
    go : ``In(1)``
        Python changes this to begin the command that is at the inputs.
    op, settle, write, wide, addr, value, len, prot, user, strb : ``In(...)``
        Command: ``settle`` waits for silence first; ``wide`` registers have 64 bits. Each beat of a
        write of the device has ``value`` and ``strb``.
    quiet : ``In(1)``
        The IOMMU is idle.
    begins, done, hung, error : ``Out(1)``
        The command begins; it has ended; it has taken too long; it was answered with an error.
    result : ``Out(64)``
        What was read from a register.
    regs, device : ``Out(...)``
        Ports of the IOMMU.
    """

    def __init__(self, device: axi.Signature):
        super().__init__({
            "go": In(1), "op": In(Op), "settle": In(1), "write": In(1), "wide": In(1),
            "addr": In(64), "value": In(64), "len": In(8), "prot": In(3), "user": In(device.user),
            "strb": In(8),
            "quiet": In(1), "begins": Out(1), "done": Out(1), "hung": Out(1), "error": Out(1),
            "result": Out(64),
            "regs": Out(lite.Signature(addr_width=12)), "device": Out(device)})

    def elaborate(self, platform):
        m = Module()
        regs, device = self.regs, self.device
        served, half, left = Signal(), Signal(), Signal(8)
        addressed, sent = Signal(), Signal()
        timer = Signal(range(HANG_CYCLES + 1))
        m.d.comb += self.done.eq(served == self.go)

        def finish():
            m.d.sync += served.eq(self.go)
            m.next = "IDLE"

        def handed(stream, flag):
            with m.If(stream.valid & stream.ready):
                m.d.sync += flag.eq(1)

        word = self.addr[:12] | half << 2
        for channel in (regs.ar, regs.aw):
            m.d.comb += channel.p.addr.eq(word)
        m.d.comb += [regs.w.p.data.eq(self.value.word_select(half, 32)), regs.w.p.strb.eq(0xF)]
        for channel in (device.ar, device.aw):
            m.d.comb += [channel.p.addr.eq(self.addr), channel.p.len.eq(self.len),
                         channel.p.size.eq(3), channel.p.burst.eq(axi.Burst.INCR),
                         channel.p.cache.eq(axi.CACHE_WRITE_BACK), channel.p.prot.eq(self.prot),
                         channel.p.user.eq(self.user)]
        m.d.comb += [device.w.p.last.eq(left == 0), device.w.p.strb.eq(self.strb),
                     device.w.p.data.eq(self.value)]

        with m.If(self.done):
            m.d.sync += timer.eq(0)
        with m.Else():
            m.d.sync += timer.eq(timer + 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [half.eq((self.op == Op.WRITE) & self.wide), left.eq(self.len),
                             addressed.eq(0), sent.eq(0)]
                with m.If(~self.done & (self.quiet | ~self.settle)):
                    m.d.comb += self.begins.eq(1)
                    m.d.sync += [self.hung.eq(0), self.error.eq(0), self.result.eq(0)]
                    with m.Switch(self.op):
                        with m.Case(Op.SETTLE):
                            finish()
                        with m.Case(Op.READ):
                            m.next = "READ"
                        with m.Case(Op.WRITE):
                            m.next = "WRITE"
                        with m.Case(Op.ACCESS):
                            m.next = "ACCESS"
            with m.State("READ"):
                m.d.comb += [regs.ar.valid.eq(~addressed), regs.r.ready.eq(1)]
                handed(regs.ar, addressed)
                with m.If(regs.r.valid):
                    m.d.sync += [self.result.word_select(half, 32).eq(regs.r.p.data),
                                 half.eq(1), addressed.eq(0)]
                    with m.If(half | ~self.wide):
                        finish()
            with m.State("WRITE"):
                m.d.comb += [regs.aw.valid.eq(~addressed), regs.w.valid.eq(~sent),
                             regs.b.ready.eq(1)]
                handed(regs.aw, addressed)
                handed(regs.w, sent)
                with m.If(regs.b.valid):
                    m.d.sync += [half.eq(0), addressed.eq(0), sent.eq(0)]
                    with m.If(~half):
                        finish()
            with m.State("ACCESS"):
                m.d.comb += [
                    device.ar.valid.eq(~self.write & ~addressed), device.r.ready.eq(1),
                    device.aw.valid.eq(self.write & ~addressed), device.b.ready.eq(1),
                    device.w.valid.eq(self.write & ~sent),
                ]
                handed(device.ar, addressed)
                handed(device.aw, addressed)
                with m.If(device.w.valid & device.w.ready):
                    m.d.sync += [left.eq(left - 1), sent.eq(left == 0)]
                with m.If(device.r.valid):
                    m.d.sync += self.error.eq(self.error | (device.r.p.resp != axi.Resp.OKAY))
                    with m.If(device.r.p.last):
                        finish()
                with m.If(device.b.valid):
                    m.d.sync += self.error.eq(device.b.p.resp != axi.Resp.OKAY)
                    finish()
        with m.If(timer == HANG_CYCLES):
            m.d.sync += [served.eq(self.go), self.hung.eq(1)]
        return m


class Rig(Elaboratable):
    """An IOMMU with all that surrounds it.

    Parameters
    ----------
    params : IommuParams
        Parameters of the IOMMU.

    Attributes
    ----------
    rst : Signal
        Reset of everything.
    iommu, tables, target, commands
        The parts.
    """

    def __init__(self, params: IommuParams):
        self.rst = Signal()
        self.iommu = Iommu(params)
        self.tables = BurstPort(self.iommu.tables.signature)
        self.target = Target(self.iommu.memory.signature)
        self.commands = Commands(self.iommu.device.signature.flip())

    def elaborate(self, platform):
        """Connect everything, and find out when all is silent."""
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        iommu, reset = self.iommu, ResetInserter(self.rst)
        # Not the domain's own reset, which would end what testbenches wait for.
        m.submodules.iommu, m.submodules.tables = reset(iommu), reset(self.tables)
        m.submodules.target, m.submodules.commands = reset(self.target), reset(self.commands)
        connect(m, iommu.tables, self.tables.bus)
        connect(m, iommu.memory, self.target.bus)
        connect(m, self.commands.regs, iommu.regs)
        connect(m, self.commands.device, iommu.device)
        m.d.comb += self.target.clear.eq(self.commands.begins)

        busy = Cat(getattr(port, channel).valid for port, channels in (
            (iommu.tables, ("ar", "r", "aw", "w", "b")), (iommu.memory, ("ar", "r", "aw", "b")),
            (iommu.regs, ("ar", "r", "aw", "b"))) for channel in channels).any() | self.tables.asks
        silence = Signal(range(QUIET_CYCLES + 1))
        m.d.comb += self.commands.quiet.eq(silence == QUIET_CYCLES)
        with m.If(busy):
            m.d.sync += silence.eq(0)
        with m.Elif(silence != QUIET_CYCLES):
            m.d.sync += silence.eq(silence + 1)
        return m
