"""The driver of the CDMA as a provider of a channel, on the RTL and on the golden model."""

import pytest

from kernel_api import GFP_KERNEL, PAGE_SIZE, boot, cpu, dma_alloc_coherent
from kernel_api.dmaengine import (
    DMA_PREP_INTERRUPT,
    DmaStatus,
    DmaTxState,
    dma_async_issue_pending,
    dmaengine_pause,
    dmaengine_prep_dma_memcpy,
    dmaengine_submit,
    dmaengine_terminate_sync,
    dmaengine_tx_status,
)
from kernel_api.dmaengine.dmatest import DmatestParams, dmatest
from kernel_api.drivers.cdma_chan import CdmaChan
from sim.golden.machine import GoldenMachine


@pytest.fixture
def rtl(rtl_machine):
    rtl_machine.reset()
    return rtl_machine


@pytest.fixture(params=["golden", "rtl"])
def machine(request):
    return GoldenMachine() if request.param == "golden" else request.getfixturevalue("rtl")


@pytest.mark.parametrize("polled", [False, True])
def test_dmatest_on_the_list(machine, polled):
    """The CDMA's driver passes the kernel's test."""
    with boot(machine) as kernel:
        chan = CdmaChan(kernel.cdma)
        assert chan.probe() == 0
        lines = []
        assert dmatest(kernel, [chan], DmatestParams(
            iterations=2, threads_per_chan=2, test_buf_size=700, polled=polled), lines.append) == 0
        assert len(lines) == 2 and all("2 tests, 0 failures" in line for line in lines)
        chan.remove()


@pytest.mark.deep
@pytest.mark.parametrize("latency", [1, 16, 100])
@pytest.mark.parametrize("threads", [1, 4])
def test_dmatest_on_the_list_at_length(rtl, latency, threads):
    """A thousand transfers of any length at any offset."""
    with boot(rtl) as kernel:
        rtl.set_memory("latency", cycles=latency)
        chan = CdmaChan(kernel.cdma)
        chan.probe()
        assert dmatest(kernel, [chan], DmatestParams(
            iterations=1000 // threads, threads_per_chan=threads, test_buf_size=1000,
            seed=latency), lambda line: None) == 0
        chan.remove()


def test_cdma_channel(machine):
    """Callbacks with results, an error, terminate, and another user of the engine beside it."""
    with boot(machine) as kernel:
        chan, results = CdmaChan(kernel.cdma), []
        chan.probe()
        va, dma = dma_alloc_coherent(chan.dev, PAGE_SIZE, GFP_KERNEL)
        cpu.store(va, bytes(range(200)))

        def copy(dst, src, size):
            tx = dmaengine_prep_dma_memcpy(chan, dst, src, size, DMA_PREP_INTERRUPT)
            tx.callback_result = lambda what, result: results.append((result.result,
                                                                      result.residue))
            return dmaengine_submit(tx)

        cookies = [copy(dma + 1000, dma, 100), copy(dma + 2000, dma + (1 << 33), 50),
                   copy(dma + 1100, dma + 100, 100)]
        state = DmaTxState()
        assert dmaengine_tx_status(chan, cookies[2], state) is DmaStatus.DMA_IN_PROGRESS
        assert state.residue == 100 and state.used == cookies[2]
        dma_async_issue_pending(chan)
        assert kernel.cdma.copy([(dma, dma + 3000, 9)]) == 0
        for _ in range(100):
            kernel.machine.wait(100)
        assert results == [("noerror", 0), ("read_failed", 50), ("noerror", 0)]
        assert [dmaengine_tx_status(chan, cookie) for cookie in cookies] == [
            DmaStatus.DMA_COMPLETE, DmaStatus.DMA_ERROR, DmaStatus.DMA_COMPLETE]
        assert cpu.load(va + 1000, 200) == bytes(range(200))
        assert dmaengine_pause(chan) < 0
        copy(dma + 1000, dma, 100)
        dma_async_issue_pending(chan)
        job = kernel.cdma.submit([(dma, dma + 3100, 9)])
        assert dmaengine_terminate_sync(chan) == 0
        assert kernel.cdma.wait(job) == 0
        assert cpu.load(va + 3100, 9) == bytes(range(9))
        assert dmaengine_prep_dma_memcpy(chan, dma, dma, 0, 0) is None
        assert chan.prep([], 0) is None
        chan.remove()


@pytest.mark.parametrize("sides", [(1, 0), (0, 1), (1, 1)])
def test_fixed_addresses(on_both, sides):
    """A simple transfer of which a side stays in place leaves the same on both machines."""
    def program(kernel):
        va, dma = dma_alloc_coherent(kernel.cdma.dev, PAGE_SIZE, GFP_KERNEL)
        cpu.store(va, bytes(range(200)))
        regs = kernel.cdma.regs
        regs.cr.write(key_hole_read=sides[0], key_hole_write=sides[1], irq_threshold=1)
        assert regs.cr.read("key_hole_write") == sides[1]
        regs.sa.write(addr=dma + 2)
        regs.da.write(addr=dma + 1027)
        regs.btt.write(bytes=33)
        kernel.machine.wait(300)
        seen = regs.sr.fields()["idle"], regs.done_bytes.read("count"), cpu.load(va, 1100)
        regs.cr.write(sg_mode=1)
        return seen

    idle, count, data = on_both(program)
    assert (idle, count) == (1, 33)
    expected = bytearray(64)
    if sides[1]:                        # five bytes a word; three in the last
        before, last = (2, 2) if sides[0] else (27, 32)
        expected[3:8] = bytes(range(before, before + 5))
        expected[3:6] = bytes(range(last, last + 3))
    else:
        expected[3:36] = (bytes(range(2, 8)) * 6)[:33]
    assert data[1024:1088] == bytes(expected)
