"""Application words as metadata of descriptors, on the RTL and on the golden model."""

from kernel_api import GFP_KERNEL, boot, cpu, dma_alloc_coherent
from kernel_api.core.errno import EINVAL, EOPNOTSUPP
from kernel_api.dmaengine import (
    DESC_METADATA_CLIENT,
    DESC_METADATA_ENGINE,
    DMA_DEV_TO_MEM,
    DMA_MEM_TO_DEV,
    DMA_PREP_INTERRUPT,
    dma_async_issue_pending,
    dmaengine_desc_get_metadata_ptr,
    dmaengine_desc_set_metadata_len,
    dmaengine_is_metadata_mode_supported,
    dmaengine_prep_slave_single,
    dmaengine_submit,
)
from kernel_api.drivers.axi_dma import AxiDma

OUT, BACK = bytes(range(20)), bytes(range(100, 120))


def test_metadata(streaming_machine):
    """Words go out with a packet, and come back with one, which waits for them."""
    (end,), (apps,) = streaming_machine.streams, streaming_machine.app_streams
    with boot(streaming_machine) as kernel:
        engine = AxiDma(kernel, app_words=True)
        assert engine.probe() == 0
        assert dmaengine_is_metadata_mode_supported(engine.tx, DESC_METADATA_ENGINE)
        assert not dmaengine_is_metadata_mode_supported(engine.tx, DESC_METADATA_CLIENT)
        va, dma = dma_alloc_coherent(engine.dev, 4096, GFP_KERNEL)
        cpu.store(va, bytes(200))

        tx = engine.tx.prep_slave_sg([(dma, 50), (dma + 50, 30)], DMA_MEM_TO_DEV, 0)
        words, used, size = dmaengine_desc_get_metadata_ptr(tx)
        assert used == size == 20
        words[:] = OUT
        assert dmaengine_desc_set_metadata_len(tx, 20) == 0
        assert dmaengine_desc_set_metadata_len(tx, 21) == -EINVAL
        dmaengine_submit(tx)
        dma_async_issue_pending(engine.tx)
        kernel.machine.wait(500)
        assert [packet.data for packet in end.received()] == [bytes(80)]
        assert [packet.data for packet in apps.received()] == [bytes(3) + b"\xa0" + OUT]

        done = []
        rx = dmaengine_prep_slave_single(engine.rx, dma + 1024, 64, DMA_DEV_TO_MEM,
                                         DMA_PREP_INTERRUPT)
        rx.callback = done.append
        dmaengine_submit(rx)
        dma_async_issue_pending(engine.rx)
        end.send(b"hello")
        kernel.machine.wait(500)
        assert not done
        apps.send(bytes(4) + BACK)
        kernel.machine.wait(500)
        assert done and dmaengine_desc_get_metadata_ptr(rx)[0] == BACK
        assert cpu.load(va + 1024, 5) == b"hello"
        engine.remove()


def test_without(streaming_machine):
    """Nobody asked for them: there are none, and packets do not wait."""
    with boot(streaming_machine) as kernel:
        engine = AxiDma(kernel)
        assert engine.probe() == 0
        assert not dmaengine_is_metadata_mode_supported(engine.rx, DESC_METADATA_ENGINE)
        _, dma = dma_alloc_coherent(engine.dev, 4096, GFP_KERNEL)
        tx = engine.tx.prep_slave_sg([(dma, 50)], DMA_MEM_TO_DEV, 0)
        assert dmaengine_desc_get_metadata_ptr(tx) == (None, 0, 0)
        assert dmaengine_desc_set_metadata_len(tx, 1) == -EOPNOTSUPP
        dmaengine_submit(tx)
        dma_async_issue_pending(engine.tx)
        kernel.machine.wait(500)
        assert streaming_machine.app_streams[0].received() == []
        engine.remove()
