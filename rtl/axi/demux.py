"""One AXI4 manager, several subordinates by address."""

from collections.abc import Sequence
from itertools import pairwise

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from . import lite
from .error import Error
from .route import Route
from .signature import Signature

__all__ = ["Demux"]


class Demux(wiring.Component):
    """Pass each access on to the subordinate whose window holds its address.

    An address in no window is answered DECERR, all beats of it. Accesses to one subordinate are
    pipelined; before a change of subordinate all answers are awaited, for reads and writes
    separately. Addresses and responses pass in the cycle in which they arrive, but data starts one
    cycle after its address at the earliest.

    Parameters
    ----------
    signature : axi.Signature or lite.Signature
        Bus.
    windows : sequence of (base, size)
        Window of each subordinate, in bytes: a power of two of at least 4 KiB, aligned to itself.
        A burst, which stays within 4 KiB, is then within one window.
    limit : int
        Accesses in each direction that may be outstanding.
    target : axi.Signature or lite.Signature
        Bus of the subordinates, as ``signature`` by default; it may have narrower addresses.

    Members
    -------
    bus : ``In(signature)``
        Bus of the manager.
    targets : ``Out(target).array(len(windows))``
        Buses of the subordinates.

    Raises
    ------
    ValueError
        If a window is not as above, or overlaps another, or if ``limit`` is less than 1.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", section "Transaction ordering".
    """

    def __init__(self, signature: Signature | lite.Signature,
                 windows: Sequence[tuple[int, int]], *, limit: int = 16,
                 target: Signature | lite.Signature | None = None):
        if limit < 1:
            raise ValueError(f"Outstanding accesses must be at least 1, not {limit!r}")
        self.windows, self.limit = list(windows), limit
        for base, size in self.windows:
            if size < 4096 or size & (size - 1):
                raise ValueError(f"Size of a window must be a power of two of at least 0x1000, "
                                 f"not {size:#x}")
            if base % size or not 0 <= base < 1 << signature.addr_width:
                raise ValueError(f"Base of a window must be a multiple of {size:#x} within "
                                 f"{signature.addr_width} address bits, not {base:#x}")
        ordered = sorted(self.windows)
        for (base, size), (above, _) in pairwise(ordered):
            if base + size > above:
                raise ValueError(f"Windows at {base:#x} and {above:#x} overlap")
        super().__init__({
            "bus": In(signature),
            "targets": Out(target or signature).array(len(self.windows)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.error = error = Error(self.bus.signature)
        targets = [*self.targets, error.bus]
        m.submodules.reads = self._reads(targets)
        m.submodules.writes = self._writes(targets)
        return m

    def _reads(self, targets) -> Module:
        m = Module()
        route = self._addresses(m, "ar", targets)
        self._responses(m, "r", targets, route)
        return m

    def _writes(self, targets) -> Module:
        m = Module()
        route = self._addresses(m, "aw", targets)
        self._responses(m, "b", targets, route)

        source = self.bus.w
        bursts = Signal(range(self.limit + 1))      # addresses passed on, whose data was not yet
        done = source.valid & source.ready & _last(source)
        m.d.sync += bursts.eq(bursts + route.started - done)
        for target in targets:
            m.d.comb += target.w.payload.eq(source.payload)
        with m.If(bursts != 0):
            with m.Switch(route.current):
                for k, target in enumerate(targets):
                    with m.Case(k):
                        m.d.comb += [
                            target.w.valid.eq(source.valid),
                            source.ready.eq(target.w.ready),
                        ]
        return m

    def _addresses(self, m, channel, targets) -> Route:
        source = getattr(self.bus, channel)
        layout = source.payload.shape()
        m.submodules[channel] = route = Route(layout, len(targets), self.limit)
        connect(m, flipped(source), route.i)
        m.d.comb += route.target.eq(len(targets) - 1)
        for k, (base, size) in enumerate(self.windows):
            bits = exact_log2(size)
            with m.If(source.p.addr[bits:] == base >> bits):
                m.d.comb += route.target.eq(k)
        for output, target in zip(route.o, targets, strict=True):
            sink = getattr(target, channel)
            m.d.comb += [sink.p[name].eq(output.p[name]) for name in layout.members]
            m.d.comb += [sink.valid.eq(output.valid), output.ready.eq(sink.ready)]
        return route

    def _responses(self, m, channel, targets, route):
        sink = getattr(self.bus, channel)
        with m.Switch(route.current):
            for k, target in enumerate(targets):
                source = getattr(target, channel)
                with m.Case(k):
                    m.d.comb += [
                        sink.valid.eq(source.valid),
                        sink.payload.eq(source.payload),
                        source.ready.eq(sink.ready),
                    ]
        m.d.comb += route.done.eq(sink.valid & sink.ready & _last(sink))


def _last(channel):
    """Whether a beat ends a burst. What has no bursts has no such bit."""
    return channel.p.last if "last" in channel.payload.shape().members else 1
