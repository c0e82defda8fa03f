"""What the driver of the ring tells of errors, and what a client may choose, on both machines."""

import pytest

from kernel_api import DMA_BIDIRECTIONAL, GFP_KERNEL, boot, dma_map_single, kmalloc
from kernel_api.core.errno import EBUSY, EINVAL
from kernel_api.dmaengine import (
    DMA_PREP_INTERRUPT,
    DmaengineResult,
    DmaSlaveConfig,
    DmaStatus,
    DmaTxState,
    dma_async_issue_pending,
    dmaengine_pause,
    dmaengine_prep_dma_memcpy,
    dmaengine_prep_dma_memset,
    dmaengine_resume,
    dmaengine_slave_config,
    dmaengine_submit,
    dmaengine_tx_status,
)
from kernel_api.drivers.ring import RingChan
from kernel_api.drivers.ring_config import RingConfig
from rtl.spec.platform import Platform
from sim.golden.machine import GoldenMachine
from sim.machine import RtlMachine

PLATFORM, SIZE = Platform(channels=1), 4096
NOWHERE = 0x1234_5000                   # not mapped
FINE = DmaengineResult("noerror")


@pytest.fixture(scope="module")
def rtl():
    with RtlMachine(PLATFORM) as found:
        yield found


@pytest.fixture(params=["golden", "rtl"])
def world(request):
    """A kernel, a channel, and the DMA address of a buffer."""
    machine = GoldenMachine(PLATFORM)
    if request.param == "rtl":
        machine = request.getfixturevalue("rtl")
        machine.reset()
    with boot(machine) as kernel:
        chan = RingChan(kernel)
        assert chan.probe() == 0
        va = kmalloc(SIZE, GFP_KERNEL)
        kernel.cpu.store(va, bytes(k % 251 for k in range(SIZE)))
        yield kernel, chan, dma_map_single(chan.dev, va, SIZE, DMA_BIDIRECTIONAL)
        chan.remove()


def play(kernel, chan, txs):
    """Submit; return what the callbacks were told, and the cookies."""
    told, cookies = {}, []
    for k, tx in enumerate(txs):
        tx.callback_param = k
        tx.callback_result = told.__setitem__
        cookies.append(dmaengine_submit(tx))
    dma_async_issue_pending(chan)
    for _ in range(100):
        if len(told) == len(txs):
            break
        kernel.machine.wait(50)
    assert list(told) == list(range(len(txs)))
    return list(told.values()), cookies


@pytest.mark.parametrize("proceed", [False, True])
def test_refusals(world, proceed):
    """A read and a write that the IOMMU refuses, and something impossible, among good copies."""
    kernel, chan, dma = world
    config = DmaSlaveConfig(peripheral_config=RingConfig(proceed=proceed))
    assert dmaengine_slave_config(chan, config) == 0
    nowhere = type(dma)(NOWHERE)

    def copy(dst, src, size=64):
        return dmaengine_prep_dma_memcpy(chan, dst, src, size, DMA_PREP_INTERRUPT)

    end = type(dma)((1 << 64) - 8)
    told, cookies = play(kernel, chan, [
        copy(dma + 1024, dma), copy(dma + 2048, nowhere), copy(dma + 1088, dma + 64, 300),
        copy(nowhere, dma), copy(end, dma), copy(dma + 1500, dma + 9)])
    assert [each.result for each in told] == [
        "noerror", "read_failed", "noerror", "write_failed", "aborted", "noerror"]
    assert [each.refused for each in told] == [False, True, False, True, False, False]
    assert told[1].address == NOWHERE and told[2] == FINE
    assert told[3].address == NOWHERE or proceed
    assert dmaengine_tx_status(chan, cookies[1]) is DmaStatus.DMA_ERROR
    assert chan.regs.done.read("count") == (6 if proceed else 1)

    # Residues are right after that, too.
    dmaengine_pause(chan)
    cookie = dmaengine_submit(copy(dma + 1024, dma, 100))
    dma_async_issue_pending(chan)
    state = DmaTxState()
    assert dmaengine_tx_status(chan, cookie, state) is DmaStatus.DMA_PAUSED
    assert state.residue == 100
    dmaengine_resume(chan)
    kernel.machine.wait(500)
    assert dmaengine_tx_status(chan, cookie, state) is DmaStatus.DMA_COMPLETE


def test_process(world):
    """Accesses on behalf of a process are refused: the device has no process directory."""
    kernel, chan, dma = world
    for process, refused in ((None, False), (7, True), (None, False)):
        config = DmaSlaveConfig(peripheral_config=RingConfig(process_id=process))
        assert dmaengine_slave_config(chan, config) == 0
        assert chan.regs.process_id.fields() == {"pid": process or 0,
                                                 "valid": process is not None}
        (told,), _ = play(kernel, chan, [
            dmaengine_prep_dma_memcpy(chan, dma, dma + 64, 8, DMA_PREP_INTERRUPT)])
        assert told.refused == refused


def test_choices(world):
    """Only while idle, and only what there is; the priority stays over a reset."""
    _, chan, dma = world
    urgent = DmaSlaveConfig(peripheral_config=RingConfig(urgent=True))
    dmaengine_pause(chan)
    dmaengine_submit(dmaengine_prep_dma_memset(chan, dma, 1, 100, 0))
    dma_async_issue_pending(chan)
    assert dmaengine_slave_config(chan, urgent) == -EBUSY
    assert dmaengine_slave_config(chan, DmaSlaveConfig(8, 8)) == 0      # addresses may change
    chan.terminate_all()
    assert dmaengine_slave_config(chan, urgent) == 0
    assert chan.regs.cr.read("urgent") == 1
    chan.terminate_all()
    assert chan.regs.cr.read("urgent") == 1
    assert dmaengine_slave_config(chan, DmaSlaveConfig(peripheral_config=3)) == -EINVAL
    chan._has["proceed"] = 0
    assert dmaengine_slave_config(
        chan, DmaSlaveConfig(peripheral_config=RingConfig(proceed=True))) == -EINVAL
