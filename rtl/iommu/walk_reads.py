"""The order in which walks read their tables."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.stream.queue import Queue

from .records import qos_layout
from .tables import ReadSignature

__all__ = ["TableRead", "WalkReads"]


class TableRead(wiring.Signature):
    """Reads of tables. Directions are those of who wants them.

    In a cycle with ``valid``: the ``request`` of ``walk``, and its AxUSER.
    """

    def __init__(self, params: IommuParams):
        table = ReadSignature(params.phys_bits)
        super().__init__({
            "valid": Out(1), "walk": Out(range(params.walks)), "user": Out(qos_layout(params)),
            "request": Out(table.members["request"].signature.members["payload"].shape)})


class WalkReads(wiring.Component):
    """Let each walk have one read under way, and tell whose data comes.

    A read that is pushed is on its way in the next cycle, one that begins a walk in the same cycle
    if nothing else waits. Memory answers in order.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    push, begin : ``In(TableRead(params))``
        Reads. Never both in a cycle; ``begin`` only if ``idle``.
    idle : ``Out(1)``
        No read waits for memory to take it.
    walk : ``Out(range(walks))``
        Whose data comes next.
    table, table_user : ``Out(...)``
        Memory, and AxUSER.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "push": In(TableRead(params)), "begin": In(TableRead(params)), "idle": Out(1),
            "walk": Out(range(params.walks)), "table": Out(ReadSignature(params.phys_bits)),
            "table_user": Out(qos_layout(params))})

    def elaborate(self, platform):
        m = Module()
        walks, push, begin = self._params.walks, self.push, self.begin
        item = data.StructLayout({
            "walk": range(walks), "request": push.request.shape(),
            "user": qos_layout(self._params)})
        m.submodules.waiting = waiting = memory.Memory(shape=item, depth=walks, init=[])
        store, load = waiting.write_port(), waiting.read_port(domain="comb")
        level = Signal(range(walks + 1))
        out, request = Signal(item), self.table.request
        m.submodules.order = order = Queue(range(walks), walks)

        m.d.comb += [self.idle.eq(level == 0), out.eq(load.data)]
        with m.If(self.idle):
            m.d.comb += [out.walk.eq(begin.walk), out.request.eq(begin.request),
                         out.user.eq(begin.user)]
        goes = request.valid & request.ready
        m.d.comb += [
            request.valid.eq(~self.idle | begin.valid), request.p.eq(out.request),
            self.table_user.eq(out.user),
            order.i.valid.eq(goes), order.i.payload.eq(out.walk),
            store.en.eq(push.valid | begin.valid & ~request.ready),
            store.data.walk.eq(begin.walk), store.data.request.eq(begin.request),
            store.data.user.eq(begin.user),
            order.o.ready.eq(self.table.reply.valid & self.table.reply.last),
            self.walk.eq(order.o.payload),
        ]
        with m.If(push.valid):
            m.d.comb += [store.data.walk.eq(push.walk), store.data.request.eq(push.request),
                         store.data.user.eq(push.user)]
        with m.If(store.en):
            m.d.sync += store.addr.eq(Mux(store.addr == walks - 1, 0, store.addr + 1))
        with m.If(goes & ~self.idle):
            m.d.sync += load.addr.eq(Mux(load.addr == walks - 1, 0, load.addr + 1))
        m.d.sync += level.eq(level + store.en - (goes & ~self.idle))
        return m
