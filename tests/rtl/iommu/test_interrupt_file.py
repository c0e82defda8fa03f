"""InterruptFile: what it does to memory, in which order, and what it answers."""

from random import Random

import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.iommu.interrupt_file import InterruptFile
from rtl.params import IommuParams
from rtl.spec.faults import Cause

KIND = {"sv39x4": True, "msi_flat": True, "msi_mrif": True}
PLAIN, ATOMIC = IommuParams(**KIND), IommuParams(**KIND, amo_mrif=True)
FILE, NOTICE, NUMBER = 0x1234 << 9, 0x5678 << 12, 0x6DB
#: Message: data, lane, doubleword of the page, whether whole, what goes wrong.
MESSAGES = st.tuples(st.integers(0, 2047) | st.sampled_from([2048, 1 << 31, 7 << 11]),
                     st.sampled_from([0, 0, 0, 1]), st.sampled_from([0, 0, 0, 1, 0x100]),
                     st.booleans() | st.just(True),
                     st.sampled_from(["", "", "", "read", "poison", "write", "notice",
                                      "beyond"]))


def expected(data, lane, at, whole, wrong):
    """Cause, and whether the bit is set, and whether notice is given."""
    if not whole:
        return Cause.TYPE_DISALLOWED, False, False
    if wrong == "beyond":
        return Cause.MRIF_ACCESS_FAULT, False, False
    if lane or at or data > 2047:
        return Cause.NONE, False, False
    causes = {"read": Cause.MRIF_ACCESS_FAULT, "poison": Cause.MRIF_CORRUPTION,
              "write": Cause.MRIF_ACCESS_FAULT, "notice": Cause.MSI_WRITE_ACCESS_FAULT}
    sets = wrong in ("", "notice")
    return causes.get(wrong, Cause.NONE), sets, sets and not wrong


@given(messages=st.lists(MESSAGES, min_size=1, max_size=8), seed=st.integers(0, 99),
       atomic=st.booleans())
@settings(max_examples=12)
def test_messages(bench, messages, seed, atomic):
    dut, random = InterruptFile(ATOMIC if atomic else PLAIN), Random(seed)
    this, memory, log, wrong = bench(dut), {}, [], [""]

    @this.background
    async def reads(ctx):
        while True:
            addr, lock = await ctx.tick().sample(dut.table.request.p.addr, dut.table.request.p.lock
                                                 ).until(dut.table.request.valid)
            assert lock == atomic and addr % 16 == 0 and FILE <= addr < FILE + 512
            assert ctx.get(dut.holds) == atomic
            ctx.set(dut.table.request.ready, 1)
            await ctx.tick()
            ctx.set(dut.table.request.ready, 0)
            await ctx.tick().repeat(random.randrange(1, 4))
            for name, value in (("valid", 1), ("last", 1), ("data", memory.get(addr, 0)),
                                ("error", wrong[0] in ("read", "poison")),
                                ("poison", wrong[0] == "poison")):
                ctx.set(getattr(dut.table.reply, name), value)
            await ctx.tick()
            ctx.set(dut.table.reply.valid, 0)

    @this.background
    async def writes(ctx):
        store = dut.store
        while True:
            addr, data, lock, word = await ctx.tick().sample(
                store.addr, store.data, store.lock, store.word).until(store.valid)
            await ctx.tick().repeat(random.randrange(1, 4))
            missed, what = lock and random.random() < 0.3, "notice" if word else "write"
            assert lock == (atomic and not word)
            ctx.set(store.missed, missed)
            ctx.set(store.error, wrong[0] == what)
            if wrong[0] != what and not missed:
                log.append((what, addr))
                memory[addr] = data & 0xFFFF_FFFF if word else data
            ctx.set(store.done, 1)
            await ctx.tick()
            ctx.set(store.done, 0)

    @this.testbench
    async def device(ctx):
        bits = {}
        ctx.set(dut.message.to, {"file": FILE >> 9, "notice": NOTICE >> 12, "number": NUMBER})
        for data, lane, at, whole, fault in messages:
            wrong[0] = fault
            log.clear()
            ctx.set(dut.message.at, at)
            ctx.set(dut.message.to.beyond, fault == "beyond")
            ctx.set(dut.message.want, 1)
            await ctx.tick().repeat(random.randrange(1, 4))
            assert not log                              # its data has not come
            ctx.set(dut.capture.word, data)
            ctx.set(dut.capture.lane, lane)
            ctx.set(dut.capture.whole, whole)
            ctx.set(dut.capture.valid, 1)
            (cause,) = await ctx.tick().sample(dut.message.cause).until(dut.message.done)
            ctx.set(dut.message.want, 0)
            ctx.set(dut.capture.valid, 0)
            answer, sets, tells = expected(data, lane, at, whole, fault)
            assert cause == answer
            where = FILE + (data >> 6) * 16
            assert log == [("write", where)] * sets + [("notice", NOTICE)] * tells
            if sets:
                bits[where] = bits.get(where, 0) | 1 << (data & 63)
            assert {addr: word for addr, word in memory.items() if addr != NOTICE} == bits
            assert memory.pop(NOTICE, NUMBER) == NUMBER
            await ctx.tick()
            assert not ctx.get(dut.holds)

    this.run()


def test_waits_for_walkers(bench):
    """The reservation of memory is one's alone: it begins when no walker has it."""
    dut = InterruptFile(ATOMIC)
    this = bench(dut)

    @this.testbench
    async def testbench(ctx):
        ctx.set(dut.locks, 1)
        ctx.set(dut.message.want, 1)
        ctx.set(dut.capture.valid, 1)
        ctx.set(dut.capture.whole, 1)
        for _ in range(5):
            await ctx.tick()
            assert not ctx.get(dut.holds) and not ctx.get(dut.table.request.valid)
        ctx.set(dut.locks, 0)
        await ctx.tick()
        assert ctx.get(dut.holds) and ctx.get(dut.table.request.valid)

    this.run()


@pytest.mark.parametrize("params", [PLAIN, ATOMIC, IommuParams(**KIND, data_width=512,
                                                               phys_bits=56)])
def test_netlist(params):
    rtlil.convert(InterruptFile(params))
