"""Waiting until nothing old is under way."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Drain", "DrainSignature"]


class DrainSignature(wiring.Signature):
    """Invalidate and wait. Directions are those of who asks.

    Members
    -------
    flush : ``Out(1)``
        For one cycle: what caches and registers said before this cycle may be out of date.
    want : ``Out(1)``
        Wait; must stay until ``done``.
    reads, writes : ``Out(1)``
        Wait also until the reads, or writes, that have been translated are answered.
    done : ``In(1)``
        The wait ends in this cycle.
    """

    def __init__(self):
        super().__init__({"flush": Out(1), "want": Out(1), "reads": Out(1), "writes": Out(1),
                          "done": In(1)})


class Drain(wiring.Component):
    """Let each client wait for what was under way when it asked; those that came later may go on.

    First the accesses that found something before the last ``flush`` leave translation, which also
    means that nothing they found can be cached any more. Then the bursts in flight are marked, and
    the marked ones are waited for. Takes three cycles if there are none. One client at a time, the
    first goes first.

    Members
    -------
    clients : ``In(DrainSignature()).array(2)``
        Who waits.
    flush : ``Out(1)``
        Any client's flush.
    stale : ``In(1).array(6)``
        There is such an access: in two stages of reads, in two of writes, in the directory walker;
        or a page walker still reads tables, perhaps for no access.
    mark : ``Out(1)``
        Mark the bursts in flight.
    reads, writes : ``In(1)``
        There are marked reads, or writes.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "IOMMU Command-queue Fence commands" (PR, PW);
    section "Device-directory-table pointer" (change to Off).
    """

    def __init__(self):
        super().__init__({
            "clients": In(DrainSignature()).array(2), "flush": Out(1), "stale": In(1).array(6),
            "mark": Out(1), "reads": In(1), "writes": In(1)})

    def elaborate(self, platform):
        m = Module()
        first, second = self.clients
        owner = Signal()
        wait_reads, wait_writes = Signal(), Signal()
        m.d.comb += self.flush.eq(first.flush | second.flush)

        with m.FSM(name="drain"):
            with m.State("IDLE"):
                m.d.sync += [
                    owner.eq(~first.want),
                    wait_reads.eq(Mux(first.want, first.reads, second.reads)),
                    wait_writes.eq(Mux(first.want, first.writes, second.writes)),
                ]
                with m.If(first.want | second.want):
                    m.next = "LEAVE"
            with m.State("LEAVE"):
                with m.If(~Cat(self.stale).any()):
                    m.d.comb += self.mark.eq(1)
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                with m.If(~(self.reads & wait_reads | self.writes & wait_writes)):
                    m.d.comb += [first.done.eq(~owner), second.done.eq(owner)]
                    m.next = "IDLE"
        return m
