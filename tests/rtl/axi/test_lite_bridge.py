"""AXI4 to AXI4-Lite: the accesses that every burst becomes, in order, and its answers."""

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.lite_bridge import LiteBridge
from rtl.axi.signature import Burst, Resp, Signature
from sim.axi import Manager, beat_addresses
from sim.checked import Checked
from sim.streams import get, put

BAD = range(0x80, 0x90)             # answered SLVERR
NONE = range(0x90, 0xA0)            # answered DECERR


def resp(addr):
    return Resp.SLVERR if addr in BAD else Resp.DECERR if addr in NONE else Resp.OKAY


def content(addr):
    return addr * 0x0101_0101 & 0xFFFF_FFFF


def attach(this, regs, log):
    """Registers whose contents follow from their address; note every access in ``log``."""

    @this.background
    async def reads(ctx):
        log.clear()
        while True:
            addr = (await get(ctx, regs.ar)).addr
            log.append(("r", addr))
            await put(ctx, regs.r, {"data": content(addr), "resp": resp(addr)})

    @this.background
    async def writes(ctx):
        while True:
            first, second = (regs.w, regs.aw) if len(log) % 2 else (regs.aw, regs.w)
            one = await get(ctx, first)
            two = await get(ctx, second)
            addr, data = (two, one) if first is regs.w else (one, two)
            log.append(("w", addr.addr, data.data, data.strb))
            await put(ctx, regs.b, {"resp": resp(addr.addr)})


def words(addr, size):
    """Words that a beat touches."""
    return range(addr & -4, (addr | (1 << size) - 1) + 1, 4)


def model(accesses, width):
    """What must be in the log, and each access's answer."""
    log, answers = [], []
    for kind, addr, length, size, burst, data, strobes in accesses:
        beats, worst, answer = beat_addresses(addr, length, size, burst), Resp.OKAY, []
        for k, beat in enumerate(beats):
            value, error = 0, Resp.OKAY
            for word in words(beat, size) if kind == "r" else reversed(words(beat, size)):
                lane = word % width
                if kind == "r":
                    log.append(("r", word))
                    value |= content(word) << 8 * lane
                elif strb := strobes[k] >> lane & 15:
                    log.append(("w", word, data[k] >> 8 * lane & 0xFFFF_FFFF, strb))
                else:
                    continue
                if resp(word) is not Resp.OKAY:
                    error = worst = resp(word)
            answer.append((value, error))
        answers.append(answer if kind == "r" else worst)
    return log, answers


@st.composite
def access(draw, width):
    size = draw(st.integers(0, width.bit_length() - 1))
    burst = draw(st.sampled_from(Burst))
    length = draw(st.sampled_from([1, 3] if burst is Burst.WRAP else [0, 1, 2]))
    addr = draw(st.integers(0x40, 0xC0))
    addr = addr & -(1 << size) if burst is Burst.WRAP else addr
    data = [draw(st.integers(0, (1 << 8 * width) - 1)) for _ in range(length + 1)]
    strobes = []
    for beat in beat_addresses(addr, length, size, burst):
        low = beat % width
        lanes = (1 << (low | (1 << size) - 1) + 1) - (1 << low)
        strobes.append(lanes & draw(st.sampled_from([-1, -1, 0x0F, 0xF0, 0x5A])))
    return draw(st.sampled_from("rw")), addr, length, size, burst, data, strobes


@pytest.mark.parametrize("width", [4, 8, 16])
def test_bursts(bench, width):
    @settings(max_examples=8)
    @given(st.lists(access(width), min_size=1, max_size=6))
    def check(accesses):
        dut = Checked(LiteBridge(Signature(addr_width=12, data_width=8 * width, id_width=2)))
        this = bench(dut)
        log = []
        attach(this, dut.regs, log)
        expected, answers = model(accesses, width)

        @this.testbench
        async def driver(ctx):
            bus = Manager(ctx, dut.bus)
            for (kind, addr, length, size, burst, data, strobes), answer in zip(
                    accesses, answers, strict=True):
                how = {"size": size, "burst": burst, "id": addr % 4}
                if kind == "r":
                    got = await bus.read(addr, length + 1, **how)
                    assert list(zip(*got, strict=True)) == answer
                else:
                    assert await bus.write(addr, data, strobes, **how) is answer
            assert log == expected

        this.run()

    check()


def test_halves_of_a_register(bench):
    """64 bits: written high half first, read low half first."""
    dut = Checked(LiteBridge(Signature(addr_width=12, data_width=64)))
    this = bench(dut)
    log = []
    attach(this, dut.regs, log)

    @this.testbench
    async def driver(ctx):
        bus = Manager(ctx, dut.bus)
        await bus.write(0x10, [0x1111_2222_3333_4444])
        assert await bus.read(0x10) == ([content(0x14) << 32 | content(0x10)], [Resp.OKAY])
        assert log == [("w", 0x14, 0x1111_2222, 15), ("w", 0x10, 0x3333_4444, 15),
                       ("r", 0x10), ("r", 0x14)]

    this.run()


@pytest.mark.parametrize("data_width", [32, 64, 512])
def test_netlist(data_width):
    rtlil.convert(LiteBridge(Signature(addr_width=32, data_width=data_width)))


def test_too_narrow():
    with pytest.raises(ValueError, match=r"^Bus must be at least 32 bits wide, not 16$"):
        LiteBridge(Signature(addr_width=32, data_width=16))
