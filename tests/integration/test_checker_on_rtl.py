"""What no mistake of the examples leads to, on the RTL too; and the cycles of what is said."""

import re

import pytest

from kernel_api import *
from sim.matrix import Cell, run_cell


def leak(kernel):
    """X7: so many mappings that somebody must have forgotten to undo them."""
    kernel.ownership.many = 8
    dev = kernel.cdma.dev
    for _ in range(9):
        dma_mapping_error(dev, dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE))


def shrunk(kernel):
    """X10: a mask that live mappings do not reach."""
    dev = kernel.cdma.dev
    handle = dma_map_single(dev, kmalloc(64, GFP_KERNEL), 64, DMA_TO_DEVICE)
    dma_mapping_error(dev, handle)
    dma_set_mask(dev, DMA_BIT_MASK(24))
    dma_unmap_single(dev, handle, 64, DMA_TO_DEVICE)


def said(outcome):
    """Reports, without cycles, and in whole bus words: the RTL reads no less."""
    def plain(text):
        text = re.sub(r"(\d+) bytes, at", lambda match: f"{-(-int(match[1]) // 8)} words, at", text)
        return re.sub(r"cycle \d+", "cycle N", text)

    return [(report.check, report.device, plain(report.text), report.missing)
            for report in outcome.reports]


def compare(main, machines):
    """Run on both machines; the reports must be the same. Returns those of the RTL."""
    golden, rtl = (run_cell(main, Cell("strict", "64", engine), machines=machines)
                   for engine in ("golden", "rtl"))
    assert said(rtl) == said(golden)
    return rtl.reports


@pytest.mark.parametrize("check, main", [("X7", leak), ("X10", shrunk)])
def test_x7_x10_on_rtl(check, main, machines):
    assert check in {report.check for report in compare(main, machines)}


def test_x11_cycles_are_those_of_the_rtl(machines):
    """Line filled, then overtaken by the device, then read: in this order, and all in this run."""
    seen = {}

    def main(kernel):
        dev = kernel.cdma.dev
        src, dst = (kzalloc(256, GFP_KERNEL) for _ in range(2))
        cpu.store(src, b"new" * 80)
        handles = [dma_map_single(dev, buf, 256, way)
                   for buf, way in ((src, DMA_TO_DEVICE), (dst, DMA_FROM_DEVICE))]
        for handle in handles:
            dma_mapping_error(dev, handle)
        dma_sync_single_for_cpu(dev, handles[1], 256, DMA_FROM_DEVICE)
        seen["before fill"] = kernel.machine.cycles
        cpu.load(dst, 64)
        seen["after fill"] = kernel.machine.cycles
        dma_sync_single_for_device(dev, handles[1], 256, DMA_FROM_DEVICE)
        kernel.cdma.copy([(handles[0], handles[1], 256)])
        seen["after copy"] = kernel.machine.cycles
        cpu.load(dst, 64)
        for handle, way in zip(handles, (DMA_TO_DEVICE, DMA_FROM_DEVICE), strict=True):
            dma_unmap_single(dev, handle, 256, way)

    outcome = run_cell(main, Cell("strict", "64", "rtl"), machines=machines)
    text = next(report.text for report in outcome.reports if "stale since" in report.text)
    written, filled = map(int, re.search(r"stale since cycle (\d+): line filled at cycle (\d+)",
                                         text).groups())
    assert seen["before fill"] < filled < seen["after fill"] < written < seen["after copy"]
