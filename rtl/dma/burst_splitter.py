"""Cut a run of bytes into the bursts that AXI4 permits."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

__all__ = ["BurstLayout", "BurstSplitter", "RunLayout"]


class RunLayout(data.StructLayout):
    """Consecutive bytes: ``addr`` of the first, ``span`` (how many - 1), ``tag``."""

    def __init__(self, *, addr_width: int, span_width: int, tag: ShapeLike = 0):
        super().__init__({"addr": addr_width, "span": span_width, "tag": tag})


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
                RunLayout(addr_width=addr_width, span_width=span_width, tag=tag))),
            "bursts": Out(stream.Signature(
                BurstLayout(addr_width=addr_width, page_bytes=self.page_bytes,
                            bus_bytes=bus_bytes, tag=tag))),
        })

    def elaborate(self, platform):
        m = Module()

        run, burst = self.runs.p, self.bursts.p
        page_bits = exact_log2(self.page_bytes)
        beat_bits = exact_log2(self.bus_bytes)

        # What is offered comes from registers, so the next burst is worked out beforehand: its
        # parts beside each other and not one from the other, for the sake of the clock.
        offset, page = burst.addr[:page_bits], burst.addr[page_bits:]
        start, span = run.addr[:page_bits], Signal(max(len(run.span), page_bits + 2))
        m.d.comb += span.eq(run.span)
        reach = start + span                    # of the last byte, from the start of the page
        beats = (start[:beat_bits] + span[:page_bits])[beat_bits:]      # in this page, less one
        crosses = (start + span[:page_bits])[page_bits]
        few, odd = span[page_bits + 1:] == 0, span[page_bits]
        once = few & ~odd & ~crosses

        tail = Signal(page_bits)                # offset in its page of the run's last byte
        left = Signal(len(reach) - page_bits)   # pages after this one
        final = Signal()                        # it is one
        m.d.comb += self.runs.ready.eq(~self.bursts.valid | self.bursts.ready & burst.last)
        with m.If(self.runs.ready):
            m.d.sync += [
                self.bursts.valid.eq(self.runs.valid),
                burst.addr.eq(run.addr),
                Cat(tail, left).eq(reach),
                final.eq(few & (odd ^ crosses)),
                burst.end.eq(Mux(once, reach[:page_bits], ~0)),
                burst.len.eq(Mux(once, beats, ~start[beat_bits:])),
                burst.first.eq(1),
                burst.last.eq(once),
                burst.tag.eq(run.tag),
            ]
        with m.Elif(self.bursts.ready):
            end = Mux(final, tail, self.page_bytes - 1)
            m.d.sync += [
                offset.eq(0),
                page.eq(page + 1),
                left.eq(left - 1),
                final.eq(left == 2),
                burst.end.eq(end),
                burst.len.eq(end[beat_bits:]),
                burst.first.eq(0),
                burst.last.eq(final),
            ]
        return m
