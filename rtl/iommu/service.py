"""Walkers as services: ask, wait, take the answer; and several clients of one walker."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ServiceSignature", "Share"]


class ServiceSignature(wiring.Signature):
    """Something that takes time, for one client at a time. Directions are the client's.

    Unlike a stream's, ``want`` may be withdrawn as long as ``start`` is low: what a client waits
    for may become known in another way.

    Parameters
    ----------
    request, reply : shape-like
        Question and answer.

    Members
    -------
    want : ``Out(1)``
        The client asks.
    request : ``Out(request)``
        Its question; must stay from ``start`` until ``take``.
    start : ``In(1)``
        The work begins in this cycle; only while ``want``.
    valid : ``In(1)``
        The answer is there and stays until taken.
    reply : ``In(reply)``
        The answer.
    take : ``Out(1)``
        The client takes it; only while ``valid``.
    """

    def __init__(self, request: ShapeLike, reply: ShapeLike):
        self.request_shape, self.reply_shape = request, reply
        super().__init__({
            "want": Out(1), "request": Out(request), "start": In(1),
            "valid": In(1), "reply": In(reply), "take": Out(1)})

    def __eq__(self, other):
        return (isinstance(other, ServiceSignature) and
                self.request_shape == other.request_shape and
                self.reply_shape == other.reply_shape)


class Share(wiring.Component):
    """One server for several clients, in turn if more want. No cycle is lost.

    Parameters
    ----------
    signature : ServiceSignature
        Service.
    n : int
        Clients.

    Members
    -------
    clients : ``In(signature).array(n)``
        Clients.
    server : ``Out(signature)``
        Server.
    """

    def __init__(self, signature: ServiceSignature, n: int = 2):
        self._n = n
        super().__init__({"clients": In(signature).array(n), "server": Out(signature)})

    def elaborate(self, platform):
        m = Module()
        server = self.server
        busy = Signal()
        owner = Signal(range(self._n))  # client being served, or served last
        choice = Signal(range(self._n)) # client to serve if all could be

        m.d.comb += choice.eq(owner)
        with m.If(~busy):
            with m.Switch(owner):
                for last in range(self._n):
                    with m.Case(last):
                        for k in reversed(range(1, self._n)):
                            turn = (last + k) % self._n
                            with m.If(self.clients[turn].want):
                                m.d.comb += choice.eq(turn)
        with m.Switch(choice):
            for k, client in enumerate(self.clients):
                with m.Case(k):
                    m.d.comb += [
                        server.want.eq(client.want & ~busy),
                        server.request.eq(client.request),
                        client.start.eq(server.start),
                    ]
        # The answer's way does not lead past the choice, which comes late in a cycle.
        with m.Switch(owner):
            for k, client in enumerate(self.clients):
                with m.Case(k):
                    m.d.comb += [
                        client.valid.eq(server.valid & busy),
                        server.take.eq(client.take & busy),
                    ]
        for client in self.clients:
            m.d.comb += client.reply.eq(server.reply)

        with m.If(server.start):
            m.d.sync += [busy.eq(1), owner.eq(choice)]
        with m.Elif(server.take):
            m.d.sync += busy.eq(0)
        return m
