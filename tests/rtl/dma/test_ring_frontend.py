"""RingFrontend: what descriptors of both forms ask for, and what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.axi.signature import Resp
from rtl.dma.jobs import Fault
from rtl.dma.ring_frontend import RingFrontend
from rtl.params import RingParams
from sim.streams import collect

from .parts import Reads, netlist
from .ring_harness import SHAPES, Item

LOG2 = 4


def run(bench, shape, todo, *, refused=None, stall=0.0, latency=1, seed=0):
    """Fetch descriptors; slot ``refused`` cannot be read."""
    params = RingParams(**SHAPES[shape])
    width = params.data_width // 8
    dut = RingFrontend(params)
    this = bench(dut)
    image = b"".join(item.image() for item in todo)

    def answer(addr):
        bad = refused is not None and addr // 16 == refused
        word = image[addr:addr + width].ljust(width, b"\0")
        return int.from_bytes(word, "little"), Resp.SLVERR if bad else Resp.OKAY

    reads = Reads(dut.bus, answer, latency=latency, stall=stall, seed=seed)
    this.background(reads.serve)
    expected, slot = [], 0
    for item in todo:
        lost = refused is not None and slot <= refused < slot + item.slots
        size = item.size if item.long else item.size & 0xFFFF or 1 << 16
        fill = item.op == 1 and params.fill
        invalid = ((item.op and not fill) or not 0 < size < 1 << 26 or
                   (item.dst if fill else item.src | item.dst) >> params.addr_width or
                   (item.strides and not (params.strided and item.long)))
        expected.append((slot, item, size, Fault.SG_SLV if lost else
                         Fault.DMA_INT if invalid else Fault.NONE))
        slot += item.slots
        if lost:
            break

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.size_log2, LOG2)
        ctx.set(dut.tail, len(image) // 16)
        ctx.set(dut.run, 1)
        got = await collect(ctx, dut.jobs, len(expected), stall=stall, seed=seed)
        for work, (slot, item, size, fault) in zip(got, expected, strict=True):
            job = work.job if params.strided else work
            assert (job.label.slot, job.fault) == (slot, fault)
            if fault is Fault.NONE:
                src = item.src
                if fill := params.fill and item.op:
                    src = src if item.long else src % (1 << 32) * 0x1_0000_0001
                assert (job.src, job.dst, job.span) == (src, item.dst, size - 1)
                assert job.label.irq == item.irq
                if params.fill:
                    assert job.fill == fill
                if params.strided:
                    found = work.rows, work.src_stride, work.dst_stride
                    strides = [stride % (1 << 32) for stride in item.strides or ()]
                    assert found[0] == item.rows - 1
                    assert found == (item.rows - 1, *strides) or not strides
        ctx.set(dut.jobs.ready, 1)
        for _ in range(4 * latency + 20):
            await ctx.tick()
            assert not ctx.get(dut.jobs.valid)
        assert not ctx.get(dut.pending) and not ctx.get(dut.busy)

    this.run()


ADDR = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1))
LONG = st.one_of(ADDR, st.integers(0, 2**64 - 1))
ITEM = st.one_of(
    st.builds(Item, ADDR, ADDR, st.integers(0, 2**16), irq=st.booleans(),
              op=st.sampled_from([0, 0, 0, 1, 9]),
              strides=st.sampled_from([None, None, None, (1, 2)])),
    st.builds(Item, LONG, LONG, st.one_of(st.integers(0, 2**26), st.integers(0, 2**32 - 1)),
              long=st.just(True), irq=st.booleans(), op=st.sampled_from([0, 1])),
    st.builds(Item, LONG, LONG, st.integers(1, 2**26 - 1), long=st.just(True),
              rows=st.integers(1, 65536),
              strides=st.tuples(*(st.integers(-2**31, 2**31 - 1),) * 2)))


@given(shape=st.sampled_from(sorted(SHAPES)), todo=st.lists(ITEM, min_size=1, max_size=7),
       stall=st.sampled_from([0.0, 0.5]), latency=st.sampled_from([1, 12]), seed=st.integers(0, 99))
def test_matches_model(bench, shape, todo, stall, latency, seed):
    run(bench, shape, todo, stall=stall, latency=latency, seed=seed)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("refused", range(5))
def test_unreadable(bench, shape, refused):
    """Either slot of a descriptor; nothing follows it."""
    run(bench, shape, [Item(k, k, 5, long=bool(k % 2)) for k in range(1, 6)], refused=refused,
        latency=6)


def test_half_is_handed_over(bench):
    """A long descriptor waits for its second slot."""
    dut = RingFrontend(RingParams())
    this = bench(dut)
    image = Item(8, 16, 24, long=True).image()
    reads = Reads(dut.bus, lambda addr: (int.from_bytes(image[addr:addr + 8], "little"), Resp.OKAY))
    this.background(reads.serve)

    @this.testbench
    async def driver(ctx):
        ctx.set(dut.size_log2, LOG2)
        ctx.set(dut.run, 1)
        ctx.set(dut.tail, 1)
        for _ in range(20):
            await ctx.tick()
            assert not ctx.get(dut.jobs.valid)
        ctx.set(dut.tail, 2)
        (job,) = await collect(ctx, dut.jobs, 1)
        assert (job.src, job.dst, job.span) == (8, 16, 23)

    this.run()


@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(shape):
    netlist(RingFrontend(RingParams(**SHAPES[shape])))
