"""Registers of the stream DMA engine: what software writes, and what it reads back."""

from types import SimpleNamespace

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi import lite
from rtl.params import StreamParams
from rtl.regs.regfile import RegisterFile
from rtl.spec.axi_dma_regs import AXI_DMA_CHANNELS, AXI_DMA_REGISTERS

from .list_registers import interrupts, irq_level, pointers, results
from .stream_channel import ChannelSignature

__all__ = ["StreamRegisters"]

#: Version of the extensions, in ``cap``.
VERSION = 1


class StreamRegisters(wiring.Component):
    """Start transfers, and tell how they went, for both channels.

    Starts come in the cycle after the register's write was taken, and are ignored while the channel
    is stopped. A write of ``curdesc`` to a channel that is stopped with something ``pending``
    clears the channel, but not its registers; the address is placed a cycle later. After a reset
    was asked for, ``clear`` comes when nothing is ``busy`` any more.

    Parameters
    ----------
    params : StreamParams
        Parameters.

    Members
    -------
    regs : ``In(lite.Signature(addr_width=12))``
        Bus of the registers.
    irq : ``Out(2)``
        Interrupts, level: MM2S, S2MM.
    mm2s, s2mm : ``Out(ChannelSignature(...))``
        Channels.

    Source
    ------
    AMD PG021, "AXI DMA", section "Register Space".
    """

    def __init__(self, params: StreamParams):
        self._params = params
        super().__init__({
            "regs": In(lite.Signature(addr_width=12)),
            "irq":  Out(len(AXI_DMA_CHANNELS)),
            **{name: Out(ChannelSignature(params)) for name in AXI_DMA_CHANNELS},
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        m.submodules.file = file = RegisterFile(
            AXI_DMA_REGISTERS, groups=tuple(f"{name}_" for name in AXI_DMA_CHANNELS))
        connect(m, flipped(self.regs), file.bus)
        cap, split = file.fields.cap, file.fields.options.split_reset
        m.d.comb += [
            cap.version.eq(VERSION),
            cap.data_bytes_log2.eq(exact_log2(params.data_width // 8)),
            cap.cyclic.eq(1),
            cap.reads_in_flight.eq(params.reads_in_flight),
            cap.max_beats_log2.eq(exact_log2(params.max_beats)),
            *(getattr(cap, name).eq(getattr(params, name))
              for name in ("timer", "own_port", "apps", *AXI_DMA_CHANNELS)),
            file.fields.device_id.did.eq(params.device_id),
        ]
        resets = Signal(len(AXI_DMA_CHANNELS))      # asked for, in this cycle
        for k, name in enumerate(AXI_DMA_CHANNELS):
            if getattr(params, name):
                fields = SimpleNamespace(**{
                    register.name.removeprefix(f"{name}_"): getattr(file.fields, register.name)
                    for register in AXI_DMA_REGISTERS if register.name.startswith(name)})
                port = getattr(self, name)
                m.d.comb += [
                    port.apps.eq(file.fields.options.app_words if params.apps else 0),
                    resets[k].eq(fields.cr.w_stb & fields.cr.reset_w),
                    file.clear[k].eq(port.clear & fields.cr.reset),
                ]
                reset = Mux(split, resets[k], resets.any())
                m.submodules[name] = self._channel(fields, port, reset, self.irq[k])
        return m

    def _channel(self, fields, port, reset, irq):
        """Run, stop, reset, and starts of one channel."""
        m = Module()
        cr, sr, length = fields.cr, fields.sr, fields.length
        addr, addr_msb = ((fields.sa, fields.sa_msb) if hasattr(fields, "sa") else
                          (fields.da, fields.da_msb))
        failed, quiet, listed = Signal(), Signal(), Signal()
        cleared = port.clear & cr.reset
        place, idle = Signal(2), Signal()

        # A channel that stopped keeps what was not done, until it is placed anew.
        flush = place.any() & port.pending
        m.d.comb += port.clear.eq(flush | cr.reset & port.stop & ~port.busy)
        m.d.sync += [
            port.stop.eq(failed | cr.reset | ~cr.run),
            port.place.eq(place),
            quiet.eq(~port.busy & ~port.pending),
        ]
        # A start may follow RUN in the next write: it must not depend on what lags behind that.
        runs = cr.run & ~failed & ~cr.reset
        ready = runs & quiet
        with m.If(reset):
            m.d.sync += cr.reset.eq(1)
        with m.Elif(cleared):
            m.d.sync += [cr.reset.eq(0), cr.run.eq(0)]
        with m.Elif(port.faulty):
            m.d.sync += cr.run.eq(0)
        with m.Elif(cr.w_stb):
            m.d.sync += cr.run.eq(cr.run_w)

        m.d.comb += [
            idle.eq(cr.run & ~port.stop & ~port.busy & ~port.pending),
            cr.tail_pntr_en.eq(1),
            sr.sg_incld.eq(1),
            sr.halted.eq(port.stop & ~port.busy & ~cr.reset),
            sr.idle.eq(idle),
            port.addr.eq(Cat(addr.addr, addr_msb.addr)),
            port.size.eq(length.bytes_w),
            port.simple.eq(length.w_stb & ready),
        ]
        starts = Module()
        local = SimpleNamespace(**{name: getattr(port, name) for name in (
            "desc", "tail", "word", "cyclic", "mark", "doorbell", "start")}, place=place)
        pointers(starts, fields, local, movable=sr.halted & ~failed,
                 listens=runs, ready=ready)
        with starts.If(port.start | port.simple):
            starts.d.sync += listed.eq(port.start)
        with starts.If(port.simple):
            starts.d.sync += length.bytes.eq(length.bytes_w)
        with starts.Elif(port.completed & ~listed):
            starts.d.sync += length.bytes.eq(port.note)
        m.submodules.starts = ResetInserter(cleared)(starts)
        m.submodules.interrupts = ResetInserter(cleared)(interrupts(
            fields, told=port.completed & port.counts, idle=ready, timer=self._params.timer))
        m.submodules.results = ResetInserter(cleared)(results(
            fields, port, failed=failed, counted=port.completed & listed))
        m.d.sync += irq.eq(irq_level(fields))
        return m
