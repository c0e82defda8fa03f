"""The DMA engine with the native ring front end: one channel."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.axi.signature import Signature, dma_user_layout
from rtl.params import RingParams

from .mover import Mover
from .port import Port
from .ring_completion import RingCompletion
from .ring_frontend import RingFrontend, RingLabel
from .ring_proceed import RingProceed
from .ring_registers import RingRegisters
from .rows import Rows

__all__ = ["Ring"]


class Ring(wiring.Component):
    """Copy and fill memory by a ring of descriptors; wiring only.

    ::

        registers -> frontend -> (rows) -> mover -> completion
            ^                                           |
            +-------------------------------------------+

    With ``proceed``, :class:`~rtl.dma.ring_proceed.RingProceed` empties these after a fault.

    Descriptors are read and never written; completions go to a ring of their own. The mover is that
    of :class:`~rtl.dma.dma.Dma`, and so are its promises: room is reserved before a read is issued,
    read data and responses are always accepted, data is at hand before a write is issued, and a
    completion is written after the last response to its data.

    Parameters
    ----------
    params : RingParams
        Parameters.

    Members
    -------
    regs : ``In(lite.Signature(addr_width=12))``
        Registers, :data:`rtl.spec.ring_regs.RING_REGISTERS`.
    bus : ``Out(axi.Signature(...))``
        Data, with ID 0; without ``own_port`` the rings too, with ID 1.
    rings : ``Out(axi.Signature(...))``
        With ``own_port``: the rings, with ID 0.
    irq : ``Out(1)``
        Interrupt, level.

    Source
    ------
    docs/ring.md.
    """

    def __init__(self, params: RingParams):
        self._params = params
        bus = Signature(addr_width=params.addr_width, data_width=params.data_width,
                        id_width=params.id_width, user=dma_user_layout())
        super().__init__({
            "regs": In(lite.Signature(addr_width=12)),
            "bus":  Out(bus),
            **({"rings": Out(bus)} if params.own_port else {}),
            "irq":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        m.submodules.registers = registers = RingRegisters(params)
        connect(m, flipped(self.regs), registers.regs)
        m.d.comb += self.irq.eq(registers.irq)

        def add(name, component, clear=registers.clear):
            m.submodules[name] = ResetInserter(clear)(component)
            return component

        completion = add("completion", RingCompletion(params))
        clear, pending, placing = registers.clear, completion.pending, registers
        if params.proceed:
            placing = proceed = add("proceed", RingProceed(params))
            clear, pending = clear | proceed.clear, pending | proceed.pending
            m.d.comb += [getattr(proceed, name).eq(getattr(registers, name)) for name in (
                "tail", "cyclic", "stop", "busy")]
            m.d.comb += [getattr(proceed, name).eq(getattr(completion, name)) for name in (
                "faulty", "fault", "label")]
            m.d.comb += [
                proceed.enable.eq(registers.proceed),
                proceed.asked.eq(registers.place),
                proceed.wanted.eq(registers.number),
                registers.hold.eq(proceed.hold),
                completion.forget.eq(proceed.clear),
            ]
        frontend = add("frontend", RingFrontend(params), clear)
        mover = add("mover", Mover(params, label=RingLabel(params), fill=params.fill), clear)
        if params.strided:
            rows = add("rows", Rows(mover.jobs.p.shape()), clear)
            connect(m, frontend.jobs, rows.work)
            connect(m, rows.jobs, mover.jobs)
        else:
            connect(m, frontend.jobs, mover.jobs)
        connect(m, mover.entries, completion.entries)
        connect(m, mover.finished, completion.finished)

        if params.own_port:
            m.submodules.port = port = Port(params, clients=1)
            m.submodules.ring_port = rings = Port(params, clients=1)
            connect(m, rings.bus, flipped(self.rings))
            connect(m, frontend.bus, rings.reads[0])
            connect(m, completion.bus, rings.writes[0])
        else:
            m.submodules.port = port = Port(params)
            connect(m, frontend.bus, port.reads[1])
            connect(m, completion.bus, port.writes[1])
        connect(m, port.bus, flipped(self.bus))
        connect(m, mover.reads, port.reads[0])
        connect(m, mover.writes, port.writes[0])

        m.d.comb += [getattr(frontend, name).eq(getattr(registers, name)) for name in (
            "base", "size_log2", "tail", "cyclic")]
        m.d.comb += [getattr(frontend, name).eq(getattr(placing, name)) for name in (
            "place", "number")]
        m.d.comb += [getattr(registers, name).eq(getattr(completion, name)) for name in (
            "completed", "faulty", "fault", "address", "write", "label")]
        for each in [port, *([rings] if params.own_port else [])]:
            m.d.comb += [getattr(each, name).eq(getattr(registers, name)) for name in (
                "process_id", "process_valid", "urgent")]
        m.d.comb += [
            frontend.run.eq(registers.run & ~registers.stop),
            registers.head.eq(frontend.head),
            completion.base.eq(registers.completion_base),
            completion.size_log2.eq(registers.size_log2),
            completion.done_bytes.eq(registers.done_bytes),
            completion.stop.eq(registers.stop),
            mover.stop.eq(registers.stop),
            registers.acked.eq(mover.acked),
            registers.acked_span.eq(mover.acked_span),
            registers.busy.eq(frontend.busy | mover.busy | completion.busy),
            registers.pending.eq(frontend.pending | mover.pending | pending),
        ]
        return m
