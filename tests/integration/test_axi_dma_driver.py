"""The driver of the AXI DMA as a provider of channels, on the RTL and on the golden model."""


from kernel_api import (
    DMA_FROM_DEVICE,
    DMA_TO_DEVICE,
    GFP_KERNEL,
    PAGE_SIZE,
    Scatterlist,
    boot,
    cpu,
    dma_alloc_coherent,
    dma_map_sg,
    dma_map_single,
    dma_unmap_sg,
    dma_unmap_single,
    kmalloc,
    sg_init_table,
    sg_set_buf,
)
from kernel_api.dmaengine import (
    DMA_DEV_TO_MEM,
    DMA_MEM_TO_DEV,
    DMA_PREP_INTERRUPT,
    DmaStatus,
    DmaTxState,
    dma_async_issue_pending,
    dma_release_channel,
    dma_request_chan,
    dmaengine_pause,
    dmaengine_prep_dma_cyclic,
    dmaengine_prep_dma_memcpy,
    dmaengine_prep_slave_sg,
    dmaengine_prep_slave_single,
    dmaengine_resume,
    dmaengine_submit,
    dmaengine_terminate_sync,
    dmaengine_tx_status,
)
from kernel_api.drivers.axi_dma import AxiDma


class Client:
    """A client of both channels, with the device at the other end."""

    def __init__(self, kernel):
        self.kernel, self.end, self.results = kernel, kernel.machine.streams[0], []
        self.engine = AxiDma(kernel)
        assert self.engine.probe() == 0
        self.dev = self.engine.dev
        self.tx, self.rx = dma_request_chan("axidma0tx"), dma_request_chan("axidma0rx")

    def go(self, chan, tx, *more):
        """Submit and issue; return the last cookie. What they end with goes to ``results``."""
        for item in (tx, *more):
            item.callback_result = lambda what, result: self.results.append((what, result))
            item.callback_param = len(self.results) if item.callback_param is None else (
                item.callback_param)
            cookie = dmaengine_submit(item)
        dma_async_issue_pending(chan)
        return cookie

    def single(self, chan, addr, size, flags=DMA_PREP_INTERRUPT):
        way = DMA_MEM_TO_DEV if chan is self.tx else DMA_DEV_TO_MEM
        return dmaengine_prep_slave_single(chan, addr, size, way, flags)

    def until(self, test, cycles=40_000):
        for _ in range(cycles // 50):
            if test():
                return
            self.kernel.machine.wait(50)
        raise AssertionError("no end")

    def over(self, chan, cookie):
        self.until(lambda: dmaengine_tx_status(chan, cookie) is not DmaStatus.DMA_IN_PROGRESS)
        return dmaengine_tx_status(chan, cookie)


def test_packets_both_ways(streaming_machine):
    """A scatterlist is one packet; a packet fills what it fills, and the residue tells how much."""
    with boot(streaming_machine) as kernel:
        client = Client(kernel)
        pieces = [kmalloc(size, GFP_KERNEL) for size in (100, 33, 400)]
        sgl = [Scatterlist() for _ in range(3)]
        sg_init_table(sgl, 3)
        data = b""
        for sg, va, size in zip(sgl, pieces, (100, 33, 400), strict=True):
            part = bytes((size + k) & 0xFF for k in range(size))
            cpu.store(va, part)
            sg_set_buf(sg, va, size)
            data += part
        count = dma_map_sg(client.dev, sgl, 3, DMA_TO_DEVICE)
        cookie = client.go(client.tx, dmaengine_prep_slave_sg(
            client.tx, sgl, count, DMA_MEM_TO_DEV, DMA_PREP_INTERRUPT))
        assert client.over(client.tx, cookie) is DmaStatus.DMA_COMPLETE
        dma_unmap_sg(client.dev, sgl, 3, DMA_TO_DEVICE)
        client.until(lambda: client.engine.regs.mm2s_done_bytes.read() == 533)
        assert [packet.data for packet in client.end.received()] == [data]
        assert [result.result for _, result in client.results] == ["noerror"]

        target = kmalloc(2048, GFP_KERNEL)
        dma = dma_map_single(client.dev, target, 2048, DMA_FROM_DEVICE)
        client.end.send(data[::-1])
        client.end.send(b"short")
        first = client.single(client.rx, dma + 3, 1000)
        second = client.single(client.rx, dma + 1024, 1024)
        cookie = client.go(client.rx, first, second)
        assert client.over(client.rx, cookie) is DmaStatus.DMA_COMPLETE
        dma_unmap_single(client.dev, dma, 2048, DMA_FROM_DEVICE)
        assert cpu.load(target + 3, 533) == data[::-1]
        assert cpu.load(target + 1024, 5) == b"short"
        state = DmaTxState()
        dmaengine_tx_status(client.rx, cookie, state)
        assert (state.residue, state.last, state.used) == (1019, cookie, cookie)
        assert [result.residue for _, result in client.results] == [0, 467, 1019]
        client.engine.remove()


def test_more_than_the_ring(streaming_machine):
    """150 packets through a ring of 64 descriptors, round the loopback."""
    with boot(streaming_machine) as kernel:
        client = Client(kernel)
        va, dma = dma_alloc_coherent(client.dev, 2 * PAGE_SIZE, GFP_KERNEL)
        cpu.store(va, bytes(range(256)) * 16)
        client.end.loopback()
        sizes = [1 + 7 * k % 60 for k in range(150)]
        into = [client.single(client.rx, dma + PAGE_SIZE + 24 * k, 64) for k in range(150)]
        last = client.go(client.rx, *into)
        client.go(client.tx, *(client.single(client.tx, dma + 20 * k, size)
                               for k, size in enumerate(sizes)))
        assert client.over(client.rx, last) is DmaStatus.DMA_COMPLETE
        client.until(lambda: len(client.results) == 300)
        left = [result.residue for _, result in client.results if result.residue]
        assert sorted(64 - residue for residue in left) == sorted(sizes)
        image = cpu.load(va + PAGE_SIZE, 24 * 149 + sizes[-1])
        for k, size in enumerate(sizes[:-1]):   # the next buffer begins 24 bytes further on
            want = bytes((20 * k + at) & 0xFF for at in range(min(size, 24)))
            assert image[24 * k:24 * k + len(want)] == want
        client.engine.remove()


def test_cyclic(streaming_machine):
    """Sound: periods go round with a callback each, and the residue goes down."""
    with boot(streaming_machine) as kernel:
        client = Client(kernel)
        va, dma = dma_alloc_coherent(client.dev, 1024, GFP_KERNEL)
        sound = bytes(range(256)) * 4
        cpu.store(va, sound)
        client.end.pace(6)
        assert dmaengine_prep_dma_cyclic(client.tx, dma, 1000, 256, DMA_MEM_TO_DEV, 0) is None
        periods = []
        tx = dmaengine_prep_dma_cyclic(client.tx, dma, 1024, 256, DMA_MEM_TO_DEV,
                                       DMA_PREP_INTERRUPT)
        tx.callback = periods.append
        cookie = dmaengine_submit(tx)
        dma_async_issue_pending(client.tx)
        client.until(lambda: len(periods) >= 6)
        state = DmaTxState()
        assert dmaengine_tx_status(client.tx, cookie, state) is DmaStatus.DMA_IN_PROGRESS
        assert 0 < state.residue <= 1024
        assert dmaengine_pause(client.tx) == 0
        assert dmaengine_tx_status(client.tx, cookie) is DmaStatus.DMA_PAUSED
        kernel.machine.wait(1500)               # the device plays what is on its way
        dmaengine_tx_status(client.tx, cookie, state)
        before = state.residue
        kernel.machine.wait(500)
        dmaengine_tx_status(client.tx, cookie, state)
        assert state.residue == before
        assert dmaengine_resume(client.tx) == 0
        count = len(periods)
        client.until(lambda: len(periods) >= count + 2)
        assert dmaengine_terminate_sync(client.tx) == 0
        packets = client.end.received()
        assert len(packets) >= 6 and all(
            packet.data == bytes(range(256)) for packet in packets if not packet.cut)
        count = len(periods)
        kernel.machine.wait(3000)
        assert len(periods) == count
        # And a packet goes again.
        client.end.pace(1)
        cookie = client.go(client.tx, client.single(client.tx, dma + 1, 77))
        assert client.over(client.tx, cookie) is DmaStatus.DMA_COMPLETE
        client.until(lambda: client.engine.regs.mm2s_done_bytes.read() == 77)
        assert client.end.received()[-1].data == sound[1:78]
        client.engine.remove()


def test_record(streaming_machine):
    """A stream without packets fills periods one after the other."""
    with boot(streaming_machine) as kernel:
        client = Client(kernel)
        va, dma = dma_alloc_coherent(client.dev, 512, GFP_KERNEL)
        periods = []
        tx = dmaengine_prep_dma_cyclic(client.rx, dma, 512, 128, DMA_DEV_TO_MEM,
                                       DMA_PREP_INTERRUPT)
        tx.callback = periods.append
        dmaengine_submit(tx)
        dma_async_issue_pending(client.rx)
        client.end.send(bytes(range(256)) * 2 + bytes(64), last=False)
        client.until(lambda: client.engine.regs.s2mm_done_descs.read() == 4)
        state = DmaTxState()
        dmaengine_tx_status(client.rx, tx.cookie, state)
        assert periods and state.residue <= 512
        assert cpu.load(va + 128, 384) == (bytes(range(256)) * 2)[128:]
        assert dmaengine_terminate_sync(client.rx) == 0
        client.engine.remove()


def test_error_and_the_others(streaming_machine):
    """A buffer that is not mapped fails its descriptor alone; those behind it are done."""
    with boot(streaming_machine) as kernel:
        client = Client(kernel)
        va, dma = dma_alloc_coherent(client.dev, PAGE_SIZE, GFP_KERNEL)
        cpu.store(va, bytes(range(100)))
        items = [client.single(client.tx, addr, 100) for addr in (dma, dma + (1 << 33), dma)]
        last = client.go(client.tx, *items)
        assert client.over(client.tx, last) is DmaStatus.DMA_COMPLETE
        assert dmaengine_tx_status(client.tx, last - 1) is DmaStatus.DMA_ERROR
        assert [result.result for _, result in client.results] == [
            "noerror", "read_failed", "noerror"]
        items = [client.single(client.rx, addr, 64) for addr in (dma, dma + (1 << 33), dma + 64)]
        last = client.go(client.rx, *items)
        for k in range(3):
            client.end.send(bytes([k]) * 64)
        assert client.over(client.rx, last - 1) is DmaStatus.DMA_ERROR
        client.end.send(bytes([9]) * 64)
        assert client.over(client.rx, last) is DmaStatus.DMA_COMPLETE
        assert client.results[4][1].result == "write_failed"
        client.engine.remove()


def test_terminate(streaming_machine):
    """It drops what waits for a stream, calls nobody back, and leaves the other channel alone."""
    with boot(streaming_machine) as kernel:
        client = Client(kernel)
        va, dma = dma_alloc_coherent(client.dev, PAGE_SIZE, GFP_KERNEL)
        client.go(client.rx, client.single(client.rx, dma, 64), client.single(client.rx, dma, 64))
        client.end.hold()
        sent = client.go(client.tx, client.single(client.tx, dma, 3000))
        kernel.machine.wait(200)
        state = DmaTxState()
        assert dmaengine_tx_status(client.tx, sent, state) is DmaStatus.DMA_IN_PROGRESS
        assert 0 < state.residue <= 3000
        assert dmaengine_terminate_sync(client.rx) == 0
        assert client.results == []
        client.end.hold(on=False)
        assert client.over(client.tx, sent) is DmaStatus.DMA_COMPLETE
        client.end.send(b"x" * 40)
        cookie = client.go(client.rx, client.single(client.rx, dma + 1, 64))
        assert client.over(client.rx, cookie) is DmaStatus.DMA_COMPLETE
        assert cpu.load(va + 1, 40) == b"x" * 40
        dma_release_channel(client.rx)
        assert dma_request_chan("axidma0rx") is client.rx
        client.engine.remove()


def test_refused(streaming_machine):
    """What a channel cannot do is None, and asks nothing of the engine."""
    with boot(streaming_machine) as kernel:
        client = Client(kernel)
        dma = dma_alloc_coherent(client.dev, 64, GFP_KERNEL)[1]
        assert dmaengine_prep_dma_memcpy(client.tx, dma, dma, 8, 0) is None
        assert dmaengine_prep_slave_single(client.tx, dma, 8, DMA_DEV_TO_MEM, 0) is None
        assert dmaengine_prep_slave_single(client.tx, dma, 0, DMA_MEM_TO_DEV, 0) is None
        assert dmaengine_prep_dma_cyclic(client.rx, dma, 64, 1, DMA_DEV_TO_MEM, 0) is None
        client.engine.remove()
