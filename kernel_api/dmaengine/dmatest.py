"""``dmatest``: copy random pieces of patterned buffers, and look at every byte.

Parameters, patterns, checks and the summary line are those of the kernel's module.

Source: Linux ``Documentation/driver-api/dmaengine/dmatest.rst`` and ``drivers/dma/dmatest.c``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from ..core.addresses import VirtAddr
from ..core.attrs import DMA_BIDIRECTIONAL, DMA_TO_DEVICE
from ..core.gfp import GFP_KERNEL
from ..core.kernel import Kernel
from ..mapping.single import dma_map_single, dma_mapping_error, dma_unmap_single
from ..memory.slab import kfree, kmalloc
from .engine import (
    DMA_CTRL_ACK,
    DMA_PREP_INTERRUPT,
    DmaChan,
    DmaStatus,
    dma_async_is_tx_complete,
    dma_async_issue_pending,
    dma_release_channel,
    dma_request_chan,
    dmaengine_prep_dma_memcpy,
    dmaengine_prep_dma_memset,
    dmaengine_submit,
    dmaengine_terminate_sync,
)

__all__ = ["DmatestParams", "dmatest"]

PATTERN_SRC, PATTERN_DST, PATTERN_COPY, PATTERN_OVERWRITE = 0x80, 0x00, 0x40, 0x20
PATTERN_COUNT_MASK = 0x1F
#: What stands for the index in patterns of a test of memset.
PATTERN_MEMSET_IDX = 0x01
MAX_ERROR_COUNT = 32
#: Cycles that one poll lets pass, and cycles of a millisecond: a clock of 1 MHz keeps runs short.
POLL_CYCLES, CYCLES_PER_MS = 200, 1000


@dataclass(frozen=True, kw_only=True)
class DmatestParams:
    """The module's parameters, with its defaults, except that ``iterations`` must end.

    ``dmatest`` is 0 for memcpy and 1 for memset.

    Raises
    ------
    ValueError
        If one is out of range.
    """

    dmatest: int = 0
    test_buf_size: int = 16384
    max_channels: int = 0
    threads_per_chan: int = 1
    iterations: int = 10
    timeout: int = 3000
    noverify: bool = False
    norandom: bool = False
    alignment: int = 0
    transfer_size: int = 0
    polled: bool = False
    seed: int = 0

    def __post_init__(self):
        if self.dmatest not in (0, 1):
            raise ValueError(f"Parameter dmatest must be 0 or 1, not {self.dmatest!r}")
        for name, low in (("test_buf_size", 1), ("max_channels", 0), ("threads_per_chan", 1),
                          ("iterations", 1), ("timeout", 1), ("alignment", 0),
                          ("transfer_size", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"Parameter {name} must be at least {low}, not "
                                 f"{getattr(self, name)!r}")
        if max(self.transfer_size, 1 << self.alignment) > self.test_buf_size:
            raise ValueError(f"Buffers of {self.test_buf_size} bytes must hold transfers of "
                             f"{max(self.transfer_size, 1 << self.alignment)} bytes")


class _Thread:
    """One thread: its buffers, and what it found."""

    def __init__(self, kernel: Kernel, chan: DmaChan, number: int, params: DmatestParams,
                 say: Callable[[str], None]):
        kind = "set" if params.dmatest else "copy"
        self.name, self.failed, self.total, self.moved = f"{chan.name}-{kind}{number}", 0, 0, 0
        self._kernel, self._chan, self._params = kernel, chan, params
        self._random, self._say = Random(f"{params.seed} {self.name}"), say

    def run(self) -> Iterator[None]:
        """Do all iterations; gives way whenever it waits."""
        size = self._params.test_buf_size
        buffers = kmalloc(size, GFP_KERNEL), kmalloc(size, GFP_KERNEL)
        if None in buffers:
            self._report("out of memory")
            return
        for _ in range(self._params.iterations):
            self.total += 1
            yield from self._iteration(*buffers)
        for buffer in buffers:
            kfree(buffer)

    def _report(self, what: str) -> None:
        self.failed += 1
        self._say(f"dmatest: {self.name}: result #{self.total}: '{what}'")

    def _choose(self) -> tuple[int, int, int]:
        """Length, and offsets of source and destination."""
        params, mask = self._params, -(1 << self._params.alignment)
        size = params.test_buf_size
        if params.transfer_size:
            count = params.transfer_size
        elif params.norandom:
            count = size
        else:
            count = self._random.randint(1, size)
        count = max(count & mask, 1 << params.alignment)
        if params.norandom:
            return count, 0, 0
        return count, *((self._random.randint(0, size - count) & mask) for _ in range(2))

    def _iteration(self, src: VirtAddr, dst: VirtAddr) -> Iterator[None]:
        dev, cpu, size = self._chan.dev, self._kernel.cpu, self._params.test_buf_size
        count, src_off, dst_off = self._choose()
        self.moved += count
        if not self._params.noverify:
            cpu.store(src, self._filled(src_off, count, PATTERN_SRC, PATTERN_COPY))
            cpu.store(dst, self._filled(dst_off, count, PATTERN_DST, PATTERN_OVERWRITE))
        src_dma = dma_map_single(dev, src, size, DMA_TO_DEVICE)
        dst_dma = dma_map_single(dev, dst, size, DMA_BIDIRECTIONAL)
        if dma_mapping_error(dev, src_dma) or dma_mapping_error(dev, dst_dma):
            self._report("mapping error")
            return
        done = []
        status = yield from self._transfer(src_dma + src_off, dst_dma + dst_off, count, done)
        dma_unmap_single(dev, src_dma, size, DMA_TO_DEVICE)
        dma_unmap_single(dev, dst_dma, size, DMA_BIDIRECTIONAL)
        if status is None:
            return
        if not done and not self._params.polled:
            self._report("test timed out")
        elif status is not DmaStatus.DMA_COMPLETE:
            self._report("completion error status" if status is DmaStatus.DMA_ERROR else
                         "completion busy status")
        elif not self._params.noverify:
            self._verify(cpu.load(src, size), cpu.load(dst, size), src_off, dst_off, count)

    def _transfer(self, src: int, dst: int, count: int,
                  done: list) -> Iterator[None]:
        """Prepare, submit, issue, wait; None if it could not be started."""
        params, machine = self._params, self._kernel.machine
        flags = DMA_CTRL_ACK | (0 if params.polled else DMA_PREP_INTERRUPT)
        if params.dmatest:
            value = PATTERN_SRC | PATTERN_COPY | ~PATTERN_MEMSET_IDX & PATTERN_COUNT_MASK
            tx = dmaengine_prep_dma_memset(self._chan, dst, value, count, flags)
        else:
            tx = dmaengine_prep_dma_memcpy(self._chan, dst, src, count, flags)
        if tx is None:
            self._report("prep error")
            return None
        tx.callback, tx.callback_param = done.append, True
        cookie = dmaengine_submit(tx)
        if cookie < 0:
            self._report("submit error")
            return None
        dma_async_issue_pending(self._chan)
        end = machine.cycles + params.timeout * CYCLES_PER_MS
        while machine.cycles < end:
            status = dma_async_is_tx_complete(self._chan, cookie)
            if done or (params.polled and status is not DmaStatus.DMA_IN_PROGRESS):
                break
            yield
        return dma_async_is_tx_complete(self._chan, cookie)

    def _verify(self, src: bytes, dst: bytes, src_off: int, dst_off: int, count: int) -> None:
        size, wrong = len(src), []
        source = self._filled(src_off, count, PATTERN_SRC, PATTERN_COPY)
        expected = bytearray(self._filled(dst_off, count, PATTERN_DST, PATTERN_OVERWRITE))
        expected[dst_off:dst_off + count] = source[src_off:src_off + count]
        for what, got, right in (("srcbuf", src, source), ("dstbuf", dst, bytes(expected))):
            if got != right:
                wrong += [f"{what}[0x{k:x}] is {got[k]:02x}, not {right[k]:02x}"
                          for k in range(size) if got[k] != right[k]]
        for line in wrong[:MAX_ERROR_COUNT]:
            self._say(f"dmatest: {self.name}: {line}")
        if wrong:
            self._report(f"data error: {len(wrong)} mismatches")

    def _filled(self, offset: int, count: int, outside: int, inside: int) -> bytes:
        """Make a buffer whose bytes tell where they belong."""
        index = range(self._params.test_buf_size)
        if self._params.dmatest:
            index = [PATTERN_MEMSET_IDX] * len(index)
        return bytes((outside | (inside if offset <= k < offset + count else 0) |
                      ~mark & PATTERN_COUNT_MASK) for k, mark in enumerate(index))


def dmatest(kernel: Kernel, channels: list[DmaChan], params: DmatestParams,
            say: Callable[[str], None] = print) -> int:
    """Test channels; print what went wrong, and a summary for each thread.

    Returns
    -------
    int
        Failures.
    """
    channels = channels[:params.max_channels or None]
    for chan in channels:
        dma_request_chan(chan.name)
    threads = [_Thread(kernel, chan, number, params, say) for chan in channels
               for number in range(params.threads_per_chan)]
    begin = kernel.machine.cycles
    running = [(thread, thread.run()) for thread in threads]
    while running:
        for entry in list(running):
            if next(entry[1], entry) is entry:
                running.remove(entry)
        kernel.machine.wait(POLL_CYCLES)
    seconds = max(kernel.machine.cycles - begin, 1) / (1000 * CYCLES_PER_MS)
    failures = 0
    for chan in channels:
        if dmaengine_terminate_sync(chan):
            failures += 1
            say(f"dmatest: {chan.name}: terminate failed")
        dma_release_channel(chan)
    for thread in threads:
        failures += thread.failed
        say(f"dmatest: {thread.name}: summary {thread.total} tests, {thread.failed} failures "
            f"{thread.total / seconds:.2f} iops {thread.moved / 1024 / seconds:.0f} KB/s (0)")
    return failures
