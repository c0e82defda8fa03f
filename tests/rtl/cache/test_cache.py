"""Cache: one access after the other, against the model."""

from random import Random

import pytest
from amaranth.back import rtlil

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst, Resp
from rtl.cache.cache import Cache
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheEdge
from sim.axi import beat_addresses

from .harness import SHAPES, Setup
from .model import Model

SPACE = 1 << 12


def any_burst(random: Random, width: int, span: int):
    """Address, AxLEN, AxSIZE and kind of a random burst within ``span`` bytes."""
    while True:
        size = random.choice([width.bit_length() - 1] * 3 + list(range(width.bit_length())))
        burst = random.choice([Burst.INCR] * 5 + [Burst.WRAP, Burst.FIXED])
        addr = random.randrange(span)
        length = random.choice([0, 0, 0, 1, 3, 7, random.randrange(40)])
        if random.random() < 0.7:
            addr &= -1 << size
        if burst is Burst.WRAP:
            length, addr = random.choice([1, 3, 7, 15]), addr & -1 << size
        elif burst is Burst.FIXED:
            length %= 16
        if all(at < span for at in beat_addresses(addr, length, size, burst)):
            return addr, length, size, burst


def lanes(addr: int, size: int, width: int) -> int:
    """Strobes that a beat may set."""
    low = addr % width
    high = (addr & -1 << size) % width + (1 << size)
    return (1 << high) - (1 << low)


def exclusive(addr: int, length: int, size: int, burst: Burst) -> bool:
    """Whether such a burst may be exclusive."""
    total = length + 1 << size
    return (burst is Burst.INCR and length < 16 and total <= 128 and total & (total - 1) == 0
            and addr % total == 0)


def failures(random: Random, span: int, kinds: str):
    """Up to two small regions that fail."""
    for _ in range(random.randrange(3)):
        low = random.randrange(span)
        yield low, low + random.choice([1, 8, 64]), random.choice(kinds), Resp.SLVERR


async def access(random, cpu, model, width, span):
    """One random access, compared."""
    line = model.params.line_bytes
    addr, length, size, burst = any_burst(random, width, span)
    # Whether a refill that fails is still on its way when its burst comes back is not specified.
    while model.fails and burst is Burst.WRAP and length + 1 << size > line:
        addr, length, size, burst = any_burst(random, width, span)
    allocates = random.random() < 0.85
    lock = exclusive(addr, length, size, burst) and random.random() < 0.3
    cached = allocates and not lock
    attributes = {"size": size, "burst": burst, "id": random.randrange(2),
                  "lock": lock,
                  "cache": random.choice([CACHE_WRITE_BACK, 0b0110, 0b1010]) if allocates else
                  random.choice([CACHE_BYPASS, 0])}
    if random.random() < 0.5:
        words, resps = await cpu.read(addr, length + 1, **attributes)
        expected = model.read(addr, length, size, burst, cached)
        for word, resp, (data, possible) in zip(words, resps, expected, strict=True):
            assert resp in possible
            assert resp is not Resp.OKAY or data == word.to_bytes(width, "little")
    else:
        beats = [(random.getrandbits(8 * width), random.getrandbits(width) & lanes(at, size, width))
                 for at in beat_addresses(addr, length, size, burst)]
        resp = await cpu.write(addr, [word for word, _ in beats], [strb for _, strb in beats],
                               **attributes)
        kept = cached and attributes["cache"] & 1 == 1      # not write-through
        assert resp is model.write(addr, length, size, burst, kept, beats)


async def maintain(random, software, model, span):
    """One random command, compared."""
    start, end = random.randrange(span), random.randrange(span)
    if random.random() < 0.9:
        start, end = sorted((start, end))
    if random.random() < 0.4:
        end = min(end, start + random.randrange(100))
    mode, whole = random.choice([0, 0, 1, 1, 2, 2, 3]), random.random() < 0.2
    if random.random() < 0.5:
        edge = random.choice(list(CacheEdge))
        await software.queue(mode, start, end, whole=whole, edge=edge)
        assert await software.result() == model.command(mode, start, end, whole, edge)
        return
    await software.maintain(mode, start, end, whole=whole)
    model.maintain(mode, start, end, whole)


@pytest.mark.parametrize("errors", ["", "r", "w", "rw"])
@pytest.mark.parametrize("shape", SHAPES)
def test_model(bench, shape, errors):
    """Every response, every register, and memory at the end."""
    span = 4 * SHAPES[shape].size_bytes if shape != "long" else 1 << 12
    image = Random(shape).randbytes(SPACE)
    this = Setup(bench, shape, size=SPACE, image=image, latency=2 if errors else 5)
    params = this.params

    async def program(ctx, cpu, software, memory):
        random, model = Random(f"{shape} {errors}"), Model(params, image)
        for step in range(50):
            if errors and step % 10 == 0:
                memory.heal()
                model.fails = list(failures(random, span, errors))
                for low, high, kinds, resp in model.fails:
                    memory.fail(low, high, kinds, resp)
            if random.random() < 0.12:
                await maintain(random, software, model, span)
            else:
                await access(random, cpu, model, params.data_width // 8, span)
            if step % 7 == 6:
                state = await software.state()
                assert state["err_addr"] in model.first, step
                assert state | {"err_addr": model.state["err_addr"]} == model.state, step
            if step % 20 == 19:
                await software.write("status", refill_error=1, write_error=1, refused=1)
                model.state["status"] = 0
        memory.heal()
        model.fails = []
        await software.maintain(2, whole=True)
        model.maintain(2, 0, 0, True)
        assert memory.data == model.memory

    this.run(program)


@pytest.mark.parametrize("params", [*SHAPES.values(), CacheParams()], ids=[*SHAPES, "default"])
def test_netlist(params):
    rtlil.convert(Cache(params))
