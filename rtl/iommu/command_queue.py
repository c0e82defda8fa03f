"""Fetch commands and carry them out."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import struct
from rtl.params import IommuParams
from rtl.spec.page_table import DdtpMode
from rtl.spec.queues import (
    COMMAND_BYTES,
    IOFENCE_DW0,
    IOFENCE_DW1,
    IOTINVAL_DW0,
    IOTINVAL_DW1,
    IOTINVAL_FUNC3,
)

from .commands import Action, CommandDecoder
from .drain import DrainSignature
from .queue_control import EngineSignature
from .tables import ReadSignature, WriteSignature
from .tlb import DropLayout

__all__ = ["CommandQueue"]


class CommandQueue(wiring.Component):
    """Execute the commands of the queue in order, one at a time.

    A command that invalidates takes ``latency + 6`` cycles, with an idle memory that answers in
    ``latency``. The head moves when a command is complete; on an error it stays at the offender
    until software clears the error bit.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    queue : ``Out(EngineSignature(phys_bits))``
        Registers of the queue.
    stopped : ``In(1)``
        An error bit is set.
    memory_fault, illegal, fence_done : ``Out(1)``
        Strobes that set ``cqmf``, ``cmd_ill`` and ``fence_w_ip``.
    mode, wired, big : ``In(...)``
        ``ddtp.iommu_mode``, ``fctl.wsi`` and ``fctl.be``.
    drain : ``Out(DrainSignature())``
        Invalidations and fences.
    translations : ``Out(...)``
        ``valid`` and ``payload``: translations to drop.
    contexts : ``Out(1)``
        Drop all contexts.
    fetch, store : ``Out(...)``
        Memory.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Command-Queue (CQ)", and ``cqcsr``.
    """

    def __init__(self, params: IommuParams):
        self._params, self._phys_bits, phys_bits = params, params.phys_bits, params.phys_bits
        super().__init__({
            "queue": Out(EngineSignature(phys_bits)),
            "stopped": In(1),
            "memory_fault": Out(1), "illegal": Out(1), "fence_done": Out(1),
            "mode": In(DdtpMode), "wired": In(1), "big": In(1),
            "drain": Out(DrainSignature()),
            "translations": Out(wiring.Signature({
                "valid": Out(1), "payload": Out(DropLayout(params))})),
            "contexts": Out(1),
            "fetch": Out(ReadSignature(phys_bits)),
            "store": Out(WriteSignature(phys_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        queue, fetch, store = self.queue, self.fetch, self.store

        command = Signal(COMMAND_BYTES * 8)
        failed = Signal()
        action = Signal(Action)
        m.submodules.decoder = decoder = CommandDecoder(self._params)
        m.d.comb += [fetch.request.p.big.eq(self.big), store.big.eq(self.big)]
        m.d.comb += [decoder.command.eq(command), decoder.mode.eq(self.mode),
                     decoder.wired.eq(self.wired)]

        invalidate = data.View(struct(IOTINVAL_DW0), command[:64])
        fence = data.View(struct(IOFENCE_DW0), command[:64])
        where = data.View(struct(IOTINVAL_DW1), command[64:])
        target = Cat(Const(0, 2), data.View(struct(IOFENCE_DW1), command[64:]).addr)
        drop = self.translations.payload
        m.d.comb += [
            fetch.request.p.addr.eq(queue.entry), fetch.request.p.len.eq(COMMAND_BYTES // 8 - 1),
            # Of a range, all pages are dropped, wherever they are.
            drop.select.av.eq(invalidate.av & ~where.s), drop.vpn.eq(where.addr),
            drop.select.pscv.eq(invalidate.pscv), drop.pscid.eq(invalidate.pscid),
            drop.select.gv.eq(invalidate.gv), drop.gscid.eq(invalidate.gscid),
            drop.select.gvma.eq(invalidate.func3 == IOTINVAL_FUNC3.GVMA),
            self.drain.reads.eq(fence.pr), self.drain.writes.eq(fence.pw),
            store.addr.eq(target), store.word.eq(1), store.data.eq(fence.data.replicate(2)),
        ]

        with m.FSM(name="command"):
            with m.State("IDLE"):
                m.d.comb += queue.idle.eq(1)
                m.d.sync += failed.eq(0)
                with m.If(queue.active & ~queue.empty & ~self.stopped):
                    m.next = "FETCH"

            with m.State("FETCH"):
                m.d.comb += fetch.request.valid.eq(1)
                with m.If(fetch.request.ready):
                    m.next = "WAIT"

            with m.State("WAIT"):
                with m.If(fetch.reply.valid):
                    m.d.sync += command.eq(Cat(command[64:], fetch.reply.data))
                    m.d.sync += failed.eq(failed | fetch.reply.error)
                    with m.If(fetch.reply.last):
                        m.next = "DECODE"

            with m.State("DECODE"):
                m.d.sync += action.eq(decoder.action)
                with m.If(failed):
                    m.d.comb += self.memory_fault.eq(1)
                    m.next = "IDLE"
                with m.Elif(decoder.action == Action.ILLEGAL):
                    m.d.comb += self.illegal.eq(1)
                    m.next = "IDLE"
                with m.Elif(decoder.action == Action.FENCE):
                    m.next = "DRAIN"
                with m.Else():
                    m.next = "INVALIDATE"

            with m.State("INVALIDATE"):
                # Strobes come from registers, in the next cycle: they meet the TLB's comparators.
                m.d.sync += [
                    self.drain.flush.eq(1),
                    self.translations.valid.eq(action == Action.DROP_TRANSLATIONS),
                    self.contexts.eq(action == Action.DROP_CONTEXTS),
                ]
                m.next = "INVALIDATED"

            with m.State("INVALIDATED"):
                m.d.comb += queue.advance.eq(1)
                m.d.sync += [self.drain.flush.eq(0), self.translations.valid.eq(0),
                             self.contexts.eq(0)]
                m.next = "IDLE"

            with m.State("DRAIN"):
                m.d.comb += self.drain.want.eq(1)
                with m.If(self.drain.done):
                    m.next = "COMPLETE"
                    with m.If(fence.av):
                        m.next = "STORE"

            with m.State("STORE"):
                beyond = target[self._phys_bits:].any()
                m.d.comb += store.valid.eq(~beyond)
                with m.If(beyond | store.done):
                    m.next = "COMPLETE"
                    with m.If(beyond | store.error):
                        m.d.comb += self.memory_fault.eq(1)
                        m.next = "IDLE"

            with m.State("COMPLETE"):
                m.d.comb += [self.fence_done.eq(fence.wsi), queue.advance.eq(1)]
                m.next = "IDLE"
        return m
