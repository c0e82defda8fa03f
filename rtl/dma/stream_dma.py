"""The DMA engine to and from streams."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.axi.signature import Signature, dma_user_layout
from rtl.axi.stream import Signature as StreamSignature
from rtl.params import StreamParams

from .app_words import AppReceiver, AppSender, app_stream
from .mm2s import Mm2s
from .packet_end import PacketEnd
from .port import Port
from .s2mm import S2mm
from .stream_registers import StreamRegisters

__all__ = ["StreamDma"]


class StreamDma(wiring.Component):
    """Move buffers in memory to a stream, and packets of a stream to memory; wiring only.

    The channels have nothing in common but registers and bus: neither waits for the other, and each
    is stopped, reset and halted by an error alone. Promises towards the bus are those of
    :class:`~rtl.dma.dma.Dma`.

    Parameters
    ----------
    params : StreamParams
        Parameters.

    Members
    -------
    regs : ``In(lite.Signature(addr_width=12))``
        Registers, :data:`rtl.spec.axi_dma_regs.AXI_DMA_REGISTERS`.
    bus : ``Out(axi.Signature(...))``
        Data, with ID 0; without ``own_port`` descriptors too, with 1 (MM2S) and 2 (S2MM), and 3
        (application words of S2MM).
    lists : ``Out(axi.Signature(...))``
        With ``own_port``: descriptors, with ID 0 (MM2S), 1 (S2MM), and 2 (words of S2MM).
    mm2s : ``Out(axi.stream.Signature(..., user_width=1))``
        Packets from memory; ``user`` says that a packet was cut off by a reset.
    s2mm : ``In(axi.stream.Signature(..., user_width=1))``
        Packets to memory. ``user`` is not looked at.
    cntrl : ``Out(axi.stream.Signature(data_width=32, ...))``, ``sts`` : ``In(...)``
        With ``apps``: application words of MM2S, before the data of their packet; and those of
        S2MM, one packet for each packet of data, at any time.
    irq : ``Out(2)``
        Interrupts, level: MM2S, S2MM.

    Source
    ------
    AMD PG021, "AXI DMA"; docs/axi_dma.md.
    """

    def __init__(self, params: StreamParams):
        self._params = params
        bus = Signature(addr_width=params.addr_width, data_width=params.data_width,
                        id_width=params.id_width, user=dma_user_layout())
        beats = StreamSignature(data_width=params.data_width, user_width=1)
        super().__init__({
            "regs": In(lite.Signature(addr_width=12)),
            "bus":  Out(bus),
            **({"lists": Out(bus)} if params.own_port else {}),
            **({"mm2s": Out(beats)} if params.mm2s else {}),
            **({"s2mm": In(beats)} if params.s2mm else {}),
            **({"cntrl": Out(app_stream())} if params.apps and params.mm2s else {}),
            **({"sts": In(app_stream())} if params.apps and params.s2mm else {}),
            "irq":  Out(2),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        m.submodules.registers = registers = StreamRegisters(params)
        connect(m, flipped(self.regs), registers.regs)
        m.d.comb += self.irq.eq(registers.irq)

        m.submodules.port = port = Port(params, clients=1 if params.own_port else 3 + params.apps)
        connect(m, port.bus, flipped(self.bus))
        if params.own_port:
            m.submodules.list_port = list_port = Port(params, clients=2 + params.apps)
            connect(m, list_port.bus, flipped(self.lists))
            reads, writes = list_port.reads, list_port.writes
        else:
            reads, writes = port.reads[1:], port.writes[1:]

        if params.mm2s:
            control = registers.mm2s
            mm2s = Mm2s(params)
            m.submodules.mm2s = ResetInserter(control.clear)(mm2s)
            m.submodules.packet_end = end = PacketEnd(params.data_width)
            connect(m, control, mm2s.control)
            connect(m, mm2s.reads, port.reads[0])
            connect(m, mm2s.lists, reads[0])
            connect(m, mm2s.statuses, writes[0])
            connect(m, mm2s.t, end.i)
            connect(m, end.o, flipped(self.mm2s))
            m.d.comb += end.cut.eq(control.clear)
            if params.apps:
                m.submodules.app_sender = sender = AppSender()
                connect(m, mm2s.words, sender.words)
                connect(m, sender.t, flipped(self.cntrl.t))
        if params.s2mm:
            control = registers.s2mm
            s2mm = S2mm(params)
            m.submodules.s2mm = ResetInserter(control.clear)(s2mm)
            connect(m, control, s2mm.control)
            connect(m, s2mm.writes, port.writes[0])
            connect(m, s2mm.lists, reads[1])
            connect(m, s2mm.statuses, writes[1])
            if params.apps:
                m.submodules.app_receiver = receiver = AppReceiver()
                connect(m, flipped(self.sts.t), receiver.t)
                connect(m, receiver.words, s2mm.words)
                connect(m, s2mm.apps, writes[2])
                m.d.comb += receiver.drop.eq(control.clear)
            m.d.comb += [
                s2mm.t.valid.eq(self.s2mm.t.valid),
                self.s2mm.t.ready.eq(s2mm.t.ready),
                *(s2mm.t.p[name].eq(self.s2mm.t.p[name]) for name in ("data", "keep", "last")),
            ]
        return m
