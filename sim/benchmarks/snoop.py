"""The snoop port: devices' reads and writes beside the CPU's hits."""

from collections.abc import Iterable
from functools import partial

from rtl.axi.signature import CACHE_WRITE_BACK
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from rtl.spec.cache_regs import CACHE_REGISTERS, CacheMode

from ..axi_lite import Manager
from .rig import LATENCIES, Probe, Rig, burst, play, write
from .table import Row

__all__ = ["measure"]

PARAMS = CacheParams(snoop=8)
WORD, LINE, BEATS = PARAMS.data_width // 8, PARAMS.line_bytes, PARAMS.beats
#: Line that the CPU hits, lines that it holds dirty, lines that it does not hold.
HOT, DIRTY, COLD = 0x2_0000, 0x8000, 0x1_0000
LINES, HITS = 64, 400


def _address(addr: int, beats: int = 1) -> dict:
    return burst(addr, beats, cache=CACHE_WRITE_BACK, size=WORD.bit_length() - 1)


def _data(count: int, beats: int = BEATS) -> list[dict]:
    return [{"data": k, "strb": (1 << WORD) - 1, "last": k == beats - 1}
            for k in range(beats)] * count


class _Port:
    """One of the two ports, and when its answers come."""

    def __init__(self, rig: Rig, bus):
        self.bus = bus
        self.ar, self.aw = Probe(rig, bus.ar.valid), Probe(rig, bus.aw.valid)
        self.r, self.b = rig.taken(bus.r), rig.taken(bus.b)


async def _figures(ctx, rig: Rig, cpu: _Port, device: _Port) -> dict[str, tuple[float, str]]:
    found = {}
    for port in (cpu, device):
        ctx.set(port.bus.r.ready, 1)
        ctx.set(port.bus.b.ready, 1)

    async def lines(base: int, *, store: bool) -> float:
        await rig.restart(ctx)
        addresses = [_address(base + LINE * k, BEATS) for k in range(LINES)]
        if store:
            await play(ctx, (device.bus.aw, addresses), (device.bus.w, _data(LINES)))
            await device.b.reach(ctx, LINES)
            return (ctx.get(device.b.last) - ctx.get(device.aw.first)) / LINES
        await play(ctx, (device.bus.ar, addresses))
        await device.r.reach(ctx, LINES * BEATS)
        return (ctx.get(device.r.last) - ctx.get(device.ar.first)) / LINES

    async def first(base: int) -> int:
        await rig.restart(ctx)
        await play(ctx, (device.bus.ar, [_address(base)]))
        await device.r.reach(ctx, 1)
        return ctx.get(device.r.first) - ctx.get(device.ar.first)

    async def cleaned(base: int) -> float:
        """As a driver would that knows what the device will read: one command, then the reads."""
        bus, register = Manager(ctx, rig.dut.regs), CACHE_REGISTERS["ctl"]
        begun = ctx.get(rig.now)
        for name, addr in (("start", base), ("end", base + LINES * LINE)):
            await write(bus, CACHE_REGISTERS, f"{name}_msb", addr=0)
            await write(bus, CACHE_REGISTERS, name, addr=addr)
        await write(bus, CACHE_REGISTERS, "ctl", enable=1, mode=CacheMode.CLEAN_SHARED)
        while register["enable"].get(await bus.readl(register.offset)):
            pass
        await lines(base, store=False)
        return (ctx.get(device.r.last) - begun) / LINES

    async def fill(base: int):
        await rig.restart(ctx)
        await play(ctx, (cpu.bus.aw, [_address(base + LINE * k, BEATS) for k in range(LINES)]),
                   (cpu.bus.w, _data(LINES)))
        await cpu.b.reach(ctx, LINES)

    await fill(HOT)
    found["device's first word, absent"] = await first(COLD), "access"
    found["device reads lines that are absent"] = await lines(COLD, store=False), "line"
    found["device writes lines that are absent"] = await lines(COLD, store=True), "line"
    await fill(DIRTY)
    found["device reads lines that are dirty"] = await lines(DIRTY, store=False), "line"
    await fill(DIRTY)
    found["device reads lines that were dirty, after a command that cleans them"] = (
        await cleaned(DIRTY), "line")
    await fill(DIRTY)
    found["device writes lines that are dirty"] = await lines(DIRTY, store=True), "line"

    # Hits of the CPU while the device reads and writes elsewhere.
    await rig.restart(ctx)
    hits = [_address(HOT + WORD * (k % BEATS)) for k in range(HITS)]
    some = [_address(COLD + LINE * k, BEATS) for k in range(LINES // 2)]
    await play(ctx, (cpu.bus.ar, hits), (device.bus.ar, some), (device.bus.aw, some),
               (device.bus.w, _data(LINES // 2)))
    await cpu.r.reach(ctx, HITS)
    found["CPU's hits beside those that are absent"] = (
        (ctx.get(cpu.r.last) - ctx.get(cpu.r.first)) / (HITS - 1), "access")
    await device.b.reach(ctx, LINES // 2)
    await device.r.reach(ctx, LINES // 2 * BEATS)
    return found


def measure(latencies: Iterable[int] = LATENCIES) -> list[Row]:
    """Measure lines of a device through the snoop port, with eight writes under way."""
    rig, rows = Rig(Cache(PARAMS), {"memory": (0, 1 << 18), "snooped": (0, 1 << 18)}), []
    cpu, device = _Port(rig, rig.dut.cpu), _Port(rig, rig.dut.snoop)
    rig.run(partial(_measure, rig, cpu, device, list(latencies), rows))
    return rows


async def _measure(rig: Rig, cpu: _Port, device: _Port, latencies: list[int], rows: list[Row],
                   ctx) -> None:
    await ctx.tick().repeat(2 * PARAMS.sets)
    for latency in latencies:
        for name in ("memory", "snooped"):
            await rig.latency(ctx, name, latency)
        for what, (cycles, unit) in (await _figures(ctx, rig, cpu, device)).items():
            rows.append(Row("snoop", what, latency, cycles, unit))
