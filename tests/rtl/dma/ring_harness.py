"""A ring engine with memory and a driver, and what it must leave in memory."""

from dataclasses import dataclass

from hypothesis import strategies as st

from rtl.dma.ring import Ring
from rtl.params import RingParams
from rtl.spec.ring_formats import WORD_1
from rtl.spec.ring_regs import RING_REGISTERS
from sim.axi import Memory
from sim.axi_lite import Manager

from .harness import IMAGE, SOURCES, TARGETS, copies

RING, DONE, SIZE = 0x0000, 0x1000, 0x20000
SHAPES = {
    "smallest": {"data_width": 32, "addr_width": 32, "id_width": 1, "reads_in_flight": 1,
                 "max_beats": 2, "depth": 8},
    "default": {},
    "own port": {"own_port": True, "reads_in_flight": 8},
    "odd": {"data_width": 128, "addr_width": 57, "reads_in_flight": 2, "max_beats": 256,
            "depth": 16, "own_port": True},
    "all": {"fill": True, "strided": True, "cyclic": True, "process_id": True, "urgent": True,
            "proceed": True},
    "narrow, all": {"data_width": 32, "addr_width": 36, "reads_in_flight": 2, "max_beats": 4,
                    "depth": 8, "fill": True, "strided": True, "cyclic": True, "proceed": True},
}
FILL = 1


@dataclass(frozen=True)
class Item:
    """One descriptor. Addresses in bytes; of a fill, ``src`` is the pattern."""

    src: int
    dst: int
    size: int
    long: bool = False
    irq: bool = False
    op: int = 0
    rows: int = 1
    strides: tuple[int, int] | None = None

    @property
    def slots(self) -> int:
        return 2 if self.long else 1

    def image(self) -> bytes:
        control = self.op | self.long << 4 | self.irq << 5 | (self.strides is not None) << 6
        words = [self.src | (0 if self.long else (self.size & 0xFFFF) << 48),
                 self.dst & (1 << 48) - 1 | control << 48]
        assert WORD_1.get(words[1], "irq") == self.irq
        if self.long:
            src_stride, dst_stride = self.strides or (0x5A5A_5A5A, 0x5A)
            words += [self.size & 0xFFFF_FFFF | self.dst >> 48 << 32 |
                      (self.rows - 1 if self.strides else 0x5A5A) << 48,
                      src_stride & 0xFFFF_FFFF | (dst_stride & 0xFFFF_FFFF) << 32]
        return b"".join(word.to_bytes(8, "little") for word in words)

    @property
    def total(self) -> int:
        """Bytes of all rows."""
        return self.size * self.rows

    def apply(self, image: bytes, result: bytearray):
        """Do what it asks for, reading ``image`` and writing ``result``."""
        src_stride, dst_stride = self.strides or (0, 0)
        for row in range(self.rows):
            src, dst = self.src + row * src_stride, self.dst + row * dst_stride
            pattern = self.src.to_bytes(8, "little")[:8 if self.long else 4] * self.size
            result[dst:dst + self.size] = (pattern[:self.size] if self.op == FILL else
                                           image[src:src + self.size])


@st.composite
def works(draw):
    """Copies and fills, with rows and without; what one writes no other one reads."""
    result = []
    for k in range(draw(st.integers(1, 5))):
        fill, rows = draw(st.booleans()), draw(st.sampled_from([0, 0, 1, 2, 3, 7]))
        long = bool(rows) or draw(st.booleans())
        size = draw(st.one_of(st.integers(1, 20), st.integers(1, 100)))
        strides = (draw(st.integers(-120, 120)), draw(st.integers(-120, 120))) if rows else None
        src = (draw(st.integers(0, (1 << (64 if long else 32)) - 1)) if fill else
               SOURCES + 0x400 + draw(st.integers(0, 3000)))
        dst = TARGETS + 0x400 + k * 0x900 + draw(st.integers(0, 70))
        result.append(Item(src, dst, size, long, draw(st.booleans()), FILL * fill, rows or 1,
                           strides))
    return result


@st.composite
def items(draw, **kwargs):
    """Copies whose targets are disjoint, in descriptors of either form."""
    return [Item(copy.src, copy.dst, copy.size, draw(st.booleans()), draw(st.booleans()))
            for copy in draw(copies(**kwargs))]


def expected(image: bytes, todo, done: int) -> bytes:
    """Memory after the first ``done`` of ``todo``, without rings."""
    result = bytearray(image)
    for item in todo[:done]:
        item.apply(image, result)
    return bytes(result)


def rig(bench, *, shape="default", timeout=30_000, **memory_args):
    """Engine, bench, memory of data, and of the rings (the same without a port of their own)."""
    params = RingParams(**SHAPES[shape])
    dut = Ring(params)
    this = bench(dut, timeout=timeout)
    data = Memory(dut.bus, size=SIZE, **memory_args)
    data.write(SOURCES, IMAGE)
    data.attach(this)
    rings = data
    if params.own_port:
        rings = Memory(dut.rings, size=SIZE, **memory_args)
        rings.attach(this)
    return dut, this, data, rings


class Driver:
    """What a driver does, in the testbench that owns ``ctx``."""

    def __init__(self, ctx, dut, rings, *, log2=4, window=0, base=RING):
        self.ctx, self.dut, self.rings, self.log2 = ctx, dut, rings, log2
        self.window, self.base, self.done = window, base, base + DONE - RING
        self.bus = Manager(ctx, dut.regs)
        self.tail = self.seen = self.word = 0
        self.control = {"run": 1, "irq_en": 1, "err_irq_en": 1, "irq_threshold": 255}

    async def read(self, name, field=None):
        register = RING_REGISTERS[name]
        word = await self.bus.readl(self.window + register.offset)
        return word if field is None else register[field].get(word)

    async def write(self, name, **fields):
        register = RING_REGISTERS[name]
        await self.bus.writel(register.pack(fields), self.window + register.offset)

    async def setup(self, **control):
        self.control |= control
        await self.write("size", log2=self.log2)
        await self.write("base", addr=self.base >> 12)
        await self.write("completion_base", addr=self.done >> 12)
        await self.write("cr", **self.control)

    async def submit(self, todo):
        """Put descriptors into the ring and ring the doorbell."""
        for item in todo:
            image = item.image()
            for k in range(item.slots):
                place = self.base + (self.tail + k) % (1 << self.log2) * 16
                at = place - self.rings.base
                self.rings.data[at:at + 16] = image[16 * k:16 * k + 16]
            self.tail = (self.tail + item.slots) % (1 << 16)
        await self.write("tail", slot=self.tail)

    async def completion(self):
        """Wait for the next completion: slot, fault, and bytes. ``word`` is all of it."""
        place = self.done + self.seen % (1 << self.log2) * 8
        phase = ~(self.seen >> self.log2) & 1
        while True:
            word = int.from_bytes(self.rings.read(place, 8), "little")
            if word >> 31 & 1 == phase:
                self.seen, self.word = self.seen + 1, word
                return word & 0xFFFF, word >> 16 & 7, word >> 32
            await self.ctx.tick()

    async def idle(self):
        while not await self.read("sr", "idle"):
            pass

    async def reset(self):
        """Reset, and return how often the bit read 1."""
        await self.write("cr", reset=1)
        polls = 0
        while await self.read("cr", "reset"):
            polls += 1
        self.tail = self.seen = 0
        at = self.done - self.rings.base
        self.rings.data[at:at + (8 << self.log2)] = bytes(8 << self.log2)
        return polls


assert TARGETS + 0x8000 <= SIZE
