"""TableReads and TableWrites: doublewords over buses of several widths, for several clients."""

import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.axi.signature import Resp, Signature
from rtl.iommu.tables import ReadSignature, TableReads, TableWrites, WriteSignature
from sim.axi import Memory
from sim.checked import Checked
from sim.streams import put

BASE, SIZE = 0x1_0000, 0x1000
#: Doubleword and length of a request; a few start in the part of memory that answers with errors.
REQUESTS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4)), max_size=6)
WIDTHS = st.sampled_from([64, 128, 256, 512])


class Tables(wiring.Component):
    """Both halves on one port."""

    def __init__(self, width, readers=3, writers=2):
        widths = {"phys_bits": 32, "data_width": width, "id_width": 2}
        self.parts = TableReads(**widths, n=readers), TableWrites(**widths, n=writers)
        super().__init__({
            "readers": wiring.In(ReadSignature(32)).array(readers),
            "writers": wiring.In(WriteSignature(32)).array(writers),
            "bus": Out(Signature(addr_width=32, data_width=width, id_width=2))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.reads, m.submodules.writes = reads, writes = self.parts
        for mine, part in ((self.readers, reads.readers), (self.writers, writes.writers)):
            for outer, inner in zip(mine, part, strict=True):
                connect(m, flipped(outer), inner)
        bus = flipped(self.bus)
        for part, channels in ((reads, ("ar", "r")), (writes, ("aw", "w", "b"))):
            for channel in channels:
                connect(m, getattr(part, channel), getattr(bus, channel))
        return m


@given(requests=st.tuples(REQUESTS, REQUESTS, REQUESTS), width=WIDTHS,
       stall=st.sampled_from([0.0, 0.4]), latency=st.integers(1, 5))
@settings(max_examples=10)
def test_reads(bench, requests, width, stall, latency):
    """Each reader gets its own data, in order, with the errors of its own beats."""
    dut = Checked(Tables(width))
    this = bench(dut)
    memory = Memory(dut.bus, base=BASE, size=SIZE, latency=latency, stall=stall).attach(this)
    memory.write(BASE, bytes(n * 7 & 0xFF for n in range(SIZE)))
    memory.fail(BASE + 0x140, BASE + 0x150)

    for reader, mine in zip(dut.readers, requests, strict=True):
        @this.testbench
        async def testbench(ctx, reader=reader, mine=mine):
            for start, count in mine:
                addr = BASE + 8 * start
                await put(ctx, reader.request, {"addr": addr, "len": count - 1})
                for beat in range(count):
                    word, error, last = await ctx.tick().sample(
                        reader.reply.data, reader.reply.error, reader.reply.last
                    ).until(reader.reply.valid)
                    where = addr + 8 * beat
                    assert error == (BASE + 0x140 <= where < BASE + 0x150)
                    assert word == int.from_bytes(memory.read(where, 8), "little")
                    assert last == (beat == count - 1)

    this.run()


@given(requests=st.tuples(REQUESTS, REQUESTS), width=WIDTHS, stall=st.sampled_from([0.0, 0.4]))
@settings(max_examples=10)
def test_writes(bench, requests, width, stall):
    """Writer 0 writes doublewords, writer 1 words of 4 bytes; each to its own half of memory."""
    dut = Checked(Tables(width))
    this = bench(dut)
    memory = Memory(dut.bus, base=BASE, size=SIZE, latency=2, stall=stall).attach(this)
    memory.fail(BASE + 0x140, BASE + 0x150)

    for number, (writer, mine) in enumerate(zip(dut.writers, requests, strict=True)):
        @this.testbench
        async def testbench(ctx, number=number, writer=writer, mine=mine):
            image = bytearray(SIZE // 2)
            for start, count in mine:
                addr = (0x800 if number else 0) + (4 if number else 8) * start
                words = [start << 32 | 0xFF00 + 0x11 * k for k in range(count)]
                ctx.set(writer.addr, BASE + addr)
                ctx.set(writer.word, number)
                ctx.set(writer.len, 0 if number else count - 1)
                ctx.set(writer.valid, 1)
                done = False
                while not done:
                    # The answer to `index` must be there in the same cycle.
                    ctx.set(writer.data, words[0] * 0x1_0000_0001 & 2**64 - 1 if number else
                            words[ctx.get(writer.index)] if ctx.get(writer.index) < count else 0)
                    *_, done, error = await ctx.tick().sample(writer.done, writer.error)
                ctx.set(writer.valid, 0)
                size = 4 if number else 8
                for k, word in enumerate(words[:1 if number else count]):
                    where = addr + size * k
                    if not 0x140 <= where < 0x150:
                        low = word if not number else word * 0x1_0000_0001 >> 8 * (where & 4)
                        image[where % 0x800:where % 0x800 + size] = (
                            low & (1 << 8 * size) - 1).to_bytes(size, "little")
                assert error == any(0x140 <= addr + 8 * k < 0x150 for k in range(count))
                await ctx.tick()
            assert memory.read(BASE + (0x800 if number else 0), SIZE // 2) == image

    this.run()


def test_reads_of_several_clients_overlap(bench):
    """Three readers, latency 10: three reads take less than two one after the other."""
    dut = Checked(Tables(64))
    this = bench(dut, timeout=30)
    Memory(dut.bus, base=BASE, size=SIZE, latency=10).attach(this)

    for reader in dut.readers:
        @this.testbench
        async def testbench(ctx, reader=reader):
            await put(ctx, reader.request, {"addr": BASE})
            cycles = 0
            async for *_, valid in ctx.tick().sample(reader.reply.valid):
                cycles += 1
                if valid:
                    break
            assert cycles < 15

    this.run()


def test_error_responses(bench):
    """DECERR is an error, too."""
    dut = Checked(Tables(64))
    this = bench(dut)
    Memory(dut.bus, base=BASE, size=SIZE).attach(this).fail(BASE, BASE + 8, "r", Resp.DECERR)

    @this.testbench
    async def testbench(ctx):
        reader = dut.readers[1]
        for addr in (BASE, 0):
            await put(ctx, reader.request, {"addr": addr})
            (error,) = await ctx.tick().sample(reader.reply.error).until(reader.reply.valid)
            assert error

    this.run()


@pytest.mark.parametrize("resp", Resp)
@pytest.mark.parametrize("lock", [0, 1])
def test_exclusive(bench, lock, resp):
    """An exclusive read must be answered as such; an exclusive write that was not has no effect."""
    dut = Tables(64)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        reader, writer, bus = dut.readers[0], dut.writers[1], dut.bus
        ctx.set(reader.request.p.lock, lock)
        ctx.set(reader.request.valid, 1)
        ctx.set(bus.ar.ready, 1)
        *_, valid, asked = await ctx.tick().sample(bus.ar.valid, bus.ar.p.lock)
        ctx.set(reader.request.valid, 0)
        ctx.set(bus.r.p, {"resp": resp, "last": 1})
        ctx.set(bus.r.valid, 1)
        *_, there, error = await ctx.tick().sample(reader.reply.valid, reader.reply.error)
        ctx.set(bus.r.valid, 0)
        good = Resp.EXOKAY if lock else Resp.OKAY
        assert (valid, asked, there, error) == (1, lock, 1, resp is not good)

        ctx.set(writer.lock, lock)
        ctx.set(writer.valid, 1)
        ctx.set(bus.aw.ready, 1)
        ctx.set(bus.w.ready, 1)
        (asked,) = await ctx.tick().sample(bus.aw.p.lock).until(bus.aw.valid)
        ctx.set(bus.b.p.resp, resp)
        ctx.set(bus.b.valid, 1)
        error, missed = await ctx.tick().sample(writer.error, writer.missed).until(writer.done)
        assert (asked, error) == (lock, resp in (Resp.SLVERR, Resp.DECERR))
        assert missed == (lock and resp is Resp.OKAY)

    this.run()


@pytest.mark.parametrize("width, readers, writers", [(64, 1, 1), (512, 3, 2)])
def test_netlist(width, readers, writers):
    rtlil.convert(Tables(width, readers, writers))


@pytest.mark.parametrize("poison", [False, True])
def test_poison(bench, poison):
    """Corrupt data is an error, and told apart from one of the bus, if the port can."""
    dut = TableReads(phys_bits=32, data_width=64, id_width=1, n=1, poison=poison)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.ar.ready, 1)
        for corrupt, resp, expected in ((0, Resp.OKAY, (0, 0)), (1, Resp.OKAY, (1, 1)),
                                        (0, Resp.SLVERR, (1, 0))):
            await put(ctx, dut.readers[0].request, {"addr": 0x1000})
            if poison:
                ctx.set(dut.r.p.poison, corrupt)
            elif corrupt:
                expected = (0, 0)
            ctx.set(dut.r.p.resp, resp)
            ctx.set(dut.r.p.last, 1)
            ctx.set(dut.r.valid, 1)
            _, _, error, told = await ctx.tick().sample(
                dut.readers[0].reply.error, dut.readers[0].reply.poison)
            assert (error, told) == expected
            ctx.set(dut.r.valid, 0)

    this.run()
