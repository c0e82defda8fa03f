"""The channel from a stream to memory."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi.stream import Signature
from rtl.params import StreamParams
from rtl.stream.buffer import Buffer

from .app_words import APP_BITS
from .app_writer import AppWriter
from .burst_splitter import BurstSplitter
from .completion import Completion
from .jobs import ReadSignature, WriteSignature
from .realign import Realigner
from .stream_channel import ChannelSignature, connect_frontend
from .stream_frontend import StreamFrontend
from .stream_in import StreamIn
from .write_engine import WriteEngine

__all__ = ["S2mm"]


class S2mm(wiring.Component):
    """Write the packets of a stream into buffers; wiring only.

    ::

        frontend -> stream_in -+-> realigner ----------------+
              t -------^       +-> splitter -> write_engine <+-> finished
                               +-> entries -> completion <---+

    Data is at hand before a write is issued, as in :class:`~rtl.dma.mover.Mover`. Without a buffer,
    the stream waits.

    Parameters
    ----------
    params : StreamParams
        Parameters.

    Members
    -------
    control : ``In(ChannelSignature(...))``
        From the registers.
    lists, statuses : ``Out(ReadSignature(...))``, ``Out(WriteSignature(...))``
        Descriptors.
    writes : ``Out(WriteSignature(...))``
        Data.
    t : ``In(stream.Signature(...))``
        Beats, as those of an AXI4-Stream.
    words : ``In(stream.Signature(160))``, ``apps`` : ``Out(WriteSignature(...))``
        With ``apps``: application words of each packet, and their way to descriptors.
    """

    def __init__(self, params: StreamParams):
        self._params = params
        widths = {"addr_width": params.addr_width, "data_width": params.data_width}
        super().__init__({
            "control":  In(ChannelSignature(params)),
            "lists":    Out(ReadSignature(**widths)),
            "statuses": Out(WriteSignature(**widths)),
            "writes":   Out(WriteSignature(**widths)),
            "t":        In(Signature(data_width=params.data_width).members["t"].signature),
            **({"words": In(stream.Signature(APP_BITS)),
                "apps": Out(WriteSignature(**widths))} if params.apps else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params, control = self._params, self.control
        bus_bytes, in_flight = params.data_width // 8, params.reads_in_flight
        page_bytes = min(4096, params.max_beats * bus_bytes)
        rows = 2 * in_flight * page_bytes // bus_bytes
        m.submodules.frontend = frontend = StreamFrontend(params, depth=in_flight)
        m.submodules.input = slice_ = Buffer(self.t.p.shape())
        m.submodules.stream_in = stream_in = StreamIn(params, page_bytes=page_bytes, rows=rows)
        m.submodules.realigner = realigner = Realigner(bus_bytes=bus_bytes, depth=rows)
        m.submodules.splitter = splitter = BurstSplitter(
            addr_width=params.addr_width, span_width=exact_log2(page_bytes) + 1,
            bus_bytes=bus_bytes, max_beats=params.max_beats, tag=1)
        m.submodules.writer = writer = WriteEngine(
            params, page_bytes=page_bytes, rows=rows, copies=4 * in_flight)
        m.submodules.completion = completion = Completion(
            params, copies=2 * in_flight, writes=in_flight, noted=True)

        connect(m, frontend.bus, flipped(self.lists))
        connect(m, frontend.items, stream_in.buffers)
        connect(m, flipped(self.t), slice_.i)
        connect(m, slice_.o, stream_in.t)
        connect(m, stream_in.beats, realigner.beats)
        connect(m, stream_in.runs, splitter.runs)
        app_busy = Signal()
        if params.apps:
            m.submodules.app_writer = apps = AppWriter(params)
            connect(m, stream_in.entries, apps.i)
            connect(m, apps.o, completion.entries)
            connect(m, flipped(self.words), apps.words)
            connect(m, apps.bus, flipped(self.apps))
            m.d.comb += [apps.enable.eq(control.apps), apps.stop.eq(control.stop),
                         app_busy.eq(apps.busy)]
        else:
            connect(m, stream_in.entries, completion.entries)
        connect(m, realigner.rows, writer.rows)
        connect(m, writer.bus, flipped(self.writes))
        connect(m, writer.finished, completion.finished)
        connect(m, completion.bus, flipped(self.statuses))
        connect_frontend(m, control, frontend, completion)

        burst = splitter.bursts
        m.d.comb += [
            # A burst is the last of its buffer if its run is.
            writer.bursts.valid.eq(burst.valid),
            burst.ready.eq(writer.bursts.ready),
            *(writer.bursts.p[name].eq(burst.p[name]) for name in ("addr", "end", "len", "first")),
            writer.bursts.p.last.eq(burst.p.last & burst.p.tag),
            writer.done.eq(realigner.done),
            writer.stop.eq(control.stop),
            stream_in.freed.eq(realigner.rows.valid & realigner.rows.ready),
            stream_in.failed.eq(writer.failed),
            stream_in.stop.eq(control.stop),
            control.acked.eq(writer.acked),
            control.acked_span.eq(writer.acked_span),
            control.busy.eq(frontend.busy | writer.busy | completion.busy | app_busy),
            control.pending.eq(frontend.pending | stream_in.pending | stream_in.entries.valid |
                               completion.pending),
        ]
        return m
