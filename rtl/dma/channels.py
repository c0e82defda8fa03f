"""Several channels of the native ring on one bus."""

from dataclasses import replace

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from rtl.axi import lite, lite_demux
from rtl.axi.arbiter import Arbiter
from rtl.axi.signature import Signature, dma_user_layout
from rtl.params import RingParams

from .ring import Ring

__all__ = ["Channels"]

WINDOW_BITS = 12


class Channels(wiring.Component):
    """Engines that share a bus in turn, a burst at a time; wiring only.

    A channel is an engine of its own: what it waits for, it alone waits for. They share the bus and
    nothing else, and a write is offered only when its data is there, so a channel that waits for a
    slow page, has a fault, or is paused holds up no other. Where ``urgent`` is there, bursts of
    urgent channels go first, seven in a row at most while others wait.

    Parameters
    ----------
    params : RingParams
        Parameters of each; device IDs count up from the first one's. No ports of their own.
    channels : int, 1 to 16
        How many.

    Members
    -------
    regs : ``In(lite.Signature(...))``
        Registers, a channel every 4 KiB; DECERR beyond.
    bus : ``Out(axi.Signature(...))``
        Bus; which channel it is stands above the ID.
    irq : ``Out(channels)``
        Interrupts, level.

    Raises
    ------
    ValueError
        If ``channels`` is not one of the values above, or there is a port of its own.
    """

    def __init__(self, params: RingParams, channels: int):
        if not 1 <= channels <= 16:
            raise ValueError(f"Channels must be from 1 to 16, not {channels!r}")
        if params.own_port:
            raise ValueError("Channels must share a bus, not have ports of their own")
        self._params, self._count = params, channels
        super().__init__({
            "regs": In(lite.Signature(addr_width=WINDOW_BITS + max(ceil_log2(channels), 1))),
            "bus":  Out(Signature(
                addr_width=params.addr_width, data_width=params.data_width,
                id_width=params.id_width + ceil_log2(channels), user=dma_user_layout())),
            "irq":  Out(channels),
        })

    def elaborate(self, platform):
        m = Module()
        rings = {f"ring_{k}": Ring(replace(self._params, device_id=self._params.device_id + k))
                 for k in range(self._count)}
        m.submodules.to_regs = to_regs = lite_demux.Demux(
            self.regs.signature.addr_width,
            {name: k << WINDOW_BITS for k, name in enumerate(rings)})
        signature = next(iter(rings.values())).bus.signature
        m.submodules.arbiter = arbiter = Arbiter(
            signature, self._count, urgent=self._params.urgent)
        connect(m, flipped(self.regs), to_regs.bus)
        connect(m, arbiter.bus, flipped(self.bus))
        for k, (name, ring) in enumerate(rings.items()):
            m.submodules[name] = ring
            connect(m, getattr(to_regs.ports, name), ring.regs)
            connect(m, ring.bus, arbiter.managers[k])
            m.d.comb += self.irq[k].eq(ring.irq)
        return m
