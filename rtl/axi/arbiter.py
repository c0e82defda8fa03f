"""Several AXI4 managers on one bus."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from rtl.stream.arbiter import Arbiter as StreamArbiter
from rtl.stream.fork import Fork
from rtl.stream.head import HeadQueue

from .signature import Signature

__all__ = ["Arbiter"]


class Arbiter(wiring.Component):
    """Let ``n`` managers share one bus, in turn, for reads and writes separately.

    The index of the manager is put above its ID, and responses find their way back by it. Data of
    write bursts goes out in the order of their addresses; bursts are never mixed. Addresses, data
    and responses pass in the cycle in which they arrive, but data starts one cycle after its
    address at the earliest. Paths are combinational: put a :class:`~rtl.axi.slice.Slice` behind it
    where timing asks for one.

    A burst holds up the write data of all managers until its own is complete. Hence a manager must
    not offer the address of a write whose data waits for another manager's write.

    Parameters
    ----------
    signature : axi.Signature
        Bus of each manager.
    n : int
        Managers; at least 1.
    urgent : bool
        Whether addresses with the top bit of AxQOS set go before others, up to seven in a row.
    writes : int
        Write bursts whose address was passed on, and data not yet; at least 1.

    Members
    -------
    managers : ``In(signature).array(n)``
        Buses of the managers.
    bus : ``Out(axi.Signature(...))``
        The shared bus: ``signature`` with ``ceil_log2(n)`` more bits of ID.

    Raises
    ------
    TypeError
        If ``signature`` is not that of an AXI4 bus, or ``n`` or ``writes`` is not an integer.
    ValueError
        If ``n`` or ``writes`` is less than 1.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", sections "Transaction identifiers" (ordering,
    use of IDs in interconnects) and "Dependencies between channel handshake signals".
    """

    def __init__(self, signature: Signature, n: int, *, writes: int = 4, urgent: bool = False):
        if not isinstance(signature, Signature):
            raise TypeError(f"Signature must be one of AXI4, not {signature!r}")
        for what, value in (("managers", n), ("writes", writes)):
            if not isinstance(value, int):
                raise TypeError(f"Number of {what} must be an integer, not {value!r}")
            if value < 1:
                raise ValueError(f"Number of {what} must be at least 1, not {value!r}")
        self.n, self.writes, self._urgent = n, writes, urgent
        shared = Signature(addr_width=signature.addr_width, data_width=signature.data_width,
                           id_width=signature.id_width + ceil_log2(n), user=signature.user)
        super().__init__({
            "managers": In(signature).array(n),
            "bus": Out(shared),
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        index_bits = ceil_log2(self.n)

        m.submodules.ar = self._addresses("ar", flipped(bus.ar))

        # Data must not wait for the bus to take the address, and need not: it follows the grant.
        m.submodules.fork = fork = Fork(bus.aw.payload.shape(), 2)
        m.submodules.aw = self._addresses("aw", fork.i)
        m.submodules.order = order = HeadQueue(index_bits or 1, self.writes)
        connect(m, fork.o[0], flipped(bus.aw))
        m.d.comb += [
            order.i.valid.eq(fork.o[1].valid),
            order.i.payload.eq(fork.o[1].p.id[-index_bits:] if index_bits else 0),
            fork.o[1].ready.eq(order.i.ready),
        ]
        m.submodules.w = self._data(order.o)

        m.submodules.b = self._responses("b")
        m.submodules.r = self._responses("r")
        return m

    def _addresses(self, channel: str, output) -> Module:
        """Pass on the managers' addresses in turn, with longer IDs."""
        m = Module()
        layout = output.payload.shape()
        m.submodules.arbiter = arbiter = StreamArbiter(layout, self.n, urgent=self._urgent)
        if self._urgent:
            m.d.comb += arbiter.urgent.eq(Cat(
                getattr(manager, channel).p.qos[-1] for manager in self.managers))
        for k, manager in enumerate(self.managers):
            source, sink = getattr(manager, channel), arbiter.i[k]
            m.d.comb += [sink.p[name].eq(source.p[name]) for name in layout.members]
            m.d.comb += [
                sink.p.id[len(source.p.id):].eq(k),
                sink.valid.eq(source.valid),
                source.ready.eq(sink.ready),
            ]
        connect(m, arbiter.o, output)
        return m

    def _data(self, order) -> Module:
        """Pass on the write data of the manager that is first in ``order``, until its last beat."""
        m = Module()
        sink = self.bus.w
        with m.If(order.valid):
            with m.Switch(order.payload):
                for k, manager in enumerate(self.managers):
                    with m.Case(k):
                        m.d.comb += [
                            sink.valid.eq(manager.w.valid),
                            sink.payload.eq(manager.w.payload),
                            manager.w.ready.eq(sink.ready),
                        ]
        m.d.comb += order.ready.eq(sink.valid & sink.ready & sink.p.last)
        return m

    def _responses(self, channel: str) -> Module:
        """Return responses to the manager that the upper bits of their ID name."""
        m = Module()
        source = getattr(self.bus, channel)
        sinks = [getattr(manager, channel) for manager in self.managers]
        for sink in sinks:
            m.d.comb += [sink.p[name].eq(source.p[name]) for name in sink.p.shape().members]
        with m.Switch(source.p.id[len(sinks[0].p.id):]):
            for k, sink in enumerate(sinks):
                with m.Case(k):
                    m.d.comb += [
                        sink.valid.eq(source.valid),
                        source.ready.eq(sink.ready),
                    ]
        return m
