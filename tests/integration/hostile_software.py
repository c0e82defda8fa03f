"""Software that changes what a hostile device may use, and memory that notices who looks where."""

import random

from amaranth import *
from amaranth.lib.wiring import connect

from rtl.iommu.iommu import Iommu
from rtl.spec.page_table import DC_IOHGATP, DC_TC, DDTE, IOSATP, PTE, IosatpMode
from rtl.spec.platform import BusError
from sim.checked import Checked
from sim.engine import choose
from sim.golden.memory import Memory
from sim.vectors.responder import burst_of, respond
from sim.vectors.rig import BurstPort
from tests.rtl.iommu.commander import Back, Commander
from tests.rtl.iommu.world import BASE, COMMANDS, FAULTS, SIZE, USER, Tables, fence, inval_ddt, vma

from .hostile_traffic import GOOD_DID, GOOD_IOVA, GOOD_PAGES, HOSTILE_DIDS, Traffic
from .hostile_vault import PAGES, VAULT, Vault

__all__ = ["Siege", "Software", "besiege"]

#: Pages of the memory that the hostile device may get; all others but the good device's never.
LENT = range(GOOD_PAGES, GOOD_PAGES + 6)
_POISON = 0x5EC2_E700_0000_0000


class Siege(Elaboratable):
    """An IOMMU between both devices and the memory, with all that happens at once."""

    def __init__(self, params, *, illegal=False):
        self.iommu = Iommu(params)
        self.tables = BurstPort(self.iommu.tables.signature)
        self.traffic = Traffic(id_width=params.id_width, illegal=illegal)
        self.vault = Vault(self.iommu.memory.signature,
                           [_POISON | n for n in range(PAGES * 512)])
        self.regs, self._checked = self.iommu.regs, not illegal

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.iommu = Checked(self.iommu, depth=64) if self._checked else self.iommu
        m.submodules.tables, m.submodules.vault = self.tables, self.vault
        m.submodules.traffic = self.traffic
        for owner, seed in ((self.traffic, 0x9E37_79B9_7F4A_7C15), (self.vault, 0xD1B5_4A32_D192)):
            noise = Signal(64, init=seed)
            step = noise ^ noise[:51] << 13
            step = step[:64] ^ step[7:64]
            m.d.sync += noise.eq(step ^ step[:47] << 17)
            m.d.comb += owner.noise.eq(noise)
        connect(m, self.iommu.tables, self.tables.bus)
        connect(m, self.traffic.device, self.iommu.device)
        connect(m, self.iommu.memory, self.vault.bus)
        return m


class Guarded(Memory):
    """Tables, of which the IOMMU may touch what is in use, and write only what it must."""

    def __init__(self):
        super().__init__(BASE, SIZE)
        self.readable, self.writable, self.breaches = set(), set(), []
        self.directory, self.contexts = None, 0         # contexts read from the directory
        self.lent = lambda page: False  # whether a page of the vault may be taken for a table

    def read(self, addr, size):
        if addr & -4096 == self.directory and addr % 32 == 0:
            self.contexts += 1
        self._note(addr, self.readable, "read")
        return super().read(addr, size)

    def write(self, addr, data):
        self._note(addr, self.writable, "write")
        super().write(addr, data)

    def _note(self, addr, allowed, what):
        if VAULT <= addr < VAULT + PAGES * 4096 and self.lent(addr - VAULT >> 12):
            raise BusError(addr, "SLVERR")
        if addr >> 12 not in allowed:
            self.breaches.append((what, hex(addr)))


class Software(Commander):
    """Lends pages, takes them away, and lets walks fail, while both devices run.

    With ``guest``, the hostile device belongs to a virtual machine: its first stage and its process
    directory are what the machine likes, and the second stage is what software changes. With
    ``quiet``, neither device begins by itself.
    """

    def __init__(self, ctx, siege, *, seed, guest=False, update=False, quiet=False):
        self.ctx, self.siege, self.random = ctx, siege, random.Random(seed)
        self.guest, self.update, self.quiet = guest, update, quiet
        self.memory = Guarded()
        super().__init__(ctx, siege.regs, Tables(Back(self.memory)))
        self.memory.lent = lambda page: any(
            page == p for loans in (self._loans, self._ending) for p, _ in loans.values())
        self.memory.directory = self.tables.directory
        # From a page of the hostile device to (page, flags), and those that may still be cached.
        self._loans, self._ending = {}, {}
        self.changes = 0

    async def start(self):
        """Map the good device's pages, and turn the IOMMU on."""
        self.ctx.set(self.siege.traffic.calm, self.quiet)
        tables = self.tables
        root = tables.page()
        for page in range(GOOD_PAGES):
            tables.map(root, GOOD_IOVA + (page << 12), VAULT + (page << 12))
        tables.context(GOOD_DID, root, pscid=3)
        if self.guest:
            self._machine()
        else:
            self.root = tables.page()
            tables.entry_address(self.root, 0)
            for pscid, did in enumerate(HOSTILE_DIDS[:2]):
                tables.context(did, self.root, pscid=9 + pscid)
        tables.store(tables.context_address(HOSTILE_DIDS[3]), DC_TC.pack(v=1) | 1 << 40)
        used = range(BASE >> 12, tables.page() >> 12)
        self.memory.readable.update(used)
        self.memory.writable.add(FAULTS >> 12)
        if self.guest:
            self.memory.writable.update(page >> 12 for page in self.own)
            for limit, addr in zip(self.siege.vault.elsewhere,
                                   (self.own[0], self.own[-1] + 4096), strict=True):
                self.ctx.set(limit, addr)
            if self.update:
                self.memory.writable.update(page >> 12 for page in self.second)
        for name, where in (("cqb", COMMANDS), ("fqb", FAULTS)):
            await self.write64(name, where >> 12 << 10 | 3)
        await self.write("cqcsr", 1)
        await self.write("fqcsr", 1)
        await self.write64("ddtp", 2 | tables.directory >> 12 << 10)
        self._permit(good=True)
        self.ctx.set(self.siege.traffic.serve, not self.quiet)

    def _machine(self):
        """Context of a virtual machine, with tables of its own for it to scribble on."""
        tables = self.tables
        pages = [tables.page() for _ in range(12)]
        while pages[0] % (4 * 4096):
            pages = [*pages[1:], tables.page()]
        self.guest_root, self.second = pages[0], [*pages[:4], pages[4], pages[5]]
        self.own = pages[6:]
        self.guest_table = pages[5]
        for level, (above, below) in enumerate(((pages[0], pages[4]), (pages[4], pages[5]))):
            tables.store(above, PTE.pack(v=1, ppn=below >> 12))
            assert level < 2
        for n, page in enumerate(self.own):             # guest pages 16 and up
            tables.store(self.guest_table + 8 * (16 + n), PTE.pack(
                v=1, **USER | {"x": 1}, ppn=page >> 12))
        marks = {"gade": 1, "sade": 1} if self.update else {}
        hgatp = DC_IOHGATP.pack(mode=IosatpMode.SV39, gscid=1, ppn=self.guest_root >> 12)
        own = IOSATP.pack(mode=IosatpMode.SV39, ppn=16)
        for did, fsc, tc in ((5, own, {}), (8, 0, {}), (6, 1 << 60 | 17, {"pdtv": 1, "dpe": 1})):
            where = tables.context_address(did)
            tables.store(where + 8, hgatp)
            tables.store(where + 24, fsc)
            tables.store(where, DC_TC.pack(v=1, **tc, **marks))

    async def change(self):
        """Do one thing, at an arbitrary time; the good device must get on meanwhile."""
        r, traffic = self.random, self.siege.traffic
        before = self.ctx.get(traffic.rounds)
        self.changes += 1
        kind = r.random()
        if kind < 0.65:
            await self._lend()
        elif kind < 0.8:
            await self._contexts()
        elif kind < 0.9:
            await self._errors()
        else:
            await self._drain_faults()
        if self.guest:
            self._scribble()
        for _ in range(300):
            if self.ctx.get(traffic.rounds) > before + 1:
                return
            await self.ctx.tick().repeat(64)
        raise AssertionError("the device that behaves is not served")

    async def _lend(self):
        """Change some of the hostile device's pages, then invalidate, then no longer permit."""
        r = self.random
        after = dict(self._loans)
        for slot in r.sample(range(8), r.randrange(2, 6)):
            flags = r.choice(["r", "rw", "x", "rx", "rwx"])
            after[slot] = (r.choice(LENT), flags)
            if r.random() < 0.25:
                del after[slot]
        old, self._loans = self._loans, after
        self._ending = old
        self._permit(old)
        for slot in range(8):
            page, flags = after.get(slot, (0, ""))
            bits = {flag: 1 for flag in flags} | {"v": int(bool(flags)), "u": 1, "a": 1, "d": 1}
            if self.update:
                bits |= {"a": r.randrange(2), "d": r.randrange(2)}
            word = PTE.pack(**bits, ppn=VAULT + (page << 12) >> 12)
            where = (self.guest_table + 8 * slot if self.guest else
                     self.tables.entry_address(self.root, slot << 12))
            if old.get(slot) != after.get(slot):
                self.tables.store(where, word)
        commands = [vma(), vma(func3=1)] if self.guest else [vma(**r.choice(
            [{}, {"av": 0}]))]
        if not self.guest and r.random() < 0.5:
            changed = [slot for slot in range(8) if old.get(slot) != after.get(slot)]
            commands = [vma(av=1, addr=slot << 12) for slot in changed]
        await self.command(*commands, fence(pr=1, pw=1))
        self._ending = {}
        self._permit()

    async def _contexts(self):
        """Take one of the contexts away, and give it back."""
        did = self.random.choice(HOSTILE_DIDS[:2])
        where = self.tables.context_address(did)
        word = self.tables.load(where)
        for value in (word & ~1, word):
            self.tables.store(where, value)
            await self.command(inval_ddt(self.random.choice([None, did])), fence(pr=1, pw=1))
            await self.ctx.tick().repeat(self.random.randrange(1, 100))

    async def _errors(self):
        """Tables of the hostile device cannot be read for a while."""
        page = self.random.choice(self.own if self.guest else [self.root])
        self.memory.inject(page, page + 4096, "rw")
        await self.command(vma(), fence())
        await self.ctx.tick().repeat(self.random.randrange(1, 500))
        self.memory.clear_injected()

    async def _drain_faults(self):
        await self.write("fqh", await self.read("fqt"))
        await self.write("fqcsr", 0x301)

    def _scribble(self):
        """What the machine writes into its own tables: anything, above all entries."""
        r = self.random
        for _ in range(40):
            word = r.getrandbits(64)
            if r.random() < 0.9:
                ppn = r.choice([r.randrange(8), 16 + r.randrange(len(self.own)), r.randrange(64),
                                (VAULT >> 12) + r.randrange(PAGES), r.getrandbits(44)])
                word = PTE.pack(v=1, ppn=ppn, **{f: int(r.random() < 0.6) for f in "rwxuad"})
                if r.random() < 0.4:
                    word = DDTE.pack(v=1, ppn=ppn)
            page = r.choice(self.own)
            self.tables.store(page + 8 * r.choice([r.randrange(8), r.randrange(512)]), word)

    def _permit(self, *others, good=False):
        """Tell the vault what is permitted, or still or soon will be."""
        vault = self.siege.vault
        for flag, pages in (("r", vault.read), ("w", vault.write), ("x", vault.execute)):
            loans = [loan for each in (self._loans, *others) for loan in each.values()]
            self.ctx.set(pages[0], sum({1 << page for page, flags in loans if flag in flags}))
            if good:
                self.ctx.set(pages[1], (flag != "x") * ((1 << GOOD_PAGES) - 1))


def besiege(params, scene, *, seed=1, latencies=(1, 2, 10, 40), illegal=False, **options):
    """Run ``scene(software)`` against a running siege. Returns the siege's final counts."""
    siege = Siege(params, illegal=illegal)
    simulator = choose("auto")(siege)
    simulator.add_clock(1e-8)
    found, counts = [], {}

    async def memory(ctx):
        port, latency = siege.tables, random.Random(seed + 1)
        while True:
            burst = await ctx.tick().sample(*burst_of(port)).until(port.asks)
            await ctx.tick().repeat(latency.choice(latencies))
            for name, value in respond(found[0].memory, *burst, poison=False).items():
                ctx.set(getattr(port, name), value)
            ctx.set(port.ack, 1 - ctx.get(port.ack))

    async def testbench(ctx):
        software = Software(ctx, siege, seed=seed, **options)
        found.append(software)
        await software.start()
        await scene(software)
        traffic, vault = siege.traffic, siege.vault
        assert not ctx.get(vault.breach), "an access that was not permitted"
        assert not ctx.get(traffic.wrong), "wrong data, or an error for the device that behaves"
        assert not software.memory.breaches, software.memory.breaches[:3]
        for word in range(LENT.stop * 512, PAGES * 512):
            assert ctx.get(vault.words[word]) == _POISON | word
        counts.update(
            rounds=ctx.get(traffic.rounds), refused=ctx.get(traffic.refused),
            passed=ctx.get(vault.served[0]), changes=software.changes)

    simulator.add_testbench(memory, background=True)
    simulator.add_testbench(testbench)
    simulator.run()
    return counts
