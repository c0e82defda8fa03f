"""The channel from memory to a stream."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi.stream import Signature
from rtl.params import StreamParams

from .app_control import AppControl
from .app_words import APP_BITS
from .burst_splitter import BurstSplitter
from .completion import Completion
from .jobs import SPAN_BITS, ReadSignature, WriteSignature
from .packer import Packer
from .planner import PlaceLayout
from .read_engine import ReadEngine
from .realign import Realigner
from .stream_channel import ChannelSignature, connect_frontend
from .stream_frontend import StreamFrontend
from .stream_out import StreamOut

__all__ = ["Mm2s"]


class Mm2s(wiring.Component):
    """Read buffers, and send their bytes as packets; wiring only.

    ::

        frontend -> packer -+-> splitter -> read_engine -> realigner -+
                            +-> parts -----------------> stream_out <-+-> t
                            +-> entries -> completion <- finished

    Stages work on different buffers at the same time, and room for read data is reserved before a
    read is issued, as in :class:`~rtl.dma.mover.Mover`.

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
    reads : ``Out(ReadSignature(...))``
        Data.
    t : ``Out(stream.Signature(...))``
        Beats, as those of an AXI4-Stream.
    words : ``Out(stream.Signature(160))``
        With ``apps``: application words of each packet, before the packet.
    """

    def __init__(self, params: StreamParams):
        self._params = params
        widths = {"addr_width": params.addr_width, "data_width": params.data_width}
        super().__init__({
            "control":  In(ChannelSignature(params)),
            "lists":    Out(ReadSignature(**widths)),
            "statuses": Out(WriteSignature(**widths)),
            "reads":    Out(ReadSignature(**widths)),
            "t":        Out(Signature(data_width=params.data_width).members["t"].signature),
            **({"words": Out(stream.Signature(APP_BITS))} if params.apps else {}),
        })

    def elaborate(self, platform):
        m = Module()
        params, control = self._params, self.control
        bus_bytes, in_flight = params.data_width // 8, params.reads_in_flight
        m.submodules.splitter = splitter = BurstSplitter(
            addr_width=params.addr_width, span_width=SPAN_BITS, bus_bytes=bus_bytes,
            max_beats=params.max_beats, tag=PlaceLayout(bus_bytes, joins=True))
        page_bytes = splitter.page_bytes
        rows = 2 * in_flight * page_bytes // bus_bytes
        m.submodules.frontend = frontend = StreamFrontend(
            params, depth=in_flight, apps=params.apps)
        m.submodules.packer = packer = Packer(params)
        m.submodules.reader = reader = ReadEngine(
            params, page_bytes=page_bytes, rows=rows, joins=True)
        m.submodules.realigner = realigner = Realigner(
            bus_bytes=bus_bytes, depth=rows, joins=True)
        m.submodules.out = out = StreamOut(params, buffers=2 * in_flight)
        m.submodules.completion = completion = Completion(
            params, copies=2 * in_flight, writes=in_flight, noted=True)

        connect(m, frontend.bus, flipped(self.lists))
        if params.apps:
            m.submodules.app_control = apps = AppControl(params.addr_width)
            connect(m, frontend.items, apps.i)
            connect(m, apps.o, packer.buffers)
            connect(m, apps.words, flipped(self.words))
            m.d.comb += apps.enable.eq(control.apps)
        else:
            connect(m, frontend.items, packer.buffers)
        connect(m, packer.reads, splitter.runs)
        connect(m, packer.parts, out.parts)
        connect(m, packer.entries, completion.entries)
        connect(m, splitter.bursts, reader.bursts)
        connect(m, reader.bus, flipped(self.reads))
        connect(m, reader.beats, realigner.beats)
        connect(m, realigner.rows, out.rows)
        connect(m, out.t, flipped(self.t))
        connect(m, out.finished, completion.finished)
        connect(m, completion.bus, flipped(self.statuses))
        connect_frontend(m, control, frontend, completion)

        m.d.comb += [
            reader.freed.eq(realigner.rows.valid & realigner.rows.ready),
            reader.stop.eq(control.stop),
            out.arrived.eq(reader.beats.valid & reader.beats.p.last),
            out.read_failed.eq(reader.failed),
            out.read_failure.eq(reader.failure),
            control.acked.eq(out.acked),
            control.acked_span.eq(out.acked_span),
            control.busy.eq(frontend.busy | reader.busy | completion.busy),
            control.pending.eq(frontend.pending | completion.pending),
        ]
        return m
