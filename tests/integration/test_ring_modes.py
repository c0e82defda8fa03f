"""Fill, rows and cyclic transfers of the native ring: RTL and golden model do the same."""

import pytest

from kernel_api import (
    DMA_BIDIRECTIONAL,
    DMA_FROM_DEVICE,
    DMA_TO_DEVICE,
    GFP_KERNEL,
    boot,
    dma_map_single,
    dma_unmap_single,
    kmalloc,
)
from kernel_api.core.errno import EBUSY
from kernel_api.dmaengine import (
    DMA_PREP_INTERRUPT,
    DataChunk,
    DmaInterleavedTemplate,
    DmaSlaveConfig,
    DmaStatus,
    DmaTxState,
    dma_async_is_tx_complete,
    dma_async_issue_pending,
    dma_request_chan,
    dmaengine_pause,
    dmaengine_prep_dma_cyclic,
    dmaengine_prep_dma_memcpy,
    dmaengine_prep_dma_memset,
    dmaengine_prep_interleaved_dma,
    dmaengine_resume,
    dmaengine_slave_config,
    dmaengine_submit,
    dmaengine_terminate_sync,
    dmaengine_tx_status,
)
from kernel_api.drivers.ring import RingChan
from rtl.spec.platform import Platform
from sim.golden.machine import GoldenMachine
from sim.machine import RtlMachine

SIZE = 4096
PATTERN = bytes(k * 7 % 251 for k in range(SIZE))
PLATFORM = Platform(channels=1)


@pytest.fixture(scope="module")
def rtl():
    with RtlMachine(PLATFORM) as found:
        yield found


@pytest.fixture(params=["golden", "rtl"])
def world(request):
    """A channel, and two buffers that are mapped for it; the first has a pattern."""
    if request.param == "rtl":
        machine = request.getfixturevalue("rtl")
        machine.reset()
    else:
        machine = GoldenMachine(PLATFORM)
    with boot(machine) as kernel:
        chan = RingChan(kernel)
        assert chan.probe() == 0
        assert dma_request_chan(chan.name) is chan
        buffers = []
        for data in (PATTERN, bytes(SIZE)):
            va = kmalloc(SIZE, GFP_KERNEL)
            kernel.cpu.store(va, data)
            buffers.append((va, dma_map_single(chan.dev, va, SIZE, DMA_BIDIRECTIONAL)))

        def contents(k):
            va, dma = buffers[k]
            dma_unmap_single(chan.dev, dma, SIZE, DMA_BIDIRECTIONAL)
            return kernel.cpu.load(va, SIZE)

        yield kernel, chan, *(dma for _, dma in buffers), contents
        chan.remove()


def finish(kernel, chan, tx):
    """Submit, and wait until it is complete."""
    cookie = dmaengine_submit(tx)
    dma_async_issue_pending(chan)
    for _ in range(200):
        if dma_async_is_tx_complete(chan, cookie) is DmaStatus.DMA_COMPLETE:
            return
        kernel.machine.wait(50)
    raise AssertionError("it does not end")


def test_capabilities(world):
    """Everything is there, and what is written while idle stays."""
    chan = world[1]
    cap = chan.regs.cap.fields()
    assert all(cap[name] for name in ("fill", "strided", "cyclic", "process_id", "urgent",
                                       "proceed"))
    chan.regs.cr.write(run=1, urgent=1, proceed=1, irq_threshold=3)
    chan.regs.process_id.write(pid=0x12345, valid=1)
    control = chan.regs.cr.fields()
    assert {name: value for name, value in control.items() if value} == {
        "run": 1, "urgent": 1, "proceed": 1, "irq_threshold": 3}
    assert chan.regs.process_id.fields() == {"pid": 0x12345, "valid": 1}


@pytest.mark.parametrize("at, size", [(0, 1), (13, 1001), (4095, 1), (0, 4096)])
def test_memset(world, at, size):
    kernel, chan, _, dst, contents = world
    finish(kernel, chan, dmaengine_prep_dma_memset(chan, dst + at, 0x1A5, size, 0))
    expected = bytearray(SIZE)
    expected[at:at + size] = b"\xa5" * size
    assert contents(1) == expected


@pytest.mark.parametrize("frames", [1, 30])
def test_interleaved(world, frames):
    """A descriptor for each chunk of a frame, whatever the number of frames."""
    kernel, chan, src, dst, contents = world
    template = DmaInterleavedTemplate(src + 1, dst + 2, frames, (
        DataChunk(10, src_icg=6, dst_icg=3), DataChunk(20, icg=11)))
    finish(kernel, chan, dmaengine_prep_interleaved_dma(chan, template, 0))
    assert chan.regs.tail.read("slot") == (4 if frames > 1 else 2)
    expected = bytearray(SIZE)
    for frame in range(frames):
        for at, to, size in ((0, 0, 10), (16, 13, 20)):
            start = 2 + 44 * frame + to
            expected[start:start + size] = PATTERN[1 + 47 * frame + at:][:size]
    assert contents(1) == expected


def test_fixed_source(world):
    """The same two bytes, thirty times."""
    kernel, chan, src, dst, contents = world
    template = DmaInterleavedTemplate(src + 5, dst, 30, (DataChunk(2),), src_inc=False)
    finish(kernel, chan, dmaengine_prep_interleaved_dma(chan, template, 0))
    assert contents(1)[:61] == PATTERN[5:7] * 30 + b"\0"


@pytest.mark.parametrize("direction", [DMA_TO_DEVICE, DMA_FROM_DEVICE])
def test_cyclic(world, direction):
    """A buffer of four periods goes round until it is terminated; a period is called back."""
    kernel, chan, src, dst, contents = world
    told, state, size = [], DmaTxState(), 2048
    assert dmaengine_slave_config(chan, DmaSlaveConfig(src + 8, dst + 3072, 4, 4)) == 0
    tx = dmaengine_prep_dma_cyclic(chan, src if direction is DMA_TO_DEVICE else dst, size, 512,
                                   direction, DMA_PREP_INTERRUPT)
    tx.callback, tx.callback_param = told.append, "period"
    cookie = dmaengine_submit(tx)
    dma_async_issue_pending(chan)
    places = set()
    while len(told) < 11:
        kernel.machine.wait(37)
        assert dmaengine_tx_status(chan, cookie, state) is DmaStatus.DMA_IN_PROGRESS
        assert 0 < state.residue <= size
        places.add(state.residue)
    assert len(places) > 3
    more = dmaengine_prep_dma_memcpy(chan, dst, src, 8, 0)
    assert dmaengine_submit(more) == -EBUSY
    assert dmaengine_pause(chan) == 0
    assert dmaengine_tx_status(chan, cookie, state) is DmaStatus.DMA_PAUSED
    kernel.machine.wait(200)
    before = state.residue
    assert dmaengine_tx_status(chan, cookie, state) is DmaStatus.DMA_PAUSED
    assert state.residue == before
    assert dmaengine_resume(chan) == 0
    seen = len(told)
    while len(told) < seen + 3:
        kernel.machine.wait(37)
    assert dmaengine_terminate_sync(chan) == 0
    assert dma_async_is_tx_complete(chan, cookie) is DmaStatus.DMA_COMPLETE
    seen = len(told)
    finish(kernel, chan, dmaengine_prep_dma_memcpy(chan, dst + 2048, src, 100, 0))
    assert len(told) == seen
    got = contents(1)
    assert got[2048:2148] == PATTERN[:100]
    if direction is DMA_TO_DEVICE:
        assert got[3072:3076] in {PATTERN[at:at + 4] for at in range(0, size, 4)}
        assert got[3076:] == bytes(1020) and got[:2048] == bytes(2048)
    else:
        assert got[:size] == PATTERN[8:12] * (size // 4)


def test_cyclic_is_alone(world):
    """Nothing is submitted behind one that was submitted, and that has not begun."""
    _, chan, src, dst, _ = world
    assert dmaengine_slave_config(chan, DmaSlaveConfig(src, dst, 4, 4)) == 0
    cyclic, copy = (lambda: dmaengine_prep_dma_cyclic(chan, src, 256, 64, DMA_TO_DEVICE, 0),
                    lambda: dmaengine_prep_dma_memcpy(chan, dst, src, 8, 0))
    assert dmaengine_submit(cyclic()) > 0
    assert dmaengine_submit(copy()) == -EBUSY and dmaengine_submit(cyclic()) == -EBUSY
    assert dmaengine_terminate_sync(chan) == 0
    assert dmaengine_submit(copy()) > 0
    assert dmaengine_submit(cyclic()) == -EBUSY


@pytest.mark.parametrize("size, period, width", [
    (256, 0, 4), (250, 64, 4), (256, 64, 3), (64 * 64, 64, 4), (0, 64, 4)])
def test_cyclic_refused(world, size, period, width):
    """No whole periods, no whole words, more periods than the ring has room for."""
    _, chan, src, dst, _ = world
    dmaengine_slave_config(chan, DmaSlaveConfig(src, dst, width, width))
    assert dmaengine_prep_dma_cyclic(chan, src, size, period, DMA_TO_DEVICE, 0) is None
    assert dmaengine_prep_dma_cyclic(chan, src, 64, 64, DMA_BIDIRECTIONAL, 0) is None
