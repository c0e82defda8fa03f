"""Random tables, contexts, commands and accesses for two IOMMUs that must agree on everything."""

import random

import numpy as np

from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.page_table import PTE, DdtpMode
from sim.vectors import Scenario, Step

from .lockstep_space import BASE, DIRECTORY, PROCESSES, SIZE, Space

__all__ = ["Lockstep"]

COMMANDS, FAULTS, TABLES = BASE, BASE + 4096, DIRECTORY + 4096
DEVICES = 6


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
        self.gxl = self.has("sv32x4") and self.r.random() < 0.5
        scenario = Scenario(
            name="lockstep", fctl=2 | self.has("end") | 4 * self.gxl, mem_base=BASE,
            mem_size=SIZE, mem=[], steps=[],
            capabilities=CAPABILITIES.pack(version=0x10, igs=1, pas=44, **self.caps))
        for target in targets:
            target.reset(scenario)
        self.seen = {}, {}              # identifiers of own accesses, by direction and address
        for target, seen in zip(targets, self.seen, strict=True):
            target.watch(_noting(seen) if self.has("qosid") else None)
        self._next, self._tail, self.accesses, self.tagged = TABLES, 0, 0, 0
        self.spaces = [Space(self, did) for did in range(DEVICES)]
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
        """The fault queue, without the doubleword that is free for custom use.

        Of an implicit access, low bits of the guest address may read as 0: they are not compared.
        """
        big = target.read(IOMMU_REGISTERS["fctl"].offset, 4) & 1
        words = np.frombuffer(target.memory.peek(FAULTS, 128 * 32), dtype=">u8" if big else "<u8")
        words = words.reshape(128, 4)[:, [0, 2, 3]].astype(np.uint64)
        words[words[:, 2] & np.uint64(1) == 1, 2] &= ~np.uint64(0xFFC)
        return words.tobytes()

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

    def store_entry(self, addr, value, size, *, big):
        """Store an entry of ``size`` bytes, big-endian or not."""
        if size == 4:
            half, other = 8 * (addr & 4), self.targets[0].peek(addr & -8)
            word = int.from_bytes((value & 0xFFFF_FFFF).to_bytes(4, "big" if big else "little"),
                                  "little")
            addr, value, big = addr & -8, other & ~(0xFFFF_FFFF << half) | word << half, False
        self.store(addr, value, big=big)

    def load_entry(self, addr, size, *, big):
        if size == 8:
            return self.load(addr, big=big)
        word = self.targets[0].peek(addr & -8) >> 8 * (addr & 4) & 0xFFFF_FFFF
        return int.from_bytes(word.to_bytes(4, "little"), "big" if big else "little")

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
