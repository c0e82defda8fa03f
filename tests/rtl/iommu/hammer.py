"""A device that never rests, and a target that knows which translations are too old."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from rtl.axi.signature import Burst, Resp, dma_user_layout
from rtl.axi.signature import Signature as Axi
from rtl.iommu.iommu import Iommu
from rtl.stream.queue import Queue
from sim.vectors.rig import BurstPort

__all__ = ["DEVICES", "PAGES", "VERSIONS", "Hammer", "Race", "physical"]

#: Devices, pages of each, and bits of a version.
DEVICES, PAGES, VERSIONS = 2, 4, 16
_PAGE_BITS = (DEVICES * PAGES - 1).bit_length()


def physical(slot: int, version: int) -> int:
    """Physical page number that is given to a page for the ``version``-th time."""
    return slot | version << _PAGE_BITS


class Hammer(wiring.Component):
    """Reads and writes of random pages of random devices, with random IDs and stalls.

    ``slot`` is a page of a device. Memory takes and answers accesses at random times, in order.

    Members
    -------
    device, memory : ``Out(Axi(...))``, ``In(Axi(...))``
        Both sides of the IOMMU.
    run : ``In(1)``
        Make accesses.
    oldest : ``In(VERSIONS).array(...)``
        For each slot, the oldest version that may still be used.
    waits : ``In(1)``
        Fences wait for answers: an older version must not be in flight, either.
    passed, refused : ``Out(32)``
        Accesses that reached memory, and answers with an error.
    stale : ``Out(1)``
        An older version was used. Stays.
    idle : ``Out(1)``
        All accesses are answered.
    """

    def __init__(self, *, phys_bits: int, id_width: int):
        widths = {"data_width": 64, "id_width": id_width}
        super().__init__({
            "device": Out(Axi(addr_width=64, user=dma_user_layout(), **widths)),
            "memory": In(Axi(addr_width=phys_bits, **widths)),
            "run": In(1), "oldest": In(VERSIONS).array(DEVICES * PAGES), "waits": In(1),
            "passed": Out(32), "refused": Out(32), "stale": Out(1), "idle": Out(1)})

    def elaborate(self, platform):
        m = Module()
        noise = Signal(64, init=0x9E37_79B9_7F4A_7C15)
        m.d.sync += noise.eq((noise >> 1) ^ Mux(noise[0], 0xD800_0000_0000_0000, 0))
        pending = Signal(6)             # accesses to be answered
        asked, answered = [], []
        for k, (name, reply) in enumerate((("ar", "r"), ("aw", "b"))):
            bits = noise[24 * k:]
            asked.append(self._ask(m, getattr(self.device, name), bits, pending < 24))
            response = getattr(self.device, reply)
            m.d.comb += response.ready.eq(bits[:2].any())
            taken = response.valid & response.ready
            answered.append(taken)
            with m.If(taken & (response.p.resp != Resp.OKAY)):
                m.d.sync += self.refused.eq(self.refused + 1)
            self._serve(m, name, reply, noise[3 + 17 * k:])
        m.d.sync += pending.eq(pending + asked[0] + asked[1] - answered[0] - answered[1])
        m.d.comb += self.idle.eq(pending == 0)

        owed = Signal(6)                # bursts whose data is to come, after their address or early
        w = self.device.w
        m.d.comb += [w.valid.eq(owed != 0), w.p.last.eq(1)]
        m.d.sync += owed.eq(owed + asked[1] - (w.valid & w.ready))
        return m

    def _ask(self, m, channel, bits, room):
        """Offer an access now and then. Returns the strobe of one that is taken."""
        with m.If(~channel.valid | channel.ready):
            m.d.sync += [
                channel.valid.eq(self.run & room & bits[0]),
                channel.p.id.eq(bits[1:]), channel.p.size.eq(3), channel.p.burst.eq(Burst.INCR),
                channel.p.addr.eq(bits[8:8 + exact(PAGES)] << 12),
                channel.p.user.device_id.eq(bits[12:12 + exact(DEVICES)]),
            ]
        return channel.valid & channel.ready

    def _serve(self, m, name, reply, bits):
        """Take addresses, look at their version, and answer later."""
        channel, response = getattr(self.memory, name), getattr(self.memory, reply)
        queue = Queue(channel.p.shape(), 16)
        m.submodules[f"queue_{name}"] = queue
        takes = bits[:2].any()
        data = Signal(6, name=f"data_{name}")       # writes: bursts whose data is there
        ready = bits[2] & (True if name == "ar" else data != 0)
        offered = Signal(name=f"offered_{name}")
        m.d.comb += [
            queue.i.p.eq(channel.p), queue.i.valid.eq(channel.valid & takes),
            channel.ready.eq(queue.i.ready & takes),
            response.p.id.eq(queue.o.p.id), response.valid.eq(queue.o.valid & (ready | offered)),
            queue.o.ready.eq(response.ready & response.valid),
        ]
        m.d.sync += offered.eq(response.valid & ~response.ready)
        if name == "ar":
            m.d.comb += response.p.last.eq(1)
        else:
            w = self.memory.w
            m.d.comb += w.ready.eq(bits[4])
            m.d.sync += data.eq(data + (w.valid & w.ready) - (response.valid & response.ready))
        arrives, leaves = channel.valid & channel.ready, response.valid & response.ready
        with m.If(arrives):
            m.d.sync += self.passed.eq(self.passed + 1)
        for strobe, addr in ((arrives, channel.p.addr), (leaves & self.waits, queue.o.p.addr)):
            with m.If(strobe & self._old(addr)):
                m.d.sync += self.stale.eq(1)

    def _old(self, addr):
        version = addr[12 + _PAGE_BITS:12 + _PAGE_BITS + VERSIONS]
        return version < Array(self.oldest)[addr[12:12 + _PAGE_BITS]]


def exact(count: int) -> int:
    """Bits of a number below ``count``."""
    return (count - 1).bit_length()


class Race(Elaboratable):
    """An IOMMU under the hammer: ``iommu``, ``hammer``, ``tables`` and ``regs``."""

    def __init__(self, params):
        self.iommu = Iommu(params)
        self.tables = BurstPort(self.iommu.tables.signature)
        self.hammer = Hammer(phys_bits=params.phys_bits, id_width=params.id_width)
        self.regs = self.iommu.regs

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.iommu, m.submodules.tables = self.iommu, self.tables
        m.submodules.hammer = self.hammer
        connect(m, self.iommu.tables, self.tables.bus)
        connect(m, self.hammer.device, self.iommu.device)
        connect(m, self.iommu.memory, self.hammer.memory)
        return m
