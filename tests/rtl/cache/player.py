"""Traffic from memories that a testbench fills, so that Python is called once a batch."""

from amaranth import *
from amaranth.lib import data, memory
from amaranth.lib.memory import MemoryData

__all__ = ["Player", "Recorder", "packer"]


def packer(layout: data.StructLayout):
    """Make payloads of ``layout``, as integers, from ``(name, value)`` pairs; the rest is 0."""
    places = {name: field.offset for name, field in layout}

    def pack(**fields) -> int:
        return sum(value << places[name] for name, value in fields.items())

    return pack


def _luck(m: Module, seed: int, sparse) -> Value:
    """1 in every cycle, or with ``sparse`` in a random half of them."""
    noise = Signal(16, init=0x1357 + seed)
    m.d.sync += noise.eq((noise >> 1) ^ Mux(noise[0], 0xB400, 0))
    return ~sparse | noise[3]


class Player(Elaboratable):
    """Offer payloads 0 to ``count`` - 1 of ``rows``; begin anew when ``count`` was 0.

    Parameters
    ----------
    stream : stream interface
        Sink.
    depth : int
        Rows.
    seed : int
        For ``sparse``.
    """

    def __init__(self, stream, depth: int, seed: int = 0):
        self.stream, self.seed = stream, seed
        width = Shape.cast(stream.payload.shape()).width
        self.rows = MemoryData(shape=width, depth=depth, init=[])
        self.count, self.sparse = Signal(range(depth + 1)), Signal()

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = memory.Memory(self.rows)
        read = store.read_port(domain="comb")
        at, limit = Signal.like(self.count), Signal.like(self.count)
        m.d.comb += [read.addr.eq(at), self.stream.valid.eq(at != limit),
                     Value.cast(self.stream.payload).eq(read.data)]
        with m.If(self.stream.valid & self.stream.ready):
            m.d.sync += at.eq(at + 1)
        with m.If((limit != self.count) & _luck(m, self.seed, self.sparse)):
            m.d.sync += limit.eq(limit + 1)
        with m.If(self.count == 0):
            m.d.sync += [at.eq(0), limit.eq(0)]
        return m


class Recorder(Elaboratable):
    """Take payloads into ``rows``, and say when ``target`` of them have come; 0 begins anew.

    Parameters
    ----------
    stream : stream interface
        Source.
    depth : int
        Rows.
    seed : int
        For ``sparse``.
    """

    def __init__(self, stream, depth: int, seed: int = 0):
        self.stream, self.seed = stream, seed
        width = Shape.cast(stream.payload.shape()).width
        self.rows = MemoryData(shape=width, depth=depth, init=[])
        self.target, self.sparse, self.done = Signal(range(depth + 1)), Signal(), Signal()

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = memory.Memory(self.rows)
        write = store.write_port()
        at = Signal.like(self.target)
        m.d.comb += [
            self.stream.ready.eq((at != self.target) & _luck(m, self.seed, self.sparse)),
            write.addr.eq(at), write.data.eq(self.stream.payload),
            write.en.eq(self.stream.valid & self.stream.ready),
            self.done.eq(at == self.target),
        ]
        with m.If(write.en):
            m.d.sync += at.eq(at + 1)
        with m.If(self.target == 0):
            m.d.sync += at.eq(0)
        return m
