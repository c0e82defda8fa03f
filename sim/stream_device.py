"""The device at the streams of a stream DMA engine, of the simulated machine."""

from collections import deque
from collections.abc import Callable
from typing import Any

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import SimulatorContext

from rtl.axi.stream import Signature
from rtl.stream.queue import Queue

from .golden.stream_end import Packet

__all__ = ["ROWS", "StreamDevice", "StreamEnd"]

#: Beats that the device stores each way before the program looks at them.
ROWS = 1 << 14
#: Beats on their way through a loopback.
_LOOP = 64


class ControlLayout(data.StructLayout):
    """What the program sets.

    ``loop``, ``hold``, ``pace`` (cycles a beat), and beats of each ring up to which the program has
    looked (``seen``) and filled (``filled``), modulo 2**32.
    """

    def __init__(self):
        super().__init__({"loop": 1, "hold": 1, "pace": 16, "seen": 32, "filled": 32})


class CountLayout(data.StructLayout):
    """Beats that came and went, modulo 2**32."""

    def __init__(self):
        super().__init__({"came": 32, "went": 32})


class StreamDevice(wiring.Component):
    """Store beats in a ring, and send those of another; or send back what comes.

    Parameters
    ----------
    data_width : int
        Width of the streams, in bits.

    Members
    -------
    sink : ``In(axi.stream.Signature(...))``, ``source`` : ``Out(...)``
        Streams.
    control : ``In(ControlLayout())``, ``counts`` : ``Out(CountLayout())``
        Towards the program.

    Attributes
    ----------
    taken, given : MemoryData
        The rings.
    """

    def __init__(self, data_width: int):
        beats = Signature(data_width=data_width, user_width=1)
        shape = beats.members["t"].signature.members["payload"].shape
        self.taken, self.given = (memory.MemoryData(shape=shape, depth=ROWS, init=[])
                                  for _ in range(2))
        super().__init__({"sink": In(beats), "source": Out(beats),
                          "control": In(ControlLayout()), "counts": Out(CountLayout())})

    def elaborate(self, platform):
        m = Module()
        sink, source, control, counts = self.sink.t, self.source.t, self.control, self.counts
        m.submodules.taken = taken = memory.Memory(self.taken)
        m.submodules.given = given = memory.Memory(self.given)
        m.submodules.loop = loop = Queue(sink.p.shape(), _LOOP)
        m.submodules.stock = stock = Queue(sink.p.shape(), 4)
        write, read = taken.write_port(), given.read_port(domain="comb")

        # A beat passes when the pace allows, each way.
        may = Signal(2, init=3)
        for k, beat in enumerate((sink, source)):
            wait = Signal(16, name=f"wait_{k}")
            with m.If(beat.valid & beat.ready):
                m.d.sync += [wait.eq(control.pace), may[k].eq(control.pace < 2)]
            with m.Elif(wait < 3):
                m.d.sync += may[k].eq(1)
            with m.Else():
                m.d.sync += wait.eq(wait - 1)

        more = counts.went != control.filled
        room = (counts.came - control.seen)[:32] < ROWS
        m.d.comb += [
            sink.ready.eq(~control.hold & may[0] & Mux(control.loop, loop.i.ready, room)),
            loop.i.valid.eq(sink.valid & ~control.hold & may[0] & control.loop),
            loop.i.payload.eq(sink.payload),
            write.addr.eq(counts.came),
            write.data.eq(sink.payload),
            write.en.eq(sink.valid & sink.ready & ~control.loop),
            read.addr.eq(counts.went),
            # What the program sends comes before what goes round.
            stock.i.payload.eq(Mux(more, read.data.as_value(), loop.o.payload.as_value())),
            stock.i.valid.eq(more | loop.o.valid),
            loop.o.ready.eq(stock.i.ready & ~more),
        ]
        m.d.sync += [
            counts.came.eq(counts.came + write.en),
            counts.went.eq(counts.went + (more & stock.i.ready)),
        ]
        offered = Signal()
        m.d.comb += [
            source.valid.eq(stock.o.valid & (may[1] | offered)),
            source.payload.eq(stock.o.payload),
            stock.o.ready.eq(source.valid & source.ready),
        ]
        m.d.sync += offered.eq(source.valid & ~source.ready)
        return m


class StreamEnd:
    """The program's side of a :class:`StreamDevice`; the same methods as the golden machine's.

    Parameters
    ----------
    top : wiring.Component
        The simulated machine, :class:`sim.top.Top`.
    number : int
        Which of its devices.
    context : callable
        Gives the simulator's context.
    """

    def __init__(self, top: wiring.Component, number: int,
                 context: Callable[[], SimulatorContext]):
        self._device = top.devices[number]
        self._control = getattr(top, f"device_{number}")
        self._counts = getattr(top, f"counts_{number}")
        self._context = context
        self._bytes = self._device.given.shape.members["keep"]
        self.reset()

    def _get(self, value: object) -> Any:
        return self._context().get(value)

    def _set(self, value: object, to: object) -> None:
        self._context().set(value, to)

    def reset(self) -> None:
        """Start over, as the simulation does."""
        self._packets: list[Packet] = []
        self._open = bytearray()
        self._queue: deque[dict] = deque()
        self._seen = self._filled = 0

    def service(self) -> None:
        """Empty one ring, and fill the other."""
        counts = self._get(self._counts)
        while self._seen != counts.came:
            beat = self._get(self._device.taken[self._seen % ROWS])
            self._open += beat.data.to_bytes(self._bytes, "little")[:beat.keep.bit_length()]
            if beat.last:
                data = bytes(self._open[:-1]) if beat.user else bytes(self._open)
                self._packets.append(Packet(data, cut=bool(beat.user)))
                self._open.clear()
            self._seen = (self._seen + 1) % (1 << 32)
        self._set(self._control.seen, self._seen)
        while self._queue and (self._filled - counts.went) % (1 << 32) < ROWS:
            self._set(self._device.given[self._filled % ROWS], self._queue.popleft())
            self._filled = (self._filled + 1) % (1 << 32)
        self._set(self._control.filled, self._filled)

    def loopback(self, *, on: bool = True) -> None:
        """Send back whatever comes."""
        self._set(self._control.loop, on)

    def hold(self, *, on: bool = True) -> None:
        """Take nothing."""
        self._set(self._control.hold, on)

    def pace(self, cycles: int) -> None:
        """Let a beat pass every so many cycles at most, each way; 1 is full speed."""
        self._set(self._control.pace, cycles)

    def send(self, data: bytes, *, last: bool = True) -> None:
        """Queue bytes for the engine; with ``last`` they end a packet, else whole beats."""
        if not data or (not last and len(data) % self._bytes):
            raise ValueError(f"Part of a packet must be whole beats of {self._bytes} bytes, not "
                             f"{len(data)} bytes")
        for at in range(0, len(data), self._bytes):
            part = data[at:at + self._bytes]
            self._queue.append({"data": int.from_bytes(part, "little"),
                                "keep": (1 << len(part)) - 1,
                                "last": int(last and at + self._bytes >= len(data)), "user": 0})
        self.service()

    @property
    def unsent(self) -> int:
        """Bytes that the engine has not taken yet, in whole beats."""
        waiting = (self._filled - self._get(self._counts).went) % (1 << 32)
        return (len(self._queue) + waiting) * self._bytes

    def received(self) -> list[Packet]:
        """Take the packets that have come since the last call."""
        self.service()
        packets, self._packets = self._packets, []
        return packets

    def unended(self) -> bytes:
        """Take what has come of a packet that has not ended."""
        self.service()
        data, self._open = bytes(self._open), bytearray()
        return data
