"""Split: bursts into parts, against beats that are grouped one by one."""

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import CACHE_BYPASS, CACHE_WRITE_BACK, Burst
from rtl.cache.layouts import Kind
from rtl.cache.split import Split
from sim.axi import beat_addresses
from sim.streams import collect, send

from .harness import SHAPES


def model(params, burst):
    """What the parts of a burst must be."""
    beats = beat_addresses(burst["addr"], burst["len"], burst["size"], burst["burst"])
    parts, before = [], None
    for start in range(0, len(beats), 16):
        chunk = beats[start:start + 16]
        for at, addr in enumerate(chunk):
            line = addr // params.line_bytes
            # A wrap back into the same line ends a part, but the line is not a new one.
            jumps = burst["burst"] is not Burst.FIXED and at and addr < chunk[at - 1]
            if at == 0 or jumps or line != before:
                parts.append({"line": line, "offset": addr % params.line_bytes, "beats": 0,
                              "starts": line != before, "opens": at == 0, "closes": False,
                              "chunk": len(chunk) - 1, "last": False})
            else:
                parts[-1]["beats"] += 1
            before = line
        parts[-1]["closes"] = True
    parts[-1]["last"] = True
    cached = burst["cache"] >> 2 and not burst["lock"]
    return [part | {"id": burst["id"], "size": burst["size"], "burst": burst["burst"],
                    "fixed": burst["burst"] is Burst.FIXED,
                    "kind": Kind.ACCESS if cached else Kind.BYPASS}
            for part in parts]


@st.composite
def bursts(draw, width: int):
    """Any burst that the protocol permits on a bus of ``width`` bytes."""
    kind, size = draw(st.sampled_from(list(Burst))), draw(st.integers(0, width.bit_length() - 1))
    addr, step = draw(st.integers(0, 4095)) + 0x7000, 1 << size
    if kind is Burst.WRAP:
        addr, length = addr & -step, draw(st.sampled_from([1, 3, 7, 15]))
    elif kind is Burst.FIXED:
        length = draw(st.integers(0, 15))
    else:
        length = draw(st.integers(0, min(255, (4095 - (addr & 4095 & -step)) // step)))
    return {"addr": addr, "len": length, "size": size, "burst": kind, "id": draw(st.integers(0, 1)),
            "lock": draw(st.sampled_from([0, 0, 0, 1])),
            "cache": draw(st.sampled_from([CACHE_WRITE_BACK, CACHE_BYPASS, 0b0111, 0b1011, 0]))}


@given(data=st.data(), shape=st.sampled_from(list(SHAPES)), stall=st.sampled_from([0.0, 0.5]),
       write=st.booleans())
def test_parts(bench, data, shape, stall, write):
    params = SHAPES[shape]
    offered = data.draw(st.lists(bursts(params.data_width // 8), min_size=1, max_size=6))
    expected = [part for burst in offered for part in model(params, burst)]
    dut = Split(params, write=write)
    this = bench(dut)

    @this.testbench
    async def addresses(ctx):
        await send(ctx, dut.i, offered, stall=stall)

    @this.testbench
    async def parts(ctx):
        for part, want in zip(await collect(ctx, dut.o, len(expected), stall=stall), expected,
                              strict=True):
            got = {name: getattr(part, name) for name in want} | {
                "line": part.line.set | part.line.tag << params.set_bits}
            if not part.opens:
                del got["chunk"], want["chunk"]
            assert got == want
            assert part.write == write

    this.run()


def test_no_cycle_is_lost(bench):
    """The first part comes with the address, then one a cycle, also between bursts."""
    dut = Split(SHAPES["small"], write=False)
    this = bench(dut)

    @this.testbench
    async def addresses(ctx):
        ctx.set(dut.o.ready, 1)
        burst = {"addr": 0x1010, "len": 15, "size": 3, "burst": Burst.INCR}     # 5 parts
        ctx.set(dut.i.payload, burst)
        ctx.set(dut.i.valid, 1)
        taken = []
        for _ in range(10):
            *_, valid, ready = await ctx.tick().sample(dut.o.valid, dut.i.ready)
            assert valid
            taken.append(ready)
        assert taken == [1, 0, 0, 0, 0] * 2

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    rtlil.convert(Split(SHAPES[shape], write=False))
