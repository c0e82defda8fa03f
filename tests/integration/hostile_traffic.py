"""A hostile device and one that behaves, on one AXI4 port."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from rtl.axi.signature import PROT_INSTRUCTION, Burst, Resp, Signature, dma_user_layout
from rtl.axi.unroll import Unroll
from rtl.stream.arbiter import Arbiter
from rtl.stream.fork import Fork
from rtl.stream.queue import Queue

from .hostile_vault import VAULT

__all__ = ["GOOD_DID", "GOOD_IOVA", "GOOD_PAGES", "HOSTILE_DIDS", "Traffic"]

#: The device that behaves, where its pages begin for it, and how many there are.
GOOD_DID, GOOD_IOVA, GOOD_PAGES = 0x41, 0x4000_0000, 4
#: Device IDs that the hostile device uses most; the last two have no valid context.
HOSTILE_DIDS = (5, 8, 6, 7)
#: What it writes, whatever it can reach.
BAD = 0xBAD0_BAD0_BAD0_BAD0
_AHEAD = 4                              # bursts that data and addresses may be apart


class Traffic(wiring.Component):
    """Both devices. The one that behaves writes a burst, reads it back and compares, for ever.

    The hostile one makes every access that AXI4 permits: all burst types, sizes and lengths, all
    IDs of its half, exclusive or not, with any attribute, of devices that there are or not, to
    pages that it has, that it has not, and anywhere. Data of writes comes before or long after
    their address. Every channel is held now and then, for a long time, and for ever with ``hold``.

    Members
    -------
    device : ``Out(Signature(...))``
        Port of both. The highest bit of an ID is 1 for the device that behaves.
    noise : ``In(64)``
        Random bits.
    hold : ``In(5)``
        Channels to stop: AR, AW, W, and the readiness for R and B.
    calm, serve : ``In(1)``
        The hostile device makes no more accesses; the other one does.
    rounds : ``Out(32)``
        What the device that behaves has read back.
    wrong : ``Out(1)``
        It got something else, or an error; or a refused read brought data. Stays.
    refused, answers : ``Out(32)``, ``Out(32).array(2)``
        Errors that the hostile device was answered; beats of R, and B, of all.
    asked : ``Out(32).array(2)``
        Addresses of reads, and of writes, that were taken.
    """

    def __init__(self, *, id_width: int, illegal: bool = False):
        self._illegal = illegal
        self._bus = Signature(addr_width=64, id_width=id_width, user=dma_user_layout())
        self._address = self._bus.members["ar"].signature.members["payload"].shape
        super().__init__({
            "device": Out(self._bus), "noise": In(64), "hold": In(5), "calm": In(1),
            "serve": In(1), "rounds": Out(32), "wrong": Out(1), "refused": Out(32),
            "answers": Out(32).array(2), "asked": Out(32).array(2)})

    def elaborate(self, platform):
        m = Module()
        device, noise = self.device, self.noise
        shut = Signal(5)                # channels that are held for a while
        with m.If(noise[40:47] == 0):
            m.d.sync += shut.eq(noise[50:55] & noise[55:60])
        still = shut | self.hold
        own_ar, own_aw = (stream.Signature(self._address).create(path=(f"own_{name}",))
                          for name in ("ar", "aw"))
        self._behave(m, own_ar, own_aw)

        for k, (name, own) in enumerate((("ar", own_ar), ("aw", own_aw))):
            m.submodules[f"choose_{name}"] = choose = Arbiter(self._address, 2)
            self._attack(m, choose.i[0], name, Cat(noise[k * 29:], noise[:k * 29]))
            connect_stream(m, own, choose.i[1])
            if name == "ar":
                gate(m, choose.o, device.ar, still[0] | ~noise[7])
            else:
                m.submodules.fork = fork = Fork(self._address, 2)
                m.submodules.later = later = Queue(self._address, _AHEAD)
                connect(m, choose.o, fork.i)
                connect(m, fork.o[0], later.i)
                gate(m, later.o, device.aw, still[1] | ~noise[9])
                self._data(m, fork.o[1], still[2])
        m.d.comb += [device.r.ready.eq(~still[3] & noise[11:13].any()),
                     device.b.ready.eq(~still[4] & noise[13:15].any())]
        for channel, count in zip((device.ar, device.aw), self.asked, strict=True):
            m.d.sync += count.eq(count + (channel.valid & channel.ready))
        taken, errors = [], []
        for answer, count in zip((device.r, device.b), self.answers, strict=True):
            taken.append(answer.valid & answer.ready)
            errors.append(taken[-1] & ~answer.p.id[-1] & (answer.p.resp == Resp.SLVERR))
            m.d.sync += count.eq(count + taken[-1])
        m.d.sync += self.refused.eq(self.refused + errors[0] + errors[1])
        with m.If(device.r.valid & (device.r.p.resp == Resp.SLVERR) & device.r.p.data.any()):
            m.d.sync += self.wrong.eq(1)
        return m

    def _attack(self, m, o, name, bits):
        """Offer accesses of every kind."""
        p = Signal(self._address, name=f"attack_{name}")
        size, wide = Signal(2, name=f"size_{name}"), Signal(64, name=f"wide_{name}")
        m.d.comb += [size.eq(Mux(bits[0], 3, bits[1:3])),
                     wide.eq(Cat(bits[20:52], bits[5:37]) ^ Cat(C(0, 24), bits))]
        page = Signal(52, name=f"page_{name}")
        with m.Switch(bits[3:6]):
            with m.Case(0):
                m.d.comb += page.eq(wide[12:])                          # anywhere
            with m.Case(1):
                m.d.comb += page.eq(VAULT >> 12 | bits[6:10])           # as if nothing translated
            with m.Case(2):
                m.d.comb += page.eq((GOOD_IOVA >> 12) + bits[6:8])      # of the other device
            with m.Case(3):
                m.d.comb += page.eq(bits[6:10] | bits[10] << 27 | bits[11].replicate(52) << 38)
            with m.Default():
                m.d.comb += page.eq(bits[6:9])
        offset = Signal(12, name=f"offset_{name}")
        m.d.comb += offset.eq(Mux(bits[12:14] == 0, bits[14].replicate(12) ^ bits[15:18],
                                  bits[15:27]))
        aligned = (offset >> size) << size
        room = ((4096 - aligned) >> size)[:13]
        length = Mux(bits[27:30] == 0, bits[30:38], bits[30:33])
        lock = bits[38:41] == 0
        m.d.comb += [
            p.id.eq(bits[41:44] & (1 << self._bus.id_width - 1) - 1), p.size.eq(size),
            p.cache.eq(Mux(bits[45], bits[46:50] | 0b10, bits[44])), p.prot.eq(bits[49:52]),
            p.qos.eq(bits[52:56]), p.user.process_id.eq(bits[17:37]),
            p.user.process_valid.eq(bits[56:59] == 0), p.user.translated.eq(bits[57:61] == 0),
        ]
        if name == "aw":
            m.d.comb += p.prot.eq(bits[49:52] & ~PROT_INSTRUCTION)
        with m.Switch(bits[61:64]):
            with m.Case(0):
                m.d.comb += p.user.device_id.eq(bits[5:29] & ~GOOD_DID)
            for k, did in enumerate(HOSTILE_DIDS[2:]):
                with m.Case(1 + k):
                    m.d.comb += p.user.device_id.eq(did)
            with m.Default():
                m.d.comb += p.user.device_id.eq(
                    Mux(bits[16], HOSTILE_DIDS[0], HOSTILE_DIDS[1]))
        with m.If(lock):
            m.d.comb += [p.lock.eq(1), p.burst.eq(Burst.INCR), p.addr.eq(Cat(aligned[:12], page))]
        with m.Elif(bits[9:11] == 0):
            m.d.comb += [p.burst.eq(Burst.FIXED), p.len.eq(bits[30:34]),
                         p.addr.eq(Cat(offset, page))]
        with m.Elif(bits[9:11] == 1):
            m.d.comb += [p.burst.eq(Burst.WRAP), p.len.eq((2 << bits[30:32]) - 1),
                         p.addr.eq(Cat(aligned[:12], page))]
        with m.Else():
            fits = (length < room) | self._illegal
            m.d.comb += [p.burst.eq(Burst.INCR), p.len.eq(Mux(fits, length, room - 1)),
                         p.addr.eq(Cat(offset, page))]
        with m.If(~o.valid | o.ready):
            m.d.sync += [o.valid.eq(~self.calm & bits[34:36].any()), o.payload.eq(p)]

    def _data(self, m, bursts, still):
        """Data of writes in the order of their addresses, as early as it can be."""
        m.submodules.unroll = unroll = Unroll(self._bus)
        connect(m, bursts, unroll.i)
        w, beat, offered = self.device.w, unroll.o, Signal()
        low = beat.p.addr[:3]
        lanes = (((1 << (1 << beat.p.size)) - 1) << ((low >> beat.p.size) << beat.p.size))[:8]
        m.d.comb += [
            w.p.last.eq(beat.p.last), w.p.strb.eq(lanes & (0xFF << low)),
            w.p.data.eq(Mux(beat.p.id[-1], self._pattern(beat.p.addr), BAD)),
            w.valid.eq(beat.valid & (offered | ~still & self.noise[17])),
            beat.ready.eq(w.valid & w.ready),
        ]
        m.d.sync += offered.eq(w.valid & ~w.ready)

    def _pattern(self, addr):
        return Cat(addr[:32], self.rounds)

    def _behave(self, m, ar, aw):
        """Write, read back, and compare."""
        r, b, at = self.device.r, self.device.b, Signal(64)
        goal = Signal(self._address)
        m.d.comb += [ar.payload.eq(goal), aw.payload.eq(goal)]
        mine_r = r.valid & r.ready & r.p.id[-1]
        mine_b = b.valid & b.ready & b.p.id[-1]
        with m.FSM():
            with m.State("CHOOSE"):
                offset = self.noise[3:12]
                length = self.noise[12:15]
                m.d.sync += [
                    goal.id.eq(1 << self._bus.id_width - 1), goal.size.eq(3),
                    goal.burst.eq(Burst.INCR), goal.user.device_id.eq(GOOD_DID),
                    goal.len.eq(Mux(offset > 511 - length, 0, length)),
                    goal.addr.eq(GOOD_IOVA | self.noise[20:22] << 12 | offset << 3),
                ]
                with m.If(self.serve):
                    m.next = "ASK WRITE"
            with m.State("ASK WRITE"):
                m.d.comb += aw.valid.eq(1)
                with m.If(aw.ready):
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.sync += at.eq(goal.addr)
                with m.If(mine_b):
                    m.next = "ASK READ"
                    with m.If(b.p.resp != Resp.OKAY):
                        m.d.sync += self.wrong.eq(1)
            with m.State("ASK READ"):
                m.d.comb += ar.valid.eq(1)
                with m.If(ar.ready):
                    m.next = "READ"
            with m.State("READ"):
                with m.If(mine_r):
                    m.d.sync += at.eq(at + 8)
                    with m.If((r.p.resp != Resp.OKAY) | (r.p.data != self._pattern(at))):
                        m.d.sync += self.wrong.eq(1)
                    with m.If(r.p.last):
                        m.d.sync += self.rounds.eq(self.rounds + 1)
                        m.next = "CHOOSE"
        with m.If(b.valid & (b.p.resp == Resp.EXOKAY)):
            m.d.sync += self.wrong.eq(1)


def connect_stream(m, source, sink):
    """Connect two streams made by hand."""
    m.d.comb += [sink.valid.eq(source.valid), sink.payload.eq(source.payload),
                 source.ready.eq(sink.ready)]


def gate(m, source, sink, shut):
    """Connect, except while ``shut``; what was offered stays."""
    offered = Signal(name="offered")
    valid = source.valid & (offered | ~shut)
    m.d.comb += [sink.valid.eq(valid), sink.payload.eq(source.payload),
                 source.ready.eq(sink.ready & valid)]
    m.d.sync += offered.eq(valid & ~sink.ready)
