"""A device's tables, context and addresses, made and changed at random."""

from typing import NamedTuple

from rtl.spec.page_table import DC_IOHGATP, DC_TA, DC_TC, IOSATP, PTE
from rtl.spec.queues import IODIR_DW0, IOTINVAL_DW0, IOTINVAL_DW1, Opcode
from tests.rtl.iommu.world import fence

__all__ = ["BASE", "DIRECTORY", "PROCESSES", "SIZE", "Space"]

#: Where memory begins, its size, and where the directory is.
BASE, SIZE, DIRECTORY = 0x8000_0000, 1 << 22, 0x8000_2000
POOL, PROCESSES = 10, 3
#: Modes of the first stage, with the capability that each needs, and of the second.
FIRST, SECOND = {8: "sv39", 9: "sv48", 10: "sv57"}, {8: "sv39x4", 9: "sv48x4"}
_INVALIDATE = {"opcode": Opcode.IOTINVAL}


class _Format(NamedTuple):
    """Page tables: bits of an index, bytes of an entry, highest level."""

    bits: int
    size: int
    top: int


_NARROW = _Format(10, 4, 1)


class Space:
    """A device with its own tables, addresses and identifiers."""

    def __init__(self, world, did):
        self.world, self.r, self.did = world, world.r, did
        self.pscid, self.gscid = 16 * did, did + 1
        self.pool = [0] * POOL
        self.configure()

    def configure(self):
        """Make new tables and a new context."""
        r, world = self.r, self.world
        self.sxl = world.gxl or (world.has("sv32") and r.random() < 0.4)
        first = [8] if self.sxl else [mode for mode, name in FIRST.items() if world.has(name)]
        second = [8] if world.gxl else [mode for mode, name in SECOND.items() if world.has(name)]
        self.guest = r.choice(second) if second and r.random() < 0.5 else 0
        self.paged = r.choice(first) if r.random() < 0.8 else 0
        self.process = world.has("pd8") and r.random() < 0.4
        self.big = world.has("end") and r.random() < 0.5
        self.formats = [_NARROW if narrow else _Format(9, 8, max(mode, 8) - 6)
                        for narrow, mode in ((self.sxl, self.paged), (world.gxl, self.guest))]
        self.gpas = [self._page_number(34 if self.sxl else 40) << 12 for _ in range(POOL)]
        if self.guest:
            self.guest_root = world.page(4)
            # Where the tables are, guest addresses are physical ones.
            for at in range(BASE, BASE + SIZE, 1 << 12 + self.formats[1].bits):
                self._map(self.guest_root, at, 1, PTE.pack(
                    v=1, r=1, w=1, x=1, u=1, a=1, d=1, ppn=at >> 12), wide=True)
        bits = 32 if self.sxl else {0: 39, 8: 38, 9: 47, 10: 56}[self.paged]
        self.pool = [r.getrandbits(bits) & -4096 for _ in range(POOL)]
        if self.paged:
            self.pool = [iova - (1 << bits + 1) & 2**64 - 1
                         if r.random() < 0.3 and not self.sxl else iova
                         for iova in self.pool]
            self.root = world.page()
            for iova in self.pool:
                self._leaf(iova)
        elif self.guest:
            self.pool = list(self.gpas)
        for gpa in self.gpas if self.guest else ():
            self._guest_leaf(gpa)
        fsc = IOSATP.pack(mode=self.paged, ppn=self.root >> 12) if self.paged else 0
        where = DIRECTORY + 32 * self.did
        tc = {"v": r.random() < 0.97, "dtf": r.random() < 0.2,
              "gade": world.has("amo_hwad") and r.random() < 0.5}
        tc["sade"] = tc["gade"] and r.random() < 0.7
        tc |= {"sbe": self.big, "sxl": self.sxl ^ (r.random() < 0.02)}
        if self.process:
            contexts = world.page()
            for pid in range(PROCESSES):
                world.store(contexts + 16 * pid, (r.random() < 0.9) | r.getrandbits(2) << 1
                            | self.pscid + 1 + pid << 12, big=self.big)
                world.store(contexts + 16 * pid + 8, fsc if r.random() < 0.8 else 0, big=self.big)
            tc |= {"pdtv": 1, "dpe": r.randrange(2)}
            fsc = 1 << 60 | contexts >> 12
        qos = {name: r.getrandbits(12) for name in ("rcid", "mcid") if world.has("qosid")}
        guest = DC_IOHGATP.pack(mode=self.guest, gscid=self.gscid,
                                ppn=self.guest_root >> 12) if self.guest else 0
        for n, dword in enumerate((DC_TC.pack(**{k: int(v) for k, v in tc.items()}), guest,
                                   DC_TA.pack(pscid=self.pscid, **qos), fsc)):
            world.store(where + 8 * n, dword)

    def change(self):
        """Change a table or the context, and invalidate what the specification asks for."""
        r, kind = self.r, self.r.random()
        if kind < 0.08 and self.world._next < BASE + SIZE * 3 // 4:
            self.configure()
            did = {"dv": 1, "did": self.did} if r.random() < 0.7 else {}
            commands = [(IODIR_DW0.pack(opcode=Opcode.IODIR, **did), 0), *self._everything()]
        elif self.guest and kind < 0.4:
            gpa = r.choice(self.gpas)
            self._guest_leaf(gpa)
            where = {"gv": 1, "gscid": self.gscid} if r.random() < 0.7 else {}
            where |= {"av": 1} if r.random() < 0.5 else {}
            commands = [(IOTINVAL_DW0.pack(**_INVALIDATE, func3=1, **where),
                         IOTINVAL_DW1.pack(addr=gpa >> 12))]
        elif self.paged:
            iova = r.choice(self.pool)
            self._leaf(iova)
            commands = self._everything()
            if r.random() < 0.4:                # the range of a 64 KiB page, or a command a page
                commands = [(low | 1 << 10, (iova & ~0xFFFF | 0x7000) >> 2 | 1 << 9)
                            if self.world.has("s") else (low, high) for low, high in commands]
        else:
            commands = []
        self.world.command(*commands, fence(pr=1, pw=1))

    def _everything(self):
        """IOTINVAL of this device's spaces, or of everybody's."""
        host = [{}] if self.r.random() < 0.5 else [
            {"pscv": 1, "pscid": self.pscid + n} for n in range(PROCESSES + 1)]
        commands = [IOTINVAL_DW0.pack(**_INVALIDATE, **fields) for fields in host]
        commands += [IOTINVAL_DW0.pack(**_INVALIDATE, gv=1, gscid=self.gscid, **fields)
                     for fields in host]
        commands.append(IOTINVAL_DW0.pack(**_INVALIDATE, func3=1, gv=1, gscid=self.gscid))
        return [(low, 0) for low in commands]

    def _page_number(self, bits):
        return self.r.getrandbits(bits - 12)

    def _flags(self, *, user):
        r = self.r
        flags = {name: int(r.random() < chance) for name, chance in (
            ("v", 0.97), ("r", 0.95), ("w", 0.85), ("x", 0.7), ("u", user), ("a", 0.93),
            ("d", 0.85))}
        if r.random() < 0.03:
            flags["rsw60t59b"] = 1
        if self.world.has("svpbmt") and r.random() < 0.2:
            flags["pbmt"] = r.randrange(4)
        return flags

    def _leaf(self, iova):
        """A leaf of any size for ``iova``, or what looks like one; 64 KiB as sixteen equals."""
        level = min(self.r.choice((0, 0, 0, 1, 2)), self.formats[0].top)
        ppn = (self.r.choice(self.gpas) >> 12 if self.guest and self.r.random() < 0.8
               else self._page_number(40))
        self._map_leaf(self.root, iova, level, ppn, self._flags(user=0.9))

    def _guest_leaf(self, gpa):
        level = self.r.choice((0, 0, 0, 1))
        self._map_leaf(self.guest_root, gpa, level, self._page_number(44),
                       self._flags(user=0.98), wide=True)

    def _map_leaf(self, root, addr, level, ppn, flags, *, wide=False):
        form = self.formats[wide]
        if form is _NARROW:
            ppn %= 1 << 22
        if self.r.random() < 0.95:
            ppn &= -1 << form.bits * level
        pages, big = 1, self.world.has("end") if wide else self.big
        if level == 0 and form is not _NARROW and self.r.random() < 0.2:
            ppn, pages, addr, flags["n"] = ppn & ~15 | 8, 16, addr & ~0xFFFF, 1
        for page in range(pages):
            entry = self._map(root, addr + (page << 12), level, PTE.pack(ppn=ppn, **flags),
                              wide=wide)
        for other in range(entry & -128, (entry & -128) + 128, 8):
            if pages == 1 and other != entry and form is not _NARROW and PTE.get(
                    self.world.load(other, big=big), "n"):
                self.world.store(other, 0)      # sixteen equal ones, or none

    def _map(self, root, addr, level, word, *, wide=False):
        """Put ``word`` into the table of ``level``, or in the place of a larger page above it."""
        table, world, big = root, self.world, self.world.has("end") if wide else self.big
        form = self.formats[wide]
        for above in range(form.top, level, -1):
            entry = table + self._index(form, addr, above, wide) * form.size
            old = world.load_entry(entry, form.size, big=big)
            if not old:
                old = PTE.pack(v=1, ppn=world.page() >> 12)
                world.store_entry(entry, old, form.size, big=big)
            below = PTE.get(old, "ppn") << 12
            if old & 0b1110 or not BASE <= below < BASE + SIZE:     # no table of ours
                level, word = above, PTE.pack(word, n=0)
                break
            table = below
        entry = table + self._index(form, addr, level, wide) * form.size
        world.store_entry(entry, word, form.size, big=big)
        return entry

    @staticmethod
    def _index(form, addr, level, wide):
        bits = form.bits + 2 * (wide and level == form.top)
        return addr >> 12 + form.bits * level & (1 << bits) - 1
