"""Steps of a page walk that set A and D of an entry."""

from amaranth import *

from .permissions import access_fault

__all__ = ["begin_update", "update_entry"]


def begin_update(m, walker, entry, second, locked, translate):
    """Read the entry again, exclusively, and then write it.

    In a virtual machine, the page of the table is to ``translate`` again, if there is a second
    stage, to find out whether it may be written.
    """
    request = walker.table.request.p
    with m.If(locked.bit_select(second, 1)):
        marked = entry.marked
        if len(entry.narrow):           # in both halves, one of which is written
            marked = Mux(entry.narrow, marked[:32].replicate(2), marked)
        m.d.sync += [walker.store.data.eq(marked), walker.store.addr.eq(request.addr)]
        m.next = "UPDATE"
    with m.Else():
        m.d.sync += locked.bit_select(second, 1).eq(1)
        if translate:
            with m.If(~second & walker.service.request.context.guest):
                translate()


def update_entry(m, walker, second, locked, end):
    """Write the entry; then it is read once more, or again if somebody else has written it."""
    store = walker.store
    m.d.comb += [store.valid.eq(1), store.lock.eq(1)]
    with m.If(store.done):
        m.next = "READ"
        with m.If(store.error):
            end(access_fault(walker.service.request.kind))
        with m.Elif(~store.missed):
            m.d.sync += locked.bit_select(second, 1).eq(0)
