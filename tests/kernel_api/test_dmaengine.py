"""The DMA engine API on the native ring, by its provider on the golden model."""

import pytest

from kernel_api import (
    DMA_BIDIRECTIONAL,
    GFP_KERNEL,
    dma_map_single,
    dma_unmap_single,
    irqs_disabled,
    kmalloc,
)
from kernel_api.core.errno import ENODEV
from kernel_api.dmaengine.dmatest import DmatestParams, dmatest
from kernel_api.dmaengine.engine import (
    DMA_PREP_INTERRUPT,
    DataChunk,
    DmaengineResult,
    DmaInterleavedTemplate,
    DmaStatus,
    DmaTxState,
    dma_async_is_tx_complete,
    dma_async_issue_pending,
    dma_channels,
    dma_release_channel,
    dma_request_chan,
    dmaengine_pause,
    dmaengine_prep_dma_memcpy,
    dmaengine_prep_interleaved_dma,
    dmaengine_resume,
    dmaengine_submit,
    dmaengine_terminate_sync,
    dmaengine_tx_status,
)
from kernel_api.drivers.ring import RingChan

SIZE = 4096


@pytest.fixture
def kernel(golden):
    return golden(channels=2)


@pytest.fixture
def chan(kernel):
    """A channel with a small ring, probed and requested."""
    found = RingChan(kernel, 0, size_log2=3)
    assert found.probe() == 0
    assert dma_request_chan("dma0chan0") is found
    yield found
    found.remove()


class Buffer:
    """Memory that is mapped for a channel in both directions."""

    def __init__(self, kernel, chan, data=bytes(SIZE)):
        self.kernel, self.dev = kernel, chan.dev
        self.va = kmalloc(SIZE, GFP_KERNEL)
        kernel.cpu.store(self.va, data.ljust(SIZE, b"\0"))
        self.dma = dma_map_single(self.dev, self.va, SIZE, DMA_BIDIRECTIONAL)

    def unmap(self) -> bytes:
        dma_unmap_single(self.dev, self.dma, SIZE, DMA_BIDIRECTIONAL)
        return self.kernel.cpu.load(self.va, SIZE)


PATTERN = bytes(k * 7 % 251 for k in range(SIZE))


def test_memcpy_with_callbacks(kernel, chan):
    """More copies than the ring has slots; called back in order; cookies count."""
    src, dst, told = Buffer(kernel, chan, PATTERN), Buffer(kernel, chan), []
    cookies = []
    for k in range(20):
        tx = dmaengine_prep_dma_memcpy(chan, dst.dma + 100 * k, src.dma + 100 * k, 100,
                                       DMA_PREP_INTERRUPT)
        tx.callback, tx.callback_param = told.append, k
        cookies.append(dmaengine_submit(tx))
    assert cookies == list(range(1, 21))
    state = DmaTxState()
    assert dmaengine_tx_status(chan, 20, state) is DmaStatus.DMA_IN_PROGRESS
    assert state == DmaTxState(0, 20, 100)
    assert not told
    dma_async_issue_pending(chan)
    kernel.machine.wait(100)
    assert told == list(range(20))
    assert dmaengine_tx_status(chan, 20, state) is DmaStatus.DMA_COMPLETE
    assert state == DmaTxState(20, 20, 0)
    assert dst.unmap()[:2000] == PATTERN[:2000]


def test_status_while_interrupts_come(kernel, chan, monkeypatch):
    """Each completion is taken once, by whoever sees it first, and nobody is called back twice."""
    load = kernel.cpu.load

    def slow_load(va, size):
        kernel.machine.wait(20)
        return load(va, size)

    monkeypatch.setattr(kernel.cpu, "load", slow_load)
    src, dst, told = Buffer(kernel, chan, PATTERN), Buffer(kernel, chan), []
    for k in range(6):
        tx = dmaengine_prep_dma_memcpy(chan, dst.dma + 100 * k, src.dma + 100 * k, 100,
                                       DMA_PREP_INTERRUPT if k == 5 else 0)
        tx.callback, tx.callback_param = told.append, k
        cookie = dmaengine_submit(tx)
    dma_async_issue_pending(chan)
    while dma_async_is_tx_complete(chan, cookie) is not DmaStatus.DMA_COMPLETE:
        pass
    assert told == list(range(6))
    assert dst.unmap()[:600] == PATTERN[:600]


def test_callbacks_that_submit(kernel, chan):
    """A callback hands over the next copy, and interrupts go on coming."""
    src, dst = Buffer(kernel, chan, PATTERN), Buffer(kernel, chan)

    def copy(k):
        tx = dmaengine_prep_dma_memcpy(chan, dst.dma + 1000 * k, src.dma + 1000 * k, 1000,
                                       DMA_PREP_INTERRUPT)
        tx.callback, tx.callback_param = (copy if k < 3 else told.append), k + 1
        dmaengine_submit(tx)
        dma_async_issue_pending(chan)

    told = []
    copy(0)
    kernel.machine.wait(4000)
    assert told == [4] and not irqs_disabled()
    assert dst.unmap()[:4000] == PATTERN[:4000]


def test_interleaved(kernel, chan):
    """Frames of chunks with gaps on one side, or different ones."""
    src, dst = Buffer(kernel, chan, PATTERN), Buffer(kernel, chan)
    template = DmaInterleavedTemplate(
        src.dma, dst.dma, 5, (DataChunk(10, icg=6), DataChunk(20, src_icg=12)), dst_sgl=False)
    tx = dmaengine_prep_interleaved_dma(chan, template, 0)
    assert tx.size == 150
    cookie = dmaengine_submit(tx)
    dma_async_issue_pending(chan)
    for _ in range(4):
        kernel.machine.wait(20)
        dma_async_is_tx_complete(chan, cookie)
        dma_async_issue_pending(chan)
    assert dma_async_is_tx_complete(chan, cookie) is DmaStatus.DMA_COMPLETE
    expected = b"".join(PATTERN[48 * k:48 * k + 10] + PATTERN[48 * k + 16:48 * k + 36]
                        for k in range(5))
    assert dst.unmap()[:150] == expected


def test_error_and_the_rest(kernel, chan):
    """The one that fails is told so; those before and after are done."""
    src, dst, told = Buffer(kernel, chan, PATTERN), Buffer(kernel, chan), []
    cookies = []
    for k in range(5):
        source = src.dma + 64 * k if k != 2 else chan.dev.dma_mask & -4096
        tx = dmaengine_prep_dma_memcpy(chan, dst.dma + 64 * k, type(src.dma)(source), 64,
                                       DMA_PREP_INTERRUPT)
        tx.callback_result = lambda k, result: told.append((k, result))
        tx.callback_param = k
        cookies.append(dmaengine_submit(tx))
    dma_async_issue_pending(chan)
    kernel.machine.wait(100)
    fine = DmaengineResult("noerror")
    nowhere = DmaengineResult("read_failed", 64, True, chan.dev.dma_mask & -4096)
    assert told == [(0, fine), (1, fine), (2, nowhere), (3, fine), (4, fine)]
    assert [dma_async_is_tx_complete(chan, cookie).name for cookie in cookies] == [
        "DMA_COMPLETE"] * 2 + ["DMA_ERROR"] + ["DMA_COMPLETE"] * 2
    got = dst.unmap()
    assert got[:128] == PATTERN[:128] and got[192:320] == PATTERN[192:320]
    assert got[128:192] == bytes(64)


def test_write_error(kernel, chan):
    """It is told apart from one of a read."""
    src, told = Buffer(kernel, chan, PATTERN), []
    tx = dmaengine_prep_dma_memcpy(chan, type(src.dma)(chan.dev.dma_mask & -4096), src.dma, 64,
                                   DMA_PREP_INTERRUPT)
    tx.callback_result = lambda _, result: told.append(result)
    dmaengine_submit(tx)
    dma_async_issue_pending(chan)
    kernel.machine.wait(100)
    assert told == [DmaengineResult("write_failed", 64, True, chan.dev.dma_mask & -4096)]


def test_pause_residue_resume(kernel, chan):
    src, dst = Buffer(kernel, chan, PATTERN), Buffer(kernel, chan)
    assert dmaengine_pause(chan) == 0
    tx = dmaengine_prep_dma_memcpy(chan, dst.dma, src.dma, 1000, 0)
    cookie, state = dmaengine_submit(tx), DmaTxState()
    dma_async_issue_pending(chan)
    kernel.machine.wait(50)
    assert dmaengine_tx_status(chan, cookie, state) is DmaStatus.DMA_PAUSED
    assert state.residue == 1000
    assert dmaengine_resume(chan) == 0
    kernel.machine.wait(50)
    assert dmaengine_tx_status(chan, cookie, state) is DmaStatus.DMA_COMPLETE
    assert state.residue == 0
    assert dst.unmap()[:1000] == PATTERN[:1000]


def test_terminate(kernel, chan):
    """Nobody is called back; what comes later works."""
    src, dst, told = Buffer(kernel, chan, PATTERN), Buffer(kernel, chan), []
    dmaengine_pause(chan)
    for last in (False, True):
        tx = dmaengine_prep_dma_memcpy(chan, dst.dma + 512 * last, src.dma, 512,
                                       DMA_PREP_INTERRUPT)
        tx.callback, tx.callback_param = told.append, last
        cookie = dmaengine_submit(tx)
        dma_async_issue_pending(chan)
        if not last:
            assert dmaengine_terminate_sync(chan) == 0
            assert dma_async_is_tx_complete(chan, cookie) is DmaStatus.DMA_COMPLETE
    kernel.machine.wait(50)
    assert told == [True]
    got = dst.unmap()
    assert got[:512] == bytes(512) and got[512:1024] == PATTERN[:512]


def test_channels(kernel, chan):
    """Each is taken by one; what there is not is refused."""
    assert dma_request_chan("dma0chan0") == -ENODEV
    assert dma_request_chan("dma1chan0") == -ENODEV
    other = RingChan(kernel, 1)
    assert other.probe() == 0
    assert [found.name for found in dma_channels()] == ["dma0chan0", "dma1chan0"]
    assert dma_request_chan("dma1chan0") is other
    dma_release_channel(other)
    assert dma_request_chan("dma1chan0") is other
    other.remove()
    assert dma_channels() == [chan]
    assert dmaengine_prep_dma_memcpy(chan, 0, 0, 0, 0) is None


def test_long_descriptor(kernel, chan):
    """A piece that the compact form cannot hold."""
    va = kmalloc(2 * 70_000, GFP_KERNEL)
    kernel.cpu.store(va, PATTERN * 18)
    dma = dma_map_single(chan.dev, va, 140_000, DMA_BIDIRECTIONAL)
    tx = dmaengine_prep_dma_memcpy(chan, dma + 70_000, dma, 70_000, 0)
    cookie = dmaengine_submit(tx)
    dma_async_issue_pending(chan)
    kernel.machine.wait(50)
    assert dma_async_is_tx_complete(chan, cookie) is DmaStatus.DMA_COMPLETE
    dma_unmap_single(chan.dev, dma, 140_000, DMA_BIDIRECTIONAL)
    assert kernel.cpu.load(va + 70_000, 70_000) == kernel.cpu.load(va, 70_000)


@pytest.mark.parametrize("params", [
    {"dmatest": 1, "iterations": 4}, {"dmatest": 1, "norandom": True, "iterations": 2},
    {"threads_per_chan": 3, "iterations": 6}, {"polled": True, "iterations": 4},
    {"norandom": True, "iterations": 2}, {"transfer_size": 4097, "iterations": 3},
    {"alignment": 3, "iterations": 4, "test_buf_size": 100}, {"noverify": True, "iterations": 2}])
def test_dmatest(kernel, params):
    channels, lines = [RingChan(kernel, k) for k in range(2)], []
    assert [chan.probe() for chan in channels] == [0, 0]
    assert dmatest(kernel, channels, DmatestParams(**params), lines.append) == 0
    assert len(lines) == 2 * params.get("threads_per_chan", 1)
    for line in lines:
        assert f"summary {params['iterations']} tests, 0 failures " in line
        assert line.endswith(" KB/s (0)")


def test_dmatest_finds_damage(kernel, monkeypatch):
    """A byte too many, a byte too few, an error: each is a failure."""
    chan, lines = RingChan(kernel, 0), []
    assert chan.probe() == 0
    for extra in (1, -1):
        lines.clear()
        with monkeypatch.context() as patch:
            patch.setattr("kernel_api.dmaengine.dmatest.dmaengine_prep_dma_memcpy",
                          lambda chan, dst, src, size, flags, extra=extra:
                          chan.prep([(src, dst, size + extra)], flags))
            assert dmatest(kernel, [chan], DmatestParams(
                iterations=2, transfer_size=50, test_buf_size=200), lines.append) == 2
        assert any("result #1: 'data error: 1 mismatches'" in line for line in lines)


@pytest.mark.parametrize("wrong, message", [
    ({"iterations": 0}, "Parameter iterations must be at least 1, not 0"),
    ({"dmatest": 2}, "Parameter dmatest must be 0 or 1, not 2"),
    ({"transfer_size": 20000}, "Buffers of 16384 bytes must hold transfers of 20000 bytes")])
def test_dmatest_parameters(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        DmatestParams(**wrong)
