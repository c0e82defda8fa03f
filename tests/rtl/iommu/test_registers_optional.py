"""Registers that only some builds have: messages, translation requests."""

import pytest

from .register_bench import run


@pytest.mark.parametrize("igs, fctl", [(0, (0, 0, 0)), (1, (2, 2, 2)), (2, (0, 0, 2))])
def test_interrupt_kinds(bench, igs, fctl):
    """fctl.wsi as the driver probes it: at reset, after 0 and after all ones."""
    async def script(ctx, dut, read, write):
        found = [await read("fctl")]
        for value in (0, 2**32 - 1):
            await write("fctl", value)
            found.append(await read("fctl"))
            assert ctx.get(dut.interrupts.wired) == found[-1] >> 1
        assert tuple(found) == fctl

    run(bench, script, igs=igs)


@pytest.mark.parametrize("vectors, kept", [(1, 0), (2, 0x11), (16, 0xFF)])
def test_vectors_and_messages(bench, vectors, kept):
    """What is kept of icvec, and of the message of each vector; beyond them all reads 0."""
    async def script(ctx, dut, read, write):
        await write("icvec", 2**64 - 1)
        assert await read("icvec") == kept
        for vector in {0, vectors - 1, 15}:
            names = [f"msi_{name}_{vector}" for name in ("addr", "data", "vec_ctl")]
            for name in names:
                assert await read(name) == 0
            for name, value in zip(names, (2**64 - 1, 0x1234_5678, 2**32 - 1), strict=True):
                await write(name, value)
            found = [await read(name) for name in names]
            if vector >= vectors:
                assert found == [0, 0, 0]
                continue
            assert found == [(1 << 56) - 4, 0x1234_5678, 1]
            message = dut.interrupts.messages[vector]
            assert ctx.get(message.addr) == (1 << 54) - 1
            assert (ctx.get(message.data), ctx.get(message.m)) == (0x1234_5678, 1)

    run(bench, script, igs=2, vectors=vectors)


def test_no_messages_without_the_capability(bench):
    async def script(ctx, dut, read, write):
        await write("msi_data_0", 1)
        assert await read("msi_data_0") == 0

    run(bench, script)


def test_translation_request(bench):
    """The low half of tr_req_ctl begins, go is busy, and the response is what was found."""
    async def script(ctx, dut, read, write):
        debug = dut.debug
        await write("tr_req_iova", 0xFEDC_BA98_7654_3FFF)
        assert await read("tr_req_iova") == 0xFEDC_BA98_7654_3000
        control = 0xABCDEF << 40 | 1 << 32 | 0x54321 << 12 | 0b1010
        await write("tr_req_ctl", control)
        assert await read("tr_req_ctl") == control
        assert not debug.seen
        await write("tr_req_ctl", control | 1)
        assert debug.seen == [(0xF_EDCB_A987_6543, 1, 0, 1, 0x54321, 1, 0xABCDEF)]
        ctx.set(debug.busy, 1)
        assert await read("tr_req_ctl") == control | 1
        ctx.set(debug.busy, 0)
        ctx.set(debug.ppn, 0xFFF_1234_5678)
        ctx.set(debug.pbmt, 2)
        assert await read("tr_response") == 0xFFF_1234_5678 << 10 | 2 << 7
        ctx.set(debug.fault, 1)
        ctx.set(debug.ppn, 0)
        ctx.set(debug.pbmt, 0)
        assert await read("tr_response") == 1

    run(bench, script, dbg=True)

    async def without(ctx, dut, read, write):
        await write("tr_req_iova", 2**64 - 1)
        assert await read("tr_req_iova") == 0

    run(bench, without)


def test_identifiers(bench):
    """As wide as there are; they reach the bus when no access waits there."""
    async def script(ctx, dut, read, write):
        await write("iommu_qosid", 2**32 - 1)
        assert await read("iommu_qosid") == 0x1F_0007
        assert (ctx.get(dut.qos.rcid), ctx.get(dut.qos.mcid)) == (7, 31)
        ctx.set(dut.hold, 1)
        await write("iommu_qosid", 2 | 3 << 16)
        assert await read("iommu_qosid") == 2 | 3 << 16
        assert (ctx.get(dut.qos.rcid), ctx.get(dut.qos.mcid)) == (7, 31)
        ctx.set(dut.hold, 0)
        await ctx.tick()
        assert (ctx.get(dut.qos.rcid), ctx.get(dut.qos.mcid)) == (2, 3)

    run(bench, script, qosid=True, rcid_bits=3, mcid_bits=5)

    async def without(ctx, dut, read, write):
        await write("iommu_qosid", 2**32 - 1)
        assert await read("iommu_qosid") == 0

    run(bench, without)


def test_a_bit_that_comes_back_begins_anew(bench):
    """Cleared while its source stands, a bit of ipsr is raised again; else only once."""
    async def script(ctx, dut, read, write):
        await write("cqcsr", 3)
        before = dut.raised
        ctx.set(dut.commands.illegal, 1)
        await ctx.tick()
        ctx.set(dut.commands.illegal, 0)
        await ctx.tick().repeat(4)
        assert dut.raised - before == 1
        await write("ipsr", 1)                          # comes back
        assert await read("ipsr") == 1
        assert dut.raised - before == 2
        await write("ipsr", 2)                          # another bit
        assert dut.raised - before == 2
        await write("cqcsr", 3 | 1 << 10)
        await write("ipsr", 1)                          # stays away
        assert await read("ipsr") == 0
        assert dut.raised - before == 2

    run(bench, script)
