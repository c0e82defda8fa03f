"""The simulated machine as one design: system, memory, CPU, protocol checkers."""

from amaranth import *
from amaranth.hdl import Assert
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import signature as axi
from rtl.params import SystemParams
from rtl.spec.platform import Irq
from rtl.system import System

from .bus_log import BusLog
from .checked import Checked
from .dram import Dram
from .host_port import HostPort
from .stream_device import ControlLayout, CountLayout, StreamDevice

__all__ = ["HANG_CYCLES", "Top"]

#: A command that takes longer has hung.
HANG_CYCLES = 100_000
#: Width of the streams of application words.
APP_WIDTH = 32


class Top(wiring.Component):
    """System, memory and host port; wires only, and a watchdog.

    Parameters
    ----------
    params : SystemParams
        Parameters of the blocks.
    memory_base, memory_size : int
        Range of memory, in bytes.
    watched : bool
        Log what happens on the buses.

    Members
    -------
    command, done, enabled, cycles
        As of :class:`sim.host_port.HostPort`.
    irqs : ``Out(len(Irq))``
        Interrupt lines.
    device_<k> : ``In(ControlLayout())``, counts_<k> : ``Out(CountLayout())``
        Of the devices at the streams, see :class:`sim.stream_device.StreamDevice`.

    Attributes
    ----------
    system, dram, host
        What is inside.
    log : BusLog or None
        What happened on the buses.
    devices : list of StreamDevice
        What is at the streams: at those of data, and behind that at those of application words.
    """

    def __init__(self, params: SystemParams, *, memory_base: int, memory_size: int,
                 watched: bool = False):
        cache = params.cache
        self.system = System(params, wrap=self._wrap)
        self.dram = Dram(self.system.memory.signature, base=memory_base, size=memory_size)
        self.host = HostPort(axi.Signature(addr_width=cache.phys_bits, data_width=cache.data_width,
                                           id_width=cache.id_width),
                             line_bytes=cache.line_bytes, irqs=len(Irq))
        self.log = BusLog(self.host.cycles, params.bus_offset) if watched else None
        apps = params.streams * params.stream.apps
        self.devices = [StreamDevice(width) for width in (
            *[params.stream.data_width] * params.streams, *[APP_WIDTH] * apps)]
        host = self.host.signature.members
        super().__init__({
            "command": host["command"], "done": host["done"], "enabled": host["enabled"],
            "cycles": host["cycles"], "irqs": Out(len(Irq)),
            **{f"device_{k}": In(ControlLayout()) for k in range(len(self.devices))},
            **{f"counts_{k}": Out(CountLayout()) for k in range(len(self.devices))},
        })

    def _wrap(self, block: wiring.Component, name: str) -> Elaboratable:
        checked = Checked(block, depth=64)
        return self.log.wrap(checked, name) if self.log else checked

    def elaborate(self, platform):
        m = Module()
        m.submodules.host, m.submodules.system = host, system = self.host, self.system
        m.submodules.dram = dram = Checked(self.dram, depth=64)
        connect(m, flipped(self.command), host.command)
        connect(m, host.done, flipped(self.done))
        connect(m, host.bus, system.cpu)
        connect(m, host.regs, system.regs)
        connect(m, system.memory, dram.bus)
        connect(m, system.external, dram.regs)
        ends = [pair for names in (("mm2s", "s2mm"), ("cntrl", "sts")) if hasattr(system, names[0])
                for pair in zip(*(getattr(system, name) for name in names), strict=True)]
        for k, (device, (out, back)) in enumerate(zip(self.devices, ends, strict=True)):
            m.submodules[f"device_{k}"] = device
            connect(m, out, device.sink)
            connect(m, device.source, back)
            m.d.comb += [
                device.control.eq(getattr(self, f"device_{k}")),
                getattr(self, f"counts_{k}").eq(device.counts),
            ]
        m.d.comb += [
            host.irqs.eq(system.irqs),
            host.enabled.eq(self.enabled),
            self.cycles.eq(host.cycles),
            self.irqs.eq(system.irqs),
        ]
        stuck = Signal(range(HANG_CYCLES + 1))
        m.d.sync += stuck.eq(Mux(self.command.ready | self.done.valid, 0, stuck + 1))
        m.d.sync += Assert(stuck != HANG_CYCLES,
                           Format("HOST_TIMEOUT: no answer in {} cycles", HANG_CYCLES))
        return m
