"""The reference system: cache, DMA engine and IOMMU before one memory port."""

from collections.abc import Callable
from dataclasses import replace

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import arbiter, lite, lite_demux
from rtl.axi import signature as axi
from rtl.axi import stream as axi_stream
from rtl.axi.offset import Offset
from rtl.axi.slice import Slice
from rtl.cache.cache import Cache
from rtl.dma.app_words import app_stream
from rtl.dma.dma import Dma
from rtl.dma.ring import Ring
from rtl.dma.stream_dma import StreamDma
from rtl.iommu.iommu import Iommu
from rtl.params import SystemParams
from rtl.spec.platform import (
    AXI_DMA_BASE,
    CACHE_BASE,
    CDMA_BASE,
    IOMMU_BASE,
    RING_BASE,
    SIMULATION_BASE,
    WINDOW_BYTES,
    Irq,
)

__all__ = ["System"]


class System(wiring.Component):
    """The whole DMA path; wires only.

    Parameters
    ----------
    params : SystemParams
        Parameters of the blocks.
    wrap : callable
        Applied to each block and its name; simulation puts protocol checkers around it.

    Members
    -------
    cpu : ``In(axi.Signature(...))``
        The CPU's loads and stores, through the cache.
    regs : ``In(lite.Signature(addr_width=32))``
        Registers of all blocks, at the addresses of :mod:`rtl.spec.platform`; DECERR elsewhere.
    memory : ``Out(axi.Signature(...))``
        Memory. IDs are two bits wider than those of the blocks; one bit if coherent.
    mm2s : ``Out(axi.stream.Signature(...)).array(streams)``, ``s2mm`` : ``In(...)``
        Streams of the stream engines, if there are any.
    external : ``Out(lite.Signature(addr_width=12))``
        Registers at ``SIMULATION_BASE``, for what stands around the system.
    irqs : ``Out(len(Irq))``
        Interrupt lines, by :class:`rtl.spec.platform.Irq`.

    Source
    ------
    README, block diagram.
    """

    def __init__(self, params: SystemParams,
                 wrap: Callable[[wiring.Component, str], wiring.Component] = lambda dut, name: dut):
        self.params, self.wrap = params, wrap
        cache = params.cache
        self._bus = axi.Signature(addr_width=cache.phys_bits, data_width=cache.data_width,
                                  id_width=max(cache.id_width, params.iommu.id_width))
        self._managers = 2 if params.coherent else 3
        super().__init__({
            "cpu": In(axi.Signature(addr_width=cache.phys_bits, data_width=cache.data_width,
                                    id_width=cache.id_width)),
            "regs": In(lite.Signature(addr_width=32)),
            "memory": Out(axi.Signature(addr_width=cache.phys_bits, data_width=cache.data_width,
                                        id_width=self._bus.id_width + self._managers - 1)),
            "external": Out(lite.Signature(addr_width=12)),
            **self._streams(),
            "irqs": Out(len(Irq)),
        })

    def _streams(self):
        """Ports of the streams."""
        params = self.params.stream
        beats = axi_stream.Signature(data_width=params.data_width, user_width=1)
        kinds = {"mm2s": Out(beats) if params.mm2s else None,
                 "s2mm": In(beats) if params.s2mm else None,
                 "cntrl": Out(app_stream()) if params.apps and params.mm2s else None,
                 "sts": In(app_stream()) if params.apps and params.s2mm else None}
        return {name: member.array(self.params.streams) for name, member in kinds.items()
                if self.params.streams and member is not None}

    def elaborate(self, platform):
        m = Module()
        m.submodules.cache = cache = self.wrap(Cache(replace(
            self.params.cache, snoop_id_width=self.params.iommu.id_width + 1)), "cache")
        # Where there are several engines, part of an ID tells whose access it is.
        ids = self.params.dma.id_width - self.params.engine_bits
        m.submodules.dma = dma = self.wrap(Dma(replace(self.params.dma, id_width=ids)), "dma")
        ring = self.params.ring
        rings = {f"ring_{k}": self.wrap(Ring(replace(
                     ring, id_width=ids, device_id=ring.device_id + k)), f"ring_{k}")
                 for k in range(self.params.channels)}
        stream = self.params.stream
        streams = {f"stream_{k}": self.wrap(StreamDma(replace(
                       stream, id_width=ids, device_id=stream.device_id + k)), f"stream_{k}")
                   for k in range(self.params.streams)}
        engines = {**rings, **streams}
        for name, engine in engines.items():
            m.submodules[name] = engine
        m.submodules.iommu = iommu = self.wrap(Iommu(self.params.iommu), "iommu")
        m.submodules.to_memory = to_memory = arbiter.Arbiter(self._bus, self._managers)
        m.submodules.to_regs = to_regs = lite_demux.Demux(32, {
            "iommu": IOMMU_BASE, "dma": CDMA_BASE, "cache": CACHE_BASE,
            "external": SIMULATION_BASE,
            **{name: RING_BASE + k * WINDOW_BYTES for k, name in enumerate(rings)},
            **{name: AXI_DMA_BASE + k * WINDOW_BYTES for k, name in enumerate(streams)}})

        connect(m, flipped(self.cpu), cache.cpu)
        if engines:
            m.submodules.engines = shared = arbiter.Arbiter(
                dma.bus.signature, 1 + len(engines), urgent=self.params.ring.urgent)
            for manager, engine in zip(shared.managers, (dma, *engines.values()), strict=True):
                connect(m, engine.bus, manager)
            device = shared.bus
        else:
            device = dma.bus
        if self.params.bus_offset:
            m.submodules.offset = offset = Offset(device.signature, self.params.bus_offset)
            connect(m, device, offset.i)
            device = offset.o
        connect(m, device, iommu.device)
        connect(m, cache.memory, to_memory.managers[0])
        # A walk that begins should not wait, in the same cycle, for the choice of the arbiter.
        m.submodules.tables = tables = Slice(iommu.tables.signature, ("ar", "aw"))
        connect(m, iommu.tables, tables.i)
        if self.params.coherent:
            m.submodules.devices = devices = arbiter.Arbiter(iommu.memory.signature, 2)
            connect(m, iommu.memory, devices.managers[0])
            connect(m, tables.o, devices.managers[1])
            connect(m, devices.bus, cache.snoop)
            connect(m, cache.snooped, to_memory.managers[1])
        else:
            connect(m, iommu.memory, to_memory.managers[1])
            connect(m, tables.o, to_memory.managers[2])
        connect(m, to_memory.bus, flipped(self.memory))

        connect(m, flipped(self.regs), to_regs.bus)
        connect(m, to_regs.ports.iommu, iommu.regs)
        connect(m, to_regs.ports.dma, dma.regs)
        connect(m, to_regs.ports.cache, cache.regs)
        for name, engine in engines.items():
            connect(m, getattr(to_regs.ports, name), engine.regs)
        for k, engine in enumerate(streams.values()):
            for name, member in self._streams().items():
                ours, theirs = flipped(getattr(self, name)[k]), getattr(engine, name)
                connect(m, *((theirs, ours) if member.flow == Out else (ours, theirs)))
        connect(m, to_regs.ports.external, flipped(self.external))

        m.d.comb += [
            self.irqs[Irq.IOMMU0:Irq.IOMMU3 + 1].eq(iommu.irq),
            self.irqs[Irq.CDMA].eq(dma.irq),
            self.irqs[Irq.CACHE].eq(cache.irq),
            self.irqs[Irq.RING].eq(Cat(ring.irq for ring in rings.values()).any()),
            *(self.irqs[line].eq(Cat(engine.irq[k] for engine in streams.values()).any())
              for k, line in enumerate((Irq.MM2S, Irq.S2MM))),
        ]
        return m
