"""Descriptors and data on one AXI4 port."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from rtl.axi.arbiter import Arbiter
from rtl.axi.signature import (
    CACHE_BYPASS,
    PROT_NONSECURE,
    Burst,
    Signature,
    dma_user_layout,
)
from rtl.params import DmaParams

from .jobs import ReadSignature, WriteSignature

__all__ = ["Port"]


class Port(wiring.Component):
    """Let clients read and write through one bus.

    Reads and writes of client ``k`` have ID ``k``. Combinational.

    Parameters
    ----------
    params : DmaParams
        Parameters.
    clients : int, 1 to 4
        How many read, and how many write.

    Members
    -------
    reads : ``In(ReadSignature(...)).array(clients)``
        Clients that read.
    writes : ``In(WriteSignature(...)).array(clients)``
        Clients that write.
    bus : ``Out(axi.Signature(...))``
        Bus. Accesses carry the engine's identity in AxUSER, and bypass caches.
    process_id : ``In(20)``, ``process_valid`` : ``In(1)``
        Process on whose behalf they are, if any. Both may change while nothing is outstanding.
    urgent : ``In(1)``
        Top bit of AxQOS. The same.
    """

    def __init__(self, params: DmaParams, *, clients: int = 2):
        self._params, self._clients = params, clients
        widths = {"addr_width": params.addr_width, "data_width": params.data_width}
        super().__init__({
            "reads":  In(ReadSignature(**widths)).array(clients),
            "writes": In(WriteSignature(**widths)).array(clients),
            "bus":    Out(Signature(**widths, id_width=params.id_width, user=dma_user_layout())),
            "process_id": In(20), "process_valid": In(1), "urgent": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        # The arbiter adds an ID bit above one that the clients have no use for.
        m.submodules.arbiter = arbiter = Arbiter(
            Signature(addr_width=self._params.addr_width, data_width=self._params.data_width,
                      id_width=1, user=dma_user_layout()), self._clients)
        for read, write, manager in zip(self.reads, self.writes, arbiter.managers, strict=True):
            self._address(m, read.ar, manager.ar)
            self._address(m, write.aw, manager.aw)
            connect(m, flipped(write.w), manager.w)
            m.d.comb += [
                read.r.valid.eq(manager.r.valid),
                *(read.r.p[name].eq(manager.r.p[name])
                  for name in ("data", "resp", "refused", "last")),
                manager.r.ready.eq(1),
                write.b.valid.eq(manager.b.valid),
                *(write.b.p[name].eq(manager.b.p[name]) for name in ("resp", "refused")),
                manager.b.ready.eq(1),
            ]

        for name, member in self.bus.signature.members.items():
            ours, bus = getattr(arbiter.bus, name), getattr(self.bus, name)
            source, sink = (ours, bus) if member.flow == Out else (bus, ours)
            m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready)]
            m.d.comb += [sink.p[field].eq(source.p[field])
                         for field in source.p.shape().members if field != "id"]
            if name in ("aw", "ar"):
                m.d.comb += sink.p.id.eq(source.p.id[1:])
            elif name in ("b", "r"):
                m.d.comb += sink.p.id[1:].eq(source.p.id)
        return m

    def _address(self, m, client, channel):
        m.d.comb += [
            channel.valid.eq(client.valid),
            client.ready.eq(channel.ready),
            channel.p.addr.eq(client.p.addr),
            channel.p.len.eq(client.p.len),
            channel.p.size.eq(exact_log2(self._params.data_width // 8)),
            channel.p.burst.eq(Burst.INCR),
            channel.p.cache.eq(CACHE_BYPASS),
            channel.p.prot.eq(PROT_NONSECURE),
            channel.p.user.device_id.eq(self._params.device_id),
            channel.p.user.process_id.eq(self.process_id),
            channel.p.user.process_valid.eq(self.process_valid),
            channel.p.qos.eq(self.urgent << 3),
        ]
