"""What a map and an unmap cost: the kernel's ``dma_map_benchmark``, in cycles.

Source: Linux ``kernel/dma/map_benchmark.c`` and ``include/uapi/linux/map_benchmark.h`` (parameters,
ranges, what is measured).
"""

from dataclasses import dataclass
from math import isqrt

from kernel_api import (
    DMA_BIT_MASK,
    DMA_FROM_DEVICE,
    EINVAL,
    ENOMEM,
    GFP_KERNEL,
    PAGE_SIZE,
    Dir,
    Kernel,
    Scatterlist,
    alloc_pages,
    cpu,
    dma_get_mask,
    dma_map_sg,
    dma_map_single,
    dma_mapping_error,
    dma_set_mask,
    dma_unmap_sg,
    dma_unmap_single,
    free_pages,
    get_order,
    page_address,
    sg_init_table,
    sg_set_buf,
)

__all__ = ["Benchmark", "Result", "benchmark"]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Parameters.

    Parameters
    ----------
    threads : int, 1 to 1024
        Threads that take turns; each has a buffer.
    time : int, 1 to 300
        How long, in thousands of cycles; in the kernel, seconds. A turn that has begun is ended.
    loops : int, 1 to 100000
        Maps of each thread, at most.
    node : int, -1 or 0
        Memory node of the buffers; -1 is any, and there is one.
    bits : int, 20 to 64
        Width of the mask.
    direction : int
        0 both, 1 to the device, 2 from the device.
    delay : int, 0 to 10000000
        Cycles between map and unmap.
    granule : int, 1 to 1024
        Pages of a buffer.
    mode : int
        0 a single range, 1 a list of single pages.
    """

    threads: int = 1
    time: int = 20
    loops: int = 100
    node: int = -1
    bits: int = 32
    direction: int = 0
    delay: int = 0
    granule: int = 1
    mode: int = 0

    @property
    def valid(self) -> bool:
        """Whether all parameters are in range."""
        limits = {"threads": (1, 1024), "time": (1, 300), "loops": (1, 100_000),
                  "node": (-1, 0), "bits": (20, 64), "direction": (0, 2),
                  "delay": (0, 10_000_000), "granule": (1, 1024),
                  "mode": (0, 1)}
        return all(low <= getattr(self, name) <= high for name, (low, high) in limits.items())


@dataclass(frozen=True)
class Result:
    """Average and standard deviation, in cycles, by integer arithmetic as in the kernel."""

    map_average: int
    map_deviation: int
    unmap_average: int
    unmap_deviation: int


def _statistics(times: list[int]) -> tuple[int, int]:
    average = sum(times) // len(times)
    return average, isqrt(max(0, sum(time * time for time in times) // len(times)
                              - average * average))


def benchmark(kernel: Kernel, job: Benchmark) -> Result | int:
    """Measure. ``-EINVAL`` if a parameter is out of range; ``-ENOMEM`` if a map fails."""
    if not job.valid:
        return -EINVAL
    dev, size, direction = kernel.cdma.dev, job.granule * PAGE_SIZE, Dir(job.direction)
    mask, order = dma_get_mask(dev), get_order(size)
    if dma_set_mask(dev, DMA_BIT_MASK(job.bits)):
        return -EINVAL
    pages = [alloc_pages(GFP_KERNEL, order) for _ in range(job.threads)]
    maps, unmaps, end = [], [], kernel.machine.cycles + job.time * 1000
    try:
        for _ in range(job.loops):
            if maps and kernel.machine.cycles >= end:
                break
            for page in pages:
                if page is None or not _turn(kernel, page_address(page), size, direction, job,
                                             maps, unmaps):
                    return -ENOMEM
    finally:
        for page in filter(None, pages):
            free_pages(page_address(page), order)
        dma_set_mask(dev, mask)
    return Result(*_statistics(maps), *_statistics(unmaps))


def _turn(kernel: Kernel, buf: int, size: int, direction: Dir, job: Benchmark, maps: list[int],
          unmaps: list[int]) -> bool:
    """Dirty the buffer, map it, wait, unmap it. False if it could not be mapped."""
    dev, machine = kernel.cdma.dev, kernel.machine
    if direction != DMA_FROM_DEVICE:
        cpu.store(buf, bytes([0x66]) * size)
    sgl = [Scatterlist() for _ in range(job.granule)]
    sg_init_table(sgl, len(sgl))
    for index, sg in enumerate(sgl):
        sg_set_buf(sg, buf + index * PAGE_SIZE, PAGE_SIZE)
    start = machine.cycles
    if job.mode:
        ok = dma_map_sg(dev, sgl, len(sgl), direction) > 0
    else:
        dma = dma_map_single(dev, buf, size, direction)
        ok = not dma_mapping_error(dev, dma)
    if not ok:
        return False
    maps.append(machine.cycles - start)
    machine.wait(job.delay)
    start = machine.cycles
    if job.mode:
        dma_unmap_sg(dev, sgl, len(sgl), direction)
    else:
        dma_unmap_single(dev, dma, size, direction)
    unmaps.append(machine.cycles - start)
    return True
