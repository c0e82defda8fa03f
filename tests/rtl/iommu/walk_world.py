"""Memory with random tables of both stages, and what the golden model finds in them."""

from random import Random
from types import SimpleNamespace

from rtl.iommu.records import Kind
from rtl.params import IommuParams
from rtl.spec.page_table import MSI_PTE, PTE
from sim.golden.iommu.registers import Counters
from sim.golden.iommu.translator import Translator
from sim.golden.iommu.types import Access, Fault, Features, Request
from sim.golden.iommu.walker import Stage1, Stage2
from sim.golden.memory import Memory

BASE, SIZE = 0x8000_0000, 1 << 20
ACCESS = {Kind.READ: Access.READ, Kind.WRITE: Access.WRITE, Kind.EXECUTE: Access.EXECUTE}
GOOD = {"v": 1, "r": 1, "w": 1, "x": 1, "u": 1, "a": 1, "d": 1}


class World:
    """Memory, and tables that map one page after the other, with a mistake now and then."""

    def __init__(self, random: Random, params: IommuParams):
        self.random, self.params = random, params
        self.memory = Memory(BASE, SIZE)
        self._next = (BASE >> 12) + 8
        self._guests = {}
        self.written = []
        self.first = random.choice([0, *range(3, params.levels + 1)])
        second = [0, *range(3, params.guest_levels + 1)] if params.two_stage else [0]
        self.second = random.choice(second)
        self.guest_root = BASE >> 12
        self.sade = params.amo_hwad and random.random() < 0.7
        self.gade = params.amo_hwad and (self.sade or random.random() < 0.5)
        self.root = self.guest(random.getrandbits(20)) if self.second else BASE >> 12
        self.msi = None
        if params.msi and self.second and random.random() < 0.5:
            mask = random.getrandbits(6) << random.randrange(10)
            self.msi = (self.page(), mask, self.gpn())

    def page(self) -> int:
        """Page number of a fresh page, now and then beyond memory."""
        self._next += 1
        return self._next if self.random.random() < 0.98 else self.random.getrandbits(44)

    def gpn(self) -> int:
        """Guest page for data: near an interrupt file, or anywhere."""
        if self.msi and self.random.random() < 0.5:
            _, mask, pattern = self.msi
            return pattern ^ self.random.getrandbits(16) & mask
        return self.random.getrandbits(self.random.choice([27, min(44, self.params.gpn_bits), 20]))

    def store(self, addr: int, value: int):
        if BASE <= addr < BASE + SIZE:
            self.memory.poke(addr, value.to_bytes(8, "little"))
            self.written.append(addr)

    def load(self, addr: int) -> int:
        return (int.from_bytes(self.memory.peek(addr, 8), "little")
                if BASE <= addr < BASE + SIZE else 0)

    def guest(self, gpn: int) -> int:
        """Map a guest page for a table to a fresh page; returns the guest page number."""
        self.map(self.guest_root, self.second, gpn, self.page(), 0, False)
        return gpn

    def map(self, root: int, levels: int, page: int, ppn: int, level: int, first: bool,
            **bits: int):
        """Map ``page`` to ``ppn`` at ``level`` in either stage."""
        table = root
        for above in range(levels - 1, level - 1, -1):
            index = page >> 9 * above
            if first or above < levels - 1:
                index &= 511
            place = table
            if first and self.second:
                place = self._guests.get(table)
                if place is None:
                    self._guests[table] = place = self.page()
                    self.map(self.guest_root, self.second, table, place, 0, False)
            where = (place << 12) + index * 8
            if above == level:
                self.store(where, PTE.pack(**{**GOOD, **bits, "ppn": ppn & (1 << 44) - 1}))
                return
            if not self.load(where) & 1:
                fresh = self.random.getrandbits(20) if first and self.second else self.page()
                g = first and self.random.random() < 0.2
                self.store(where, PTE.pack(v=1, g=g, ppn=fresh))
            table = PTE.get(self.load(where), "ppn")

    def leaf(self, first: bool, page: int, ppn: int):
        """Map a page of any size, with any permissions."""
        random, params = self.random, self.params
        levels = self.first if first else self.second
        level = random.choice([0, 0, *range(levels)])
        bits = {name: random.random() < 0.9 for name in "rwxu"}
        # Hardware may update entries, but software keeps A and D of those that map tables.
        bits.update({name: random.random() < (0.5 if params.amo_hwad else 0.9) for name in "ad"})
        bits["g"] = random.random() < 0.3
        bits["pbmt"] = random.choice([0, 1, 2, 3]) if params.svpbmt else 0
        bits["rsw60t59b"] = random.getrandbits(2) if params.svrsw60t59b else 0
        ppn &= -1 << 9 * level
        if not level and random.random() < 0.2:
            bits["n"], ppn = 1, ppn & ~15 | 8
        self.map(self.root if first else self.guest_root, levels, page, ppn, level, first, **bits)

    def request(self):
        """One request, for which there is perhaps a mapping."""
        random, params = self.random, self.params
        page = random.getrandbits(9 * self.first - 1 if self.first else 27)
        if not self.first:
            page = self.gpn() if self.second else random.getrandbits(52)
        gpn = self.gpn() if self.second else random.getrandbits(params.ppn_bits)
        if self.first:
            self.leaf(True, page, gpn)
        if self.second:
            low = random.getrandbits(9)
            self.leaf(False, gpn & -512 | low if self.first else page,
                      random.getrandbits(params.ppn_bits))
            self.leaf(False, gpn if self.first else page, random.getrandbits(params.ppn_bits))
        if self.msi:
            for index in range(64):
                pte = MSI_PTE.pack(v=1, m=3, ppn=random.getrandbits(params.ppn_bits))
                where = (self.msi[0] << 12 | index * 16)
                self.store(where, pte ^ (1 << random.randrange(64)) * (random.random() < 0.2))
        if random.random() < 0.3 and self.written:
            where = random.choice(self.written[-16:])
            self.store(where, self.load(where) ^ 1 << random.randrange(64))
        if random.random() < 0.05:
            page |= 1 << random.randrange(52)
        return SimpleNamespace(page=page, kind=random.choice(list(Kind)),
                               privileged=random.random() < 0.2,
                               sum=params.processes and random.random() < 0.5)

    def image(self) -> list[int]:
        """All that was ever written, as it is now."""
        return [self.load(addr) for addr in self.written]

    def expected(self, request):
        """What the golden model finds, a fault or an entry, and what it makes of memory."""
        before = self.image()
        result, after = self._translate(request), self.image()
        for addr, value in zip(self.written, before, strict=True):
            self.memory.poke(addr, value.to_bytes(8, "little"))
        return result, after

    def _translate(self, request):
        translator = Translator(self.memory, Features(self.params.capabilities), Counters())
        modes = {0: 0, 3: 8, 4: 9, 5: 10}
        stage1 = Stage1(modes[self.first], self.root, 0, request.sum, self.sade)
        if not self.first:
            stage1 = Stage1()
        stage2 = Stage2()
        if self.second:
            stage2 = Stage2(modes[self.second], self.guest_root, 0, self.gade)
        dc = SimpleNamespace(msi=self.msi)
        asked = Request(0, request.page << 12, ACCESS[request.kind], 0, request.privileged)
        try:
            return translator._walk(asked, dc, stage1, stage2)
        except Fault as fault:
            return fault

    def context(self, request) -> dict:
        """Same for the RTL."""
        fields = {"paged": self.first > 0, "levels": max(self.first - 3, 0), "root": self.root,
                  "pscid": 7, "sum": request.sum, "guest": self.second > 0,
                  "guest_levels": max(self.second - 3, 0), "guest_root": self.guest_root,
                  "msi": self.msi is not None, "sade": self.sade,
                  "gade": self.gade and self.second > 0}
        if not self.params.two_stage:
            del fields["gade"]
        if self.msi:
            fields.update(zip(("msi_root", "msi_mask", "msi_pattern"), self.msi, strict=True))
        return fields

    def canonical(self, page: int) -> bool:
        """Whether the first stage accepts the address."""
        if not self.first:
            return True
        return page >> 9 * self.first - 1 in (0, (1 << 53 - 9 * self.first) - 1)
