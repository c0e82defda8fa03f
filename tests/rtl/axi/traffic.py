"""Many bursts at once on one AXI4 port, and what must come back."""

from collections import defaultdict
from dataclasses import dataclass
from random import Random

from rtl.axi.signature import Burst, Resp
from sim.axi import beat_addresses
from sim.streams import collect, send

IMAGE = bytes(Random(5).randbytes(1 << 14))
#: Reads are within the first half of the image, and the second half is written.
WRITES = len(IMAGE) // 2


@dataclass(frozen=True)
class Access:
    """One burst. ``resp`` is the answer that is expected of each beat."""

    write: bool
    id: int
    addr: int
    len: int
    size: int = 3
    burst: Burst = Burst.INCR
    resp: Resp = Resp.OKAY

    @property
    def beats(self) -> list[int]:
        return beat_addresses(self.addr, self.len, self.size, self.burst)

    @property
    def address(self) -> dict:
        return {"id": self.id, "addr": self.addr, "len": self.len, "size": self.size,
                "burst": self.burst}


def accesses(random: Random, count: int, *, ids: int, base: int = 0, slots=range(32)):
    """Random accesses within the image at ``base``; each write has a place of its own."""
    free = list(slots)
    for _ in range(count):
        length = random.choice([0, 0, 1, 3, 7, 15])
        burst = random.choice([Burst.INCR, Burst.INCR, Burst.WRAP if length else Burst.FIXED])
        size = random.choice([3, 3, 2])
        if random.random() < 0.5 and free:
            addr = base + WRITES + 256 * free.pop(0)
            yield Access(True, random.randrange(ids), addr, length, size, burst)
        else:
            addr = base + random.randrange(WRITES // 256) * 256 + 8 * random.randrange(16)
            yield Access(False, random.randrange(ids), addr, length, size, burst)


def word(addr: int) -> int:
    """Contents of the bus word at ``addr``, in the image that starts at a multiple of its size."""
    low = addr % len(IMAGE) & -8
    return int.from_bytes(IMAGE[low:low + 8], "little")


def drive(this, bus, todo, *, stall=0.0, seed=0):
    """Add testbenches to the bench ``this``: carry out ``todo`` on ``bus``, check every answer.

    Addresses, data and responses of each direction flow independently of each other.
    """
    reads = [access for access in todo if not access.write]
    writes = [access for access in todo if access.write]

    @this.testbench
    async def read_addresses(ctx):
        await send(ctx, bus.ar, (access.address for access in reads), stall=stall, seed=seed)

    @this.testbench
    async def write_addresses(ctx):
        await send(ctx, bus.aw, (access.address for access in writes), stall=stall, seed=seed + 1)

    @this.testbench
    async def write_data(ctx):
        beats = [{"data": written(addr), "strb": lanes(addr, access.size), "last": k == access.len}
                 for access in writes for k, addr in enumerate(access.beats)]
        await send(ctx, bus.w, beats, stall=stall, seed=seed + 2)

    @this.testbench
    async def read_data(ctx):
        expected = defaultdict(list)
        for access in reads:
            for k, addr in enumerate(access.beats):
                data = word(addr) if access.resp is Resp.OKAY else 0
                expected[access.id].append((data, access.resp, k == access.len))
        got = await collect(ctx, bus.r, sum(map(len, expected.values())), stall=stall,
                            seed=seed + 3)
        answers = defaultdict(list)
        for beat in got:
            answers[beat.id].append((beat.data, beat.resp, beat.last))
        assert answers == expected

    @this.testbench
    async def write_responses(ctx):
        expected, answers = defaultdict(list), defaultdict(list)
        for access in writes:
            expected[access.id].append(access.resp)
        for beat in await collect(ctx, bus.b, len(writes), stall=stall, seed=seed + 4):
            answers[beat.id].append(beat.resp)
        assert answers == expected


def lanes(addr: int, size: int) -> int:
    """Strobes of one beat on a bus of 8 bytes."""
    return (1 << (1 << size)) - 1 << (addr & 7 & -(1 << size))


def written(addr: int) -> int:
    """Word that a write puts on the bus for the beat at ``addr``."""
    return (addr * 0x9E37_79B9_7F4A_7C15 ^ 0xA5A5) & (1 << 64) - 1


def check_memory(contents: bytes, base: int, todo):
    """Compare ``contents``, at ``base``, with what the writes of ``todo`` leave behind."""
    expected = bytearray(IMAGE)
    for access in todo:
        if access.write and access.resp is Resp.OKAY:
            for addr in access.beats:
                low = addr - base & -8
                for lane in range(8):
                    if lanes(addr, access.size) >> lane & 1:
                        expected[low + lane] = written(addr) >> 8 * lane & 0xFF
    assert contents == expected
