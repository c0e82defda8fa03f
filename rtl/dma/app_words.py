"""Application words of a packet, as packets of a stream of 32 bits."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.axi.stream import Signature
from rtl.spec.descriptor import AXI_DMA_APPS

__all__ = ["APP_BITS", "AppReceiver", "AppSender", "app_stream"]

#: All application words of a descriptor, the first one lowest.
APP_BITS = 32 * AXI_DMA_APPS
#: First words of a packet of either stream.
CONTROL_FLAG, STATUS_FLAG = 0xA000_0000, 0x5000_0000


def app_stream() -> Signature:
    """Make the signature of a control or status stream."""
    return Signature(data_width=32, user_width=1)


class AppSender(wiring.Component):
    """Send application words as a packet of six: a word that begins with 0xA, then those.

    Latency is one cycle; throughput is one packet every seven cycles. What was begun is ended.

    Members
    -------
    words : ``In(stream.Signature(160))``
        Application words.
    t : ``Out(...)``
        Beats of the control stream.

    Source
    ------
    AMD PG021, "AXI DMA", section "AXI Control Stream".
    """

    def __init__(self):
        super().__init__({"words": In(stream.Signature(APP_BITS)),
                          "t": Out(app_stream().members["t"].signature)})

    def elaborate(self, platform):
        m = Module()
        held, left = Signal(32 + APP_BITS), Signal(range(AXI_DMA_APPS + 2))
        m.d.comb += [
            self.words.ready.eq(left == 0),
            self.t.valid.eq(left != 0),
            self.t.p.data.eq(held[:32]),
            self.t.p.keep.eq(~0),
            self.t.p.last.eq(left == 1),
        ]
        with m.If(self.words.ready):
            m.d.sync += held.eq(Cat(C(CONTROL_FLAG, 32), self.words.payload))
            with m.If(self.words.valid):
                m.d.sync += left.eq(AXI_DMA_APPS + 1)
        with m.Elif(self.t.ready):
            m.d.sync += [held.eq(held[32:]), left.eq(left - 1)]
        return m


class AppReceiver(wiring.Component):
    """Collect the last five words of a packet: its first word is not looked at.

    The words show in the cycle after the last beat; nothing is taken until they are.

    Members
    -------
    t : ``In(...)``
        Beats of the status stream.
    words : ``Out(stream.Signature(160))``
        Application words.
    drop : ``In(1)``
        Forget words that were not taken.

    Source
    ------
    AMD PG021, "AXI DMA", section "AXI Status Stream".
    """

    def __init__(self):
        super().__init__({"t": In(app_stream().members["t"].signature),
                          "words": Out(stream.Signature(APP_BITS)), "drop": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.t.ready.eq(~self.words.valid)
        with m.If(self.t.valid & self.t.ready):
            m.d.sync += [
                self.words.payload.eq(Cat(self.words.payload, self.t.p.data)[32:]),
                self.words.valid.eq(self.t.p.last),
            ]
        with m.If(self.words.ready | self.drop):
            m.d.sync += self.words.valid.eq(self.t.valid & self.t.ready & self.t.p.last)
        return m
