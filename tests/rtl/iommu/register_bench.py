"""Registers with engines that are idle and a drain that is quick."""

from rtl.iommu.registers import Registers
from rtl.params import IommuParams
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from sim.axi_lite import Manager

OFFSET = {register.name: register.offset for register in IOMMU_REGISTERS}


def run(bench, script, **params):
    """Run ``script(ctx, dut, read, write)``; a drain takes two cycles, engines are idle."""
    dut = Registers(IommuParams(**params))
    this = bench(dut)

    @this.background
    async def drain(ctx):
        while True:
            await ctx.tick().until(dut.drain.want)
            await ctx.tick()
            ctx.set(dut.drain.done, 1)
            await ctx.tick()
            ctx.set(dut.drain.done, 0)

    @this.background
    async def count(ctx):
        dut.raised = 0                  # how often command-queue interrupts began
        async for *_, raised in ctx.tick().sample(dut.interrupts.raised):
            dut.raised += raised & 1

    @this.background
    async def requests(ctx):
        dut.debug.seen = []
        names = ("vpn", "priv", "exe", "nw", "pid", "pv", "did")
        async for *_, go, vpn, priv, exe, nw, pid, pv, did in ctx.tick().sample(
                dut.debug.go, *(getattr(dut.debug, name) for name in names)):
            if go:
                dut.debug.seen.append((vpn, priv, exe, nw, pid, pv, did))

    @this.testbench
    async def testbench(ctx):
        bus = Manager(ctx, dut.bus)
        ctx.set(dut.commands.engine.idle, 1)
        ctx.set(dut.faults.engine.idle, 1)

        async def read(name):
            low = await bus.readl(OFFSET[name])
            high = OFFSET.get(f"{name}_msb")
            return low | (await bus.readl(high) << 32 if high else 0)

        async def write(name, value):
            if f"{name}_msb" in OFFSET:
                await bus.writel(value >> 32, OFFSET[f"{name}_msb"])
            await bus.writel(value & 0xFFFF_FFFF, OFFSET[name])

        await script(ctx, dut, read, write)

    this.run()
