"""Interrupts: wires, and messages."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from rtl.params import IommuParams

from .onehot import encode, lowest
from .tables import WriteSignature

__all__ = ["SOURCES", "InterruptSignature", "Interrupts", "message_layout"]

#: Bits of ``ipsr``: command queue, fault queue, performance monitor, page-request queue.
SOURCES = 4
_WORD = 2                               # log2 of bytes


def message_layout() -> data.StructLayout:
    """Make the layout of an entry of ``msi_cfg_tbl``: ``addr`` is bits 55:2, ``m`` masks it."""
    return data.StructLayout({"addr": 54, "data": 32, "m": 1})


class InterruptSignature(wiring.Signature):
    """What the registers tell about interrupts. Directions are theirs.

    Parameters
    ----------
    params : IommuParams
        Parameters of the IOMMU.

    Members
    -------
    pending : ``Out(SOURCES)``
        Bits of ``ipsr``.
    raised : ``Out(SOURCES)``
        Strobes: bits that begin to be pending, also if they ended in the same cycle.
    vector : ``Out(log2(vectors)).array(SOURCES)``
        ``icvec``.
    wired, big : ``Out(1)``
        ``fctl.wsi`` and ``fctl.be``.
    messages : ``Out(message_layout()).array(...)``
        ``msi_cfg_tbl``, an entry for each vector; none without messages.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "pending": Out(SOURCES), "raised": Out(SOURCES),
            "vector": Out(exact_log2(params.vectors)).array(SOURCES),
            "wired": Out(1), "big": Out(1),
            "messages": Out(message_layout()).array(params.vectors * params.messages)})


class Interrupts(wiring.Component):
    """Signal pending interrupts: with a level on a wire, or with a message each time one begins.

    A message whose vector is masked waits, once for each vector, until it no longer is. A message
    that memory refuses is a fault to record. One message at a time; it takes one cycle and a write.

    Parameters
    ----------
    params : IommuParams
        Parameters: ``vectors``, and which kinds there are by ``igs``.

    Members
    -------
    registers : ``In(InterruptSignature(params))``
        Registers.
    irq : ``Out(vectors)``
        Wires.
    store : ``Out(WriteSignature(phys_bits))``
        Memory.
    fault : ``Out(stream.Signature(64))``
        Address of a message that was refused.

    Source
    ------
    RISC-V IOMMU Architecture Specification, sections on ``ipsr``, ``icvec`` and ``msi_cfg_tbl``.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "registers": In(InterruptSignature(params)),
            "irq": Out(params.vectors),
            "store": Out(WriteSignature(params.phys_bits)),
            "fault": Out(stream.Signature(64)),
        })

    def elaborate(self, platform):
        m = Module()
        regs, levels = self.registers, 0
        for source in range(SOURCES):
            levels |= (regs.pending[source] & regs.wired) << regs.vector[source]
        m.d.sync += self.irq.eq(levels)
        if self._params.messages:
            self._send(m)
        return m

    def _send(self, m):
        regs, store = self.registers, self.store
        due = Signal(SOURCES)                   # messages to send
        held = Signal(self._params.vectors)     # vectors whose message waits for their mask
        taken, kept, freed = Signal.like(due), Signal.like(held), Signal.like(held)
        m.d.sync += due.eq(due & ~taken | Mux(regs.wired, 0, regs.raised))
        m.d.sync += held.eq(held & ~freed | kept)

        masked = Signal.like(held)
        source, number = Signal.like(due), Signal(exact_log2(self._params.vectors))
        message = Signal(message_layout())      # on its way
        m.d.comb += [
            masked.eq(Cat(entry.m for entry in regs.messages)),
            source.eq(lowest(due)),
            store.addr.eq(message.addr << _WORD), store.word.eq(1),
            store.data.eq(message.data.replicate(2)), store.big.eq(regs.big),
            self.fault.payload.eq(message.addr << _WORD),
        ]
        with m.FSM(name="message"):
            with m.State("IDLE"):
                ready = Signal.like(held)
                m.d.comb += ready.eq(held & ~masked)
                with m.If(due.any()):
                    m.d.comb += [taken.eq(source),
                                 number.eq(Array(regs.vector)[encode(source)])]
                    with m.If(masked.bit_select(number, 1)):
                        m.d.comb += kept.eq(1 << number)
                    with m.Else():
                        m.next = "SEND"
                with m.Elif(ready.any()):
                    m.d.comb += [freed.eq(lowest(ready)), number.eq(encode(freed))]
                    m.next = "SEND"
                m.d.sync += message.eq(Array(regs.messages)[number])

            with m.State("SEND"):
                beyond = message.addr[self._params.phys_bits - _WORD:].any()
                m.d.comb += store.valid.eq(~beyond)
                with m.If(beyond | store.done):
                    m.next = "IDLE"
                    with m.If(beyond | store.error):
                        m.next = "FAULT"

            with m.State("FAULT"):
                m.d.comb += self.fault.valid.eq(1)
                with m.If(self.fault.ready):
                    m.next = "IDLE"
