"""Random tables, contexts, commands and accesses for two IOMMUs that must agree on everything."""

import random

import numpy as np

from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.page_table import DC_IOHGATP, DC_TA, DC_TC, IOSATP, PTE, DdtpMode
from rtl.spec.queues import IODIR_DW0, IOTINVAL_DW0, IOTINVAL_DW1, Opcode
from sim.vectors import Scenario, Step
from tests.rtl.iommu.world import fence

__all__ = ["Lockstep"]

BASE, SIZE = 0x8000_0000, 1 << 22
COMMANDS, FAULTS, DIRECTORY, TABLES = (BASE + n * 4096 for n in range(4))
DEVICES, POOL, PROCESSES = 6, 10, 3
#: Modes of the first stage, with the capability that each needs, and of the second.
FIRST, SECOND = {8: "sv39", 9: "sv48", 10: "sv57"}, {8: "sv39x4", 9: "sv48x4"}
_INVALIDATE = {"opcode": Opcode.IOTINVAL}


class Lockstep:
    """Both get the same; each answer, each record and, at the end, all of memory is compared.

    Parameters
    ----------
    targets : pair of sim.vectors.Target
        IOMMUs under comparison.
    seed : int
        What happens.
    caps : int
        Capabilities besides version, Sv39, interrupts by wire and addresses of 44 bits.
    """

    def __init__(self, targets, *, seed, **caps):
        self.targets, self.r, self.caps = targets, random.Random(seed), {"sv39": 1, **caps}
        scenario = Scenario(
            name="lockstep", fctl=2 | self.has("end"), mem_base=BASE, mem_size=SIZE, mem=[],
            steps=[],
            capabilities=CAPABILITIES.pack(version=0x10, igs=1, pas=44, **self.caps))
        for target in targets:
            target.reset(scenario)
        self.seen = {}, {}              # identifiers of own accesses, by direction and address
        for target, seen in zip(targets, self.seen, strict=True):
            target.watch(_noting(seen) if self.has("qosid") else None)
        self._next, self._tail, self.accesses, self.tagged = TABLES, 0, 0, 0
        self.spaces = [_Space(self, did) for did in range(DEVICES)]
        self._write("cqb", COMMANDS >> 12 << 10 | 7, 8)
        self._write("fqb", FAULTS >> 12 << 10 | 6, 8)
        for csr in ("cqcsr", "fqcsr"):
            self._write(csr, 1)
        self._write("ddtp", DdtpMode.LVL1 | DIRECTORY >> 12 << 10, 8)
        self._same(lambda target: target.read(IOMMU_REGISTERS["ddtp"].offset, 8) & ~0x10)

    def run(self, rounds):
        """Access, compare the records, change something, invalidate; ``rounds`` times."""
        for _ in range(rounds):
            for seen in self.seen:
                seen.clear()
            if self.has("qosid"):
                self._write("iommu_qosid", self.r.getrandbits(32))
                self._same(lambda target: target.read(IOMMU_REGISTERS["iommu_qosid"].offset, 4))
            for _ in range(self.r.randrange(10, 60)):
                self._access()
            tail = self._same(lambda target: target.read(IOMMU_REGISTERS["fqt"].offset, 4))
            self._same(self._records)
            self._same_identifiers()
            self._write("fqh", tail)
            self.r.choice(self.spaces).change()
        golden, other = (np.frombuffer(target.memory.peek(BASE, SIZE), dtype=np.uint64)
                         for target in self.targets)
        for at in np.flatnonzero(golden != other):
            assert _same_region(int(golden[at]), int(other[at])), hex(BASE + 8 * int(at))

    def _same_identifiers(self):
        """Own accesses to one place carry the same identifiers, but some may be left out."""
        golden, other = self.seen
        for place in golden.keys() & other.keys():
            assert other[place] <= golden[place], place
            self.tagged += 1

    @staticmethod
    def _records(target):
        """The fault queue, without the doubleword that is free for custom use."""
        words = np.frombuffer(target.memory.peek(FAULTS, 128 * 32), dtype=np.uint64)
        return words.reshape(128, 4)[:, [0, 2, 3]].tobytes()

    def has(self, name):
        return bool(self.caps.get(name))

    def page(self, pages=1):
        """Take fresh pages, aligned to their size."""
        self._next = -(-self._next // (pages * 4096)) * pages * 4096 + pages * 4096
        assert self._next <= BASE + SIZE
        return self._next - pages * 4096

    def store(self, addr, value, *, big=None):
        """Store a doubleword; with ``end``, those that are not a guest's are big-endian."""
        if self.has("end") if big is None else big:
            value = _swapped(value)
        for target in self.targets:
            target.poke(addr, value)

    def load(self, addr, *, big=None):
        value = self.targets[0].peek(addr)
        return _swapped(value) if (self.has("end") if big is None else big) else value

    def command(self, *commands):
        for command in commands:
            for half, dword in enumerate(command):
                self.store(COMMANDS + 16 * self._tail + 8 * half, dword)
            self._tail = (self._tail + 1) % 256
        self._write("cqt", self._tail)
        for target in self.targets:
            for _ in range(100):
                if target.read(IOMMU_REGISTERS["cqh"].offset, 4) == self._tail:
                    break
            else:
                raise AssertionError("commands were not executed")

    def _access(self):
        r, space = self.r, self.r.choice(self.spaces)
        iova = r.choice(space.pool) ^ r.randrange(4096)
        if r.random() < 0.1:
            iova ^= 1 << r.randrange(12, 64)
        pid = None
        if r.random() < (0.6 if space.process else 0.03):
            pid = r.randrange(PROCESSES + (r.random() < 0.1))
        step = Step(op="translate", did=space.did, pid=pid, iova=iova, length=1,
                    priv=pid is not None and r.random() < 0.2, access=r.choice("rwx"),
                    type="untranslated" if r.random() < 0.98 else "translated")
        golden, other = (target.translate(step) for target in self.targets)
        for name in ("ok", "addr", "pbmt", "qos"):
            assert getattr(golden, name) == getattr(other, name), (name, step)
        self.accesses += 1

    def _same(self, what):
        golden, other = map(what, self.targets)
        assert golden == other
        return golden

    def _write(self, name, value, size=4):
        for target in self.targets:
            target.write(IOMMU_REGISTERS[name].offset, value, size)


def _noting(seen):
    return lambda qos, addr, write: seen.setdefault((write, addr), set()).add(qos)


def _same_region(golden, other):
    """Whether two entries of a 64 KiB region differ in A and D: one of its sixteen has them."""
    return any(PTE.get(one, "n") and not (one ^ two) & ~(PTE.mask("a") | PTE.mask("d"))
               for one, two in ((golden, other), (_swapped(golden), _swapped(other))))


def _swapped(value):
    return int.from_bytes(value.to_bytes(8, "little"), "big")


class _Space:
    """A device with its own tables, addresses and identifiers."""

    def __init__(self, world, did):
        self.world, self.r, self.did = world, world.r, did
        self.pscid, self.gscid = 16 * did, did + 1
        self.pool = [0] * POOL
        self.configure()

    def configure(self):
        """Make new tables and a new context."""
        r, world = self.r, self.world
        first = [mode for mode, name in FIRST.items() if world.has(name)]
        second = [mode for mode, name in SECOND.items() if world.has(name)]
        self.guest = r.choice(second) if second and r.random() < 0.5 else 0
        self.paged = r.choice(first) if r.random() < 0.8 else 0
        self.process = world.has("pd8") and r.random() < 0.4
        self.big = world.has("end") and r.random() < 0.5
        self.gpas = [self._page_number(40) << 12 for _ in range(POOL)]
        if self.guest:
            self.guest_root = world.page(4)
            # Where the tables are, guest addresses are physical ones.
            self._map(self.guest_root, self.guest - 6, BASE, 1, PTE.pack(
                v=1, r=1, w=1, x=1, u=1, a=1, d=1, ppn=BASE >> 12), wide=True)
            self._map(self.guest_root, self.guest - 6, BASE + (1 << 21), 1, PTE.pack(
                v=1, r=1, w=1, x=1, u=1, a=1, d=1, ppn=BASE + (1 << 21) >> 12), wide=True)
        bits = {0: 39, 8: 38, 9: 47, 10: 56}[self.paged]
        self.pool = [r.getrandbits(bits) & -4096 for _ in range(POOL)]
        if self.paged:
            self.pool = [iova - (1 << bits + 1) & 2**64 - 1 if r.random() < 0.3 else iova
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
        tc["sbe"] = self.big
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
        level = self.r.choice((0, 0, 0, 1, 2))
        ppn = (self.r.choice(self.gpas) >> 12 if self.guest and self.r.random() < 0.8
               else self._page_number(40))
        self._map_leaf(self.root, self.paged - 6, iova, level, ppn, self._flags(user=0.9))

    def _guest_leaf(self, gpa):
        level = self.r.choice((0, 0, 0, 1))
        self._map_leaf(self.guest_root, self.guest - 6, gpa, level, self._page_number(44),
                       self._flags(user=0.98), wide=True)

    def _map_leaf(self, root, top, addr, level, ppn, flags, *, wide=False):
        if self.r.random() < 0.95:
            ppn &= -1 << 9 * level
        pages, big = 1, self.world.has("end") if wide else self.big
        if level == 0 and self.r.random() < 0.2:
            ppn, pages, addr, flags["n"] = ppn & ~15 | 8, 16, addr & ~0xFFFF, 1
        for page in range(pages):
            entry = self._map(root, top, addr + (page << 12), level, PTE.pack(ppn=ppn, **flags),
                              wide=wide)
        for other in range(entry & -128, (entry & -128) + 128, 8):
            if pages == 1 and other != entry and PTE.get(
                    self.world.load(other, big=big), "n"):
                self.world.store(other, 0)      # sixteen equal ones, or none

    def _map(self, root, top, addr, level, word, *, wide=False):
        """Put ``word`` into the table of ``level``, or in the place of a larger page above it."""
        table, world, big = root, self.world, self.world.has("end") if wide else self.big
        for above in range(top, level, -1):
            entry = table + self._index(addr, above, top, wide) * 8
            old = world.load(entry, big=big)
            if not old:
                old = PTE.pack(v=1, ppn=world.page() >> 12)
                world.store(entry, old, big=big)
            below = PTE.get(old, "ppn") << 12
            if old & 0b1110 or not BASE <= below < BASE + SIZE:     # no table of ours
                level, word = above, PTE.pack(word, n=0)
                break
            table = below
        entry = table + self._index(addr, level, top, wide) * 8
        world.store(entry, word, big=big)
        return entry

    @staticmethod
    def _index(addr, level, top, wide):
        return addr >> 12 + 9 * level & ((1 << 11) - 1 if wide and level == top else 511)
