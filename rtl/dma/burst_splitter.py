"""Cut a run of bytes into the bursts that AXI4 permits."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

__all__ = ["BurstLayout", "BurstSplitter", "RunLayout"]


class RunLayout(data.StructLayout):
    """Consecutive bytes: ``addr`` of the first, ``reach``, ``tag``.

    ``reach`` is the offset of the last byte from the start of the page in which the first one is;
    ``span_width`` is the width of the run's length in bytes, minus one.
    """

    def __init__(self, *, addr_width: int, span_width: int, page_bytes: int, tag: ShapeLike = 0):
        super().__init__({
            "addr": addr_width, "reach": max(span_width, exact_log2(page_bytes)) + 1, "tag": tag})


class BurstLayout(data.StructLayout):
    """The bytes of a run that lie in one page.

    ``addr`` of the first byte, ``end`` (offset of the last byte in the page), ``len`` (beats - 1),
    ``first`` and ``last`` of the run, ``tag`` of the run.
    """

    def __init__(self, *, addr_width: int, page_bytes: int, bus_bytes: int, tag: ShapeLike = 0):
        super().__init__({
            "addr": addr_width, "end": range(page_bytes), "len": range(page_bytes // bus_bytes),
            "first": 1, "last": 1, "tag": tag,
        })


class BurstSplitter(wiring.Component):
    """Cut runs of bytes at multiples of ``page_bytes``.

    A page is the smaller of 4 KiB and the longest burst that the bus allows, so one aligned limit
    enforces both rules of the protocol, and cutting is counting pages: nothing wider than a page
    is ever compared. A run must not go past the highest address.

    Latency is one cycle; throughput is one burst a cycle, from run to run too. ``runs.ready`` comes
    from ``bursts.ready``.

    Parameters
    ----------
    addr_width : int
        Width of byte addresses, in bits.
    span_width : int
        Width of a run's length in bytes, minus one, in bits.
    bus_bytes : int, power of two, at most 128
        Width of the data bus, in bytes.
    max_beats : int, power of two, 2 to 256
        Longest burst, in beats.
    tag : shape-like
        What each burst shows of its run.

    Members
    -------
    runs : ``In(stream.Signature(RunLayout(...)))``
        Runs to cut.
    bursts : ``Out(stream.Signature(BurstLayout(...)))``
        Bursts, in address order.

    Raises
    ------
    ValueError
        If ``bus_bytes`` or ``max_beats`` is not one of the values above.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", section "Burst length" (256 beats) and
    section "Address structure" (a burst stays within 4 KiB).
    """

    def __init__(self, *, addr_width: int, span_width: int, bus_bytes: int, max_beats: int,
                 tag: ShapeLike = 0):
        if bus_bytes not in (1, 2, 4, 8, 16, 32, 64, 128):
            raise ValueError(f"Bus width must be a power of two up to 128 bytes, not {bus_bytes!r}")
        if max_beats not in (2, 4, 8, 16, 32, 64, 128, 256):
            raise ValueError(f"Burst must be 2, 4, ... or 256 beats long, not {max_beats!r}")
        self.page_bytes = min(4096, max_beats * bus_bytes)
        self.bus_bytes = bus_bytes
        super().__init__({
            "runs": In(stream.Signature(
                RunLayout(addr_width=addr_width, span_width=span_width,
                          page_bytes=self.page_bytes, tag=tag))),
            "bursts": Out(stream.Signature(
                BurstLayout(addr_width=addr_width, page_bytes=self.page_bytes,
                            bus_bytes=bus_bytes, tag=tag))),
        })

    def elaborate(self, platform):
        m = Module()

        run, burst = self.runs.p, self.bursts.p
        page_bits = exact_log2(self.page_bytes)
        beat_bits = exact_log2(self.bus_bytes)

        # What is offered comes from registers, so the next burst is worked out beforehand.
        offset, page = burst.addr[:page_bits], burst.addr[page_bits:]
        tail = Signal(page_bits)                # offset in its page of the run's last byte
        left = Signal(len(run.reach) - page_bits)       # pages after this one
        m.d.comb += self.runs.ready.eq(~self.bursts.valid | self.bursts.ready & burst.last)
        with m.If(self.runs.ready):
            last = run.reach[page_bits:] == 0
            end = Mux(last, run.reach[:page_bits], self.page_bytes - 1)
            m.d.sync += [
                self.bursts.valid.eq(self.runs.valid),
                burst.addr.eq(run.addr),
                Cat(tail, left).eq(run.reach),
                burst.end.eq(end),
                burst.len.eq(end[beat_bits:] - run.addr[beat_bits:page_bits]),
                burst.first.eq(1),
                burst.last.eq(last),
                burst.tag.eq(run.tag),
            ]
        with m.Elif(self.bursts.ready):
            last = left == 1
            end = Mux(last, tail, self.page_bytes - 1)
            m.d.sync += [
                offset.eq(0),
                page.eq(page + 1),
                left.eq(left - 1),
                burst.end.eq(end),
                burst.len.eq(end[beat_bits:]),
                burst.first.eq(0),
                burst.last.eq(last),
            ]
        return m
