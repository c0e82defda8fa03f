"""Whether a page may be used for an access."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.spec.faults import Cause, TransactionType

from .records import Kind, access_layout, flags_layout

__all__ = ["Permissions", "access_fault", "guest_page_fault", "page_fault", "transaction_type"]


class Permissions(wiring.Component):
    """The rules for a leaf page-table entry whose A bit is set. Combinational.

    The same rules hold when an entry comes from a walk and when it comes from the TLB, and in both
    stages, since all go through here. The second stage takes every access for a user's.

    Members
    -------
    access : ``In(access_layout())``
        Access. EXECUTE needs X and not R.
    sum : ``In(1)``
        Supervisors may read and write user pages; never execute them.
    flags : ``In(flags_layout())``
        Bits of the entry.
    denied : ``Out(1)``
        Page fault.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Process-context fields" (ENS, SUM);
    RISC-V Privileged Architecture, section "Virtual Address Translation Process", steps 5 to 7.
    """

    access: In(access_layout())
    sum: In(1)
    flags: In(flags_layout())
    denied: Out(1)

    def elaborate(self, platform):
        m = Module()
        access, flags = self.access, self.flags
        allowed = Signal()
        with m.Switch(access.kind):
            with m.Case(Kind.READ):
                m.d.comb += allowed.eq(flags.r)
            with m.Case(Kind.WRITE):
                m.d.comb += allowed.eq(flags.w)
            with m.Case(Kind.EXECUTE):
                m.d.comb += allowed.eq(flags.x)
        executes = access.kind == Kind.EXECUTE
        stranger = Mux(access.privileged, flags.u & (executes | ~self.sum), ~flags.u)
        m.d.comb += self.denied.eq(~allowed | stranger)
        return m


def _by_kind(kind: Value, read: int, write: int, execute: int) -> Value:
    return Mux(kind == Kind.WRITE, write, Mux(kind == Kind.EXECUTE, execute, read))


def page_fault(kind: Value) -> Value:
    """Cause of a page fault."""
    return _by_kind(kind, Cause.READ_PAGE_FAULT, Cause.WRITE_PAGE_FAULT, Cause.EXEC_PAGE_FAULT)


def guest_page_fault(kind: Value) -> Value:
    """Cause of a guest-page fault."""
    return _by_kind(kind, Cause.READ_GUEST_PAGE_FAULT, Cause.WRITE_GUEST_PAGE_FAULT,
                    Cause.EXEC_GUEST_PAGE_FAULT)


def access_fault(kind: Value) -> Value:
    """Cause of an access fault."""
    return _by_kind(kind, Cause.READ_ACCESS_FAULT, Cause.WRITE_ACCESS_FAULT,
                    Cause.EXEC_ACCESS_FAULT)


def transaction_type(kind: Value, translated: Value) -> Value:
    """TTYP of an access."""
    return Mux(translated,
               _by_kind(kind, TransactionType.TRANSLATED_READ, TransactionType.TRANSLATED_WRITE,
                        TransactionType.TRANSLATED_EXEC),
               _by_kind(kind, TransactionType.UNTRANSLATED_READ,
                        TransactionType.UNTRANSLATED_WRITE, TransactionType.UNTRANSLATED_EXEC))
