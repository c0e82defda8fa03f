"""The DMA engine: scatter-gather copies from memory to memory."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.axi.signature import Signature, dma_user_layout
from rtl.params import DmaParams

from .completion import Completion
from .jobs import LIST_CONTROLS, ListLabel
from .key_hole import KeyHole
from .list_frontend import ListFrontend
from .mover import Mover
from .port import Port
from .registers import Registers

__all__ = ["Dma"]


class Dma(wiring.Component):
    """Copy memory by descriptors or by registers; wiring only.

    ::

        registers -> list_frontend -> (key_hole) -> mover -> completion
            ^                                                    |
            +----------------------------------------------------+

    A copy passes through the stages above as a payload of streams, so that the stages work on
    different copies at the same time: descriptors are fetched ahead, reads run ahead of writes, and
    copies follow each other without a gap. Copies start and complete in order. Reads and writes are
    cut into bursts independently. Data is stored as it will be written, in room that is reserved
    before a read is issued; so read data and write responses are always accepted, and
    write bursts are issued with all their data at hand: neither direction ever waits for the bus
    to do something for the other.

    An error stops the engine; what was issued is completed. No byte is written that was not read
    without error: of the copy that failed, whole bursts may have been written, those before the
    first beat with an error in case of a read; copies after it may have been written in part.

    Parameters
    ----------
    params : DmaParams
        Parameters.

    Members
    -------
    regs : ``In(lite.Signature(addr_width=12))``
        Registers, :data:`rtl.spec.cdma_regs.CDMA_REGISTERS`.
    bus : ``Out(axi.Signature(...))``
        Data with ID 0, descriptors with ID 1.
    irq : ``Out(1)``
        Interrupt, level.

    Source
    ------
    AMD PG034, "AXI Central Direct Memory Access", sections "Scatter Gather Mode" and "Error
    Interrupts".
    """

    def __init__(self, params: DmaParams):
        self._params = params
        super().__init__({
            "regs": In(lite.Signature(addr_width=12)),
            "bus":  Out(Signature(addr_width=params.addr_width, data_width=params.data_width,
                                  id_width=params.id_width, user=dma_user_layout())),
            "irq":  Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        params = self._params
        in_flight = params.reads_in_flight

        m.submodules.registers = registers = Registers(params)
        m.submodules.port = port = Port(params)
        connect(m, flipped(self.regs), registers.regs)
        connect(m, port.bus, flipped(self.bus))
        m.d.comb += self.irq.eq(registers.irq)

        def add(name, component):
            m.submodules[name] = ResetInserter(registers.clear)(component)
            return component

        frontend = add("frontend", ListFrontend(params, depth=in_flight))
        mover = add("mover", Mover(params, label=ListLabel(params.addr_width, cut=params.key_hole)))
        completion = add("completion", Completion(
            params, copies=2 * in_flight, writes=in_flight))
        if params.key_hole:
            key_hole = add("key_hole", KeyHole(
                bus_bytes=params.data_width // 8, job=mover.jobs.p.shape()))
            connect(m, frontend.items, key_hole.i)
            connect(m, key_hole.o, mover.jobs)
            m.d.comb += [getattr(key_hole, name).eq(getattr(registers, name))
                         for name in ("src_stays", "dst_stays")]
        else:
            connect(m, frontend.items, mover.jobs)
        connect(m, mover.entries, completion.entries)
        connect(m, mover.finished, completion.finished)
        connect(m, mover.reads, port.reads[0])
        connect(m, frontend.bus, port.reads[1])
        connect(m, mover.writes, port.writes[0])
        connect(m, completion.bus, port.writes[1])

        # Start, stop and results.
        m.d.comb += [getattr(frontend, name).eq(getattr(registers, name)) for name in (
            *LIST_CONTROLS, "simple", "src", "dst", "size")]
        m.d.comb += [getattr(completion, name).eq(getattr(registers, name)) for name in (
            "place", "word", "forget")]
        m.d.comb += [getattr(registers, name).eq(getattr(completion, name)) for name in (
            "completed", "faulty", "faults", "refused", "write", "address", "desc")]
        m.d.comb += [
            registers.tail.eq(frontend.tail),
            registers.acked.eq(mover.acked),
            registers.acked_span.eq(mover.acked_span),
            registers.busy.eq(frontend.busy | mover.busy | completion.busy),
            registers.pending.eq(frontend.pending | mover.pending | completion.pending),
            frontend.stop.eq(registers.stop),
            mover.stop.eq(registers.stop),
            completion.stop.eq(registers.stop),
        ]
        return m
