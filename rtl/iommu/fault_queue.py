"""Record faults in memory."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.layouts import struct
from rtl.params import IommuParams
from rtl.spec.faults import Cause, TransactionType
from rtl.spec.queues import FAULT_BYTES, FAULT_DW0
from rtl.stream.arbiter import Arbiter

from .queue_control import EngineSignature
from .records import fault_layout
from .tables import WriteSignature

__all__ = ["FaultQueue"]


class FaultQueue(wiring.Component):
    """Write each fault as one record, the tail after it. What cannot be recorded is dropped.

    A fault is taken when its record is in memory, or in the same cycle if it is dropped: the queue
    is off or full, or one of its error bits is set.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    faults : ``In(stream.Signature(fault_layout(params))).array(2)``
        Faults, of reads and of writes.
    message : ``In(stream.Signature(64))``
        Address of an interrupt message that memory refused; only if ``params.messages``.
    queue : ``Out(EngineSignature(phys_bits))``
        Registers of the queue.
    stopped : ``In(1)``
        An error bit is set.
    recorded, overflow, memory_fault : ``Out(1)``
        Strobes: there is a new record; set ``fqof``; set ``fqmf``.
    big : ``In(1)``
        ``fctl.be``.
    store : ``Out(WriteSignature(phys_bits))``
        Memory.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Fault/Event-Queue (FQ)", and ``fqcsr``.
    """

    def __init__(self, params: IommuParams):
        self._params, phys_bits = params, params.phys_bits
        super().__init__({
            "faults": In(stream.Signature(fault_layout(params))).array(2),
            "message": In(stream.Signature(64)),
            "queue": Out(EngineSignature(phys_bits)),
            "stopped": In(1), "big": In(1),
            "recorded": Out(1), "overflow": Out(1), "memory_fault": Out(1),
            "store": Out(WriteSignature(phys_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        queue, store = self.queue, self.store
        devices, messages = len(self.faults), self._params.messages
        m.submodules.arbiter = arbiter = Arbiter(fault_layout(self._params), devices + messages)
        for fault, port in zip(self.faults, arbiter.i, strict=False):
            connect(m, flipped(fault), port)
        if messages:
            message = arbiter.i[devices]
            m.d.comb += [
                message.valid.eq(self.message.valid), self.message.ready.eq(message.ready),
                message.p.cause.eq(Cause.MSI_WRITE_ACCESS_FAULT),
                message.p.ttyp.eq(TransactionType.NONE), message.p.iotval.eq(self.message.payload),
            ]
        fault = arbiter.o

        head = Signal(data.StructLayout(dict(struct(FAULT_DW0).members)))
        m.d.comb += [head[name].eq(fault.p[name]) for name in FAULT_DW0]
        m.d.comb += [store.addr.eq(queue.entry), store.len.eq(FAULT_BYTES // 8 - 1),
                     store.big.eq(self.big)]
        # Doubleword 1 is zero.
        with m.Switch(store.index):
            with m.Case(0):
                m.d.comb += store.data.eq(head)
            with m.Case(2):
                m.d.comb += store.data.eq(fault.p.iotval)
            with m.Case(3):
                m.d.comb += store.data.eq(fault.p.iotval2)

        with m.FSM(name="record"):
            with m.State("IDLE"):
                m.d.comb += queue.idle.eq(1)
                with m.If(fault.valid):
                    with m.If(~queue.active | self.stopped):
                        m.d.comb += fault.ready.eq(1)
                    with m.Elif(queue.full):
                        m.d.comb += [fault.ready.eq(1), self.overflow.eq(1)]
                    with m.Else():
                        m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += store.valid.eq(1)
                with m.If(store.done):
                    m.d.comb += [
                        fault.ready.eq(1),
                        self.memory_fault.eq(store.error),
                        self.recorded.eq(~store.error),
                        queue.advance.eq(~store.error),
                    ]
                    m.next = "IDLE"
        return m
