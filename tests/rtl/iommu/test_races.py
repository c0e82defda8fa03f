"""Invalidations while walks are in flight: after a fence nothing old is used, at any latency."""

import random

import pytest

from rtl.params import IommuParams
from rtl.spec.page_table import PTE, DdtpMode
from sim.engine import choose
from sim.golden.memory import Memory
from sim.vectors.responder import burst_of, respond
from tests.rtl.iommu.commander import Back, Commander
from tests.rtl.iommu.hammer import DEVICES, PAGES, VERSIONS, Race, physical
from tests.rtl.iommu.world import BASE, COMMANDS, SIZE, USER, Tables, fence, inval_ddt, vma

NEVER = (1 << VERSIONS) - 1             # no version may be used
LATENCIES = (1, 2, 3, 10, 40)


class Software(Commander):
    """Changes tables, invalidates and fences, as the text of the specification asks for."""

    def __init__(self, ctx, race, seed):
        self._ctx, self._race, self._random = ctx, race, random.Random(seed)
        self.memory = Memory(BASE, SIZE)
        super().__init__(ctx, race.regs, Tables(Back(self.memory)))
        self.roots = {did: [self.tables.page() for _ in range(2)] for did in range(DEVICES)}
        self.entries = {}
        self.versions = dict.fromkeys(range(DEVICES * PAGES), 0)

    async def start(self):
        """Map everything, and turn the IOMMU on."""
        for did in range(DEVICES):
            self._new_root(did)
        await self.write64("cqb", COMMANDS >> 12 << 10 | 3)
        await self.write("cqcsr", 1)
        await self.write64("ddtp", DdtpMode.LVL1 | self.tables.directory >> 12 << 10)

    def _new_root(self, did):
        self.roots[did].reverse()       # the one that has been out of use since the last fence
        root = self.roots[did][0]
        for page in range(PAGES):
            slot = did * PAGES + page
            self.entries[slot] = self.tables.map(root, page << 12, self._fresh(slot) << 12)
        self.tables.context(did, root, pscid=7 + did)

    def _fresh(self, slot):
        self.versions[slot] += 1
        return physical(slot, self.versions[slot])

    async def change(self):
        """Change one page, or all of a device, at an arbitrary time; then forbid the old ones."""
        r, waits = self._random, self._random.random() < 0.5
        slot = r.randrange(DEVICES * PAGES)
        did, page = divmod(slot, PAGES)
        await self._ctx.tick().repeat(r.randrange(1, 200))
        kind = r.choice(["page", "page", "page", "unmap", "device"])
        slots = [slot]
        if kind == "device":
            slots = [did * PAGES + page for page in range(PAGES)]
            self._new_root(did)
            commands = [inval_ddt(r.choice([did, None])), vma(**r.choice([{}, self._space(did)]))]
        else:
            bits = {**USER, "v": kind == "page", "ppn": self._fresh(slot)}
            self.tables.store(self.entries[slot], PTE.pack(**bits))
            only = {"av": 1, "addr": page << 12}
            commands = [vma(**r.choice([{}, only, self._space(did), only | self._space(did)]))]
        self._ctx.set(self._race.hammer.waits, 0)
        await self.command(*commands, fence(pr=int(waits), pw=int(waits)))
        for each in slots:
            oldest = NEVER if kind == "unmap" else self.versions[each]
            self._ctx.set(self._race.hammer.oldest[each], oldest)
        self._ctx.set(self._race.hammer.waits, int(waits))
        await self._ctx.tick().repeat(r.randrange(1, 60))
        if kind == "unmap":             # again allowed, with a version of its own
            self.tables.store(self.entries[slot], PTE.pack(v=1, **USER, ppn=self._fresh(slot)))
            self._ctx.set(self._race.hammer.oldest[slot], self.versions[slot])

    @staticmethod
    def _space(did):
        return {"pscv": 1, "pscid": 7 + did}


def hammered(changes, *, seed, **params):
    """Make ``changes``; returns accesses that passed, and that were refused."""
    race = Race(IommuParams(phys_bits=40, **params))
    simulator = choose("auto")(race)
    simulator.add_clock(1e-8)
    software, counts = [], []

    async def memory(ctx):
        port, latency = race.tables, random.Random(seed + 1)
        while True:
            burst = await ctx.tick().sample(*burst_of(port)).until(port.asks)
            await ctx.tick().repeat(latency.choice(LATENCIES))
            for name, value in respond(software[0].memory, *burst, poison=False).items():
                ctx.set(getattr(port, name), value)
            ctx.set(port.ack, 1 - ctx.get(port.ack))

    async def testbench(ctx):
        hammer = race.hammer
        software.append(Software(ctx, race, seed))
        await software[0].start()
        ctx.set(hammer.run, 1)
        for _ in range(changes):
            await software[0].change()
            assert not ctx.get(hammer.stale)
        ctx.set(hammer.run, 0)
        await ctx.tick().until(hammer.idle)
        counts.extend(ctx.get(count) for count in (hammer.passed, hammer.refused))

    simulator.add_testbench(memory, background=True)
    simulator.add_testbench(testbench)
    simulator.run()
    return counts


@pytest.mark.parametrize("seed, params", [
    (1, {}), (2, {"tlb_entries": 2, "context_entries": 1}), (3, {"in_flight": 2}),
    (4, {"walks": 8, "tlb_entries": 1}),
    (5, {"walks": 2, "tlb_entries": 2, "second_entries": 512})])
def test_nothing_old_after_a_fence(seed, params):
    passed, refused = hammered(60, seed=seed, **params)
    assert passed > 200 and refused > 2


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(4))
def test_nothing_old_after_many_fences(seed):
    passed, _ = hammered(4000, seed=100 + seed, tlb_entries=[1, 4, 16, 64][seed],
                         walks=[8, 4, 2, 1][seed], second_entries=[0, 512, 0, 512][seed])
    assert passed > 20_000
