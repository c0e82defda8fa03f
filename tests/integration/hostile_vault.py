"""A memory that knows which of its pages each device may use, and how."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out, connect

from rtl.axi.signature import PROT_INSTRUCTION, Signature
from rtl.axi.unroll import Unroll
from rtl.stream.queue import Queue

__all__ = ["PAGES", "VAULT", "Vault"]

#: Address of the memory, and its size in pages.
VAULT, PAGES = 0xA000_0000, 16
_PLACES = (PAGES - 1).bit_length()
_DEPTH = 8


class Vault(wiring.Component):
    """Memory of ``PAGES`` pages from ``VAULT`` on, whose every beat is checked against a list.

    The highest bit of an ID tells the device: 1 for the one that behaves. Answers come in order, at
    random times.

    Members
    -------
    bus : ``In(signature)``
        Translated accesses.
    read, write, execute : ``In(PAGES).array(2)``
        For each device, pages that it may use so.
    elsewhere : ``In(...).array(2)``
        Addresses from the first up to the second, which the hostile device may use, too; there is
        nothing of this memory.
    noise : ``In(64)``
        Random bits.
    breach : ``Out(1)``
        An access was not on the list, or not in this memory. Stays.
    served : ``Out(32).array(2)``
        Beats that passed, of each device.

    Attributes
    ----------
    words : amaranth.lib.memory.MemoryData
        Contents, in words of 8 bytes.
    """

    def __init__(self, signature: Signature, init):
        self._signature = signature
        self.words = memory.MemoryData(shape=64, depth=PAGES * 512, init=init)
        super().__init__({
            "bus": In(signature), "read": In(PAGES).array(2), "write": In(PAGES).array(2),
            "execute": In(PAGES).array(2), "noise": In(64),
            "elsewhere": In(self._signature.addr_width).array(2), "breach": Out(1),
            "served": Out(32).array(2)})

    def elaborate(self, platform):
        m = Module()
        bus, noise = self.bus, self.noise
        m.submodules.store = store = memory.Memory(self.words)
        load, save = store.read_port(domain="comb"), store.write_port(granularity=8)

        read, fetches = self._beats(m, bus.ar, "r")
        m.d.comb += [
            load.addr.eq(read.p.addr[3:]), read.ready.eq(~bus.r.valid & noise[0]),
        ]
        with m.If(read.valid & read.ready):
            m.d.sync += [bus.r.valid.eq(1), bus.r.p.id.eq(read.p.id), bus.r.p.data.eq(load.data),
                         bus.r.p.last.eq(read.p.last)]
        with m.Elif(bus.r.ready):
            m.d.sync += bus.r.valid.eq(0)
        device = read.p.id[-1]
        allowed = Mux(fetches, Array(self.execute)[device], Array(self.read)[device])
        self._check(m, read, read.valid & read.ready, allowed)

        write, _ = self._beats(m, bus.aw, "w")
        m.submodules.answers = answers = Queue(len(write.p.id), _DEPTH)
        taken, replying = Signal(), Signal()
        m.d.comb += [
            bus.w.ready.eq(write.valid & answers.i.ready & noise[1]),
            taken.eq(bus.w.valid & bus.w.ready), write.ready.eq(taken),
            save.addr.eq(write.p.addr[3:]), save.data.eq(bus.w.p.data),
            save.en.eq(Mux(taken & _inside(write.p.addr), bus.w.p.strb, 0)),
            answers.i.valid.eq(taken & write.p.last), answers.i.payload.eq(write.p.id),
            bus.b.valid.eq(answers.o.valid & (noise[2] | replying)),
            bus.b.p.id.eq(answers.o.payload), answers.o.ready.eq(bus.b.valid & bus.b.ready),
        ]
        m.d.sync += replying.eq(bus.b.valid & ~bus.b.ready)
        self._check(m, write, taken, Array(self.write)[write.p.id[-1]])
        return m

    def _beats(self, m, channel, name):
        """Beats of the bursts of ``channel``, and whether they are of instructions."""
        m.submodules[f"queue_{name}"] = queue = Queue(channel.p.shape(), _DEPTH)
        m.submodules[f"unroll_{name}"] = unroll = Unroll(self._signature)
        takes, fetches = self.noise[3 + (name == "w")], Signal(name=f"fetches_{name}")
        m.d.comb += [queue.i.p.eq(channel.p), queue.i.valid.eq(channel.valid & takes),
                     channel.ready.eq(queue.i.ready & takes)]
        connect(m, queue.o, unroll.i)
        with m.If(unroll.i.valid & unroll.i.ready):
            m.d.sync += fetches.eq((unroll.i.p.prot & PROT_INSTRUCTION).any())
        return unroll.o, fetches

    def _check(self, m, beat, strobe, allowed):
        page = beat.p.addr[12:12 + _PLACES]
        other = ((beat.p.addr >= self.elsewhere[0]) & (beat.p.addr < self.elsewhere[1]) &
                 ~beat.p.id[-1])
        with m.If(strobe):
            with m.If(~Mux(_inside(beat.p.addr), allowed.bit_select(page, 1), other)):
                m.d.sync += self.breach.eq(1)
            count = Array(self.served)[beat.p.id[-1]]
            m.d.sync += count.eq(count + 1)


def _inside(addr):
    return addr[12 + _PLACES:] == VAULT >> 12 + _PLACES
