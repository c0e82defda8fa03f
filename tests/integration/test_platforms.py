"""The same programs on RTL and golden model where devices reach memory otherwise."""

import runpy
from pathlib import Path

import pytest

from kernel_api import (
    DMA_FROM_DEVICE,
    DMA_TO_DEVICE,
    GFP_KERNEL,
    cpu,
    dma_map_single,
    dma_unmap_single,
    kmalloc,
)
from rtl.params import SystemParams
from sim.matrix import Cell, run_cell

MISTAKES = Path(__file__).parents[2] / "examples/mistakes"


def copy(kernel):
    """Copy 1000 bytes; return them and the handles."""
    dev = kernel.cdma.dev
    src, dst = kmalloc(1000, GFP_KERNEL), kmalloc(1000, GFP_KERNEL)
    cpu.store(src, bytes(range(250)) * 4)
    cpu.store(dst, bytes(1000))
    a = dma_map_single(dev, src, 1000, DMA_TO_DEVICE)
    b = dma_map_single(dev, dst, 1000, DMA_FROM_DEVICE)
    status = kernel.cdma.copy([(a, b, 1000)])
    dma_unmap_single(dev, a, 1000, DMA_TO_DEVICE)
    dma_unmap_single(dev, b, 1000, DMA_FROM_DEVICE)
    return status, int(a), int(b), cpu.load(dst, 1000)


@pytest.mark.parametrize("path", ["direct", "offset", "swiotlb", "deferred"])
def test_r06_r69_paths(path):
    rtl, golden = (run_cell(copy, Cell(path, "64", engine), check=None)
                   for engine in ("rtl", "golden"))
    assert rtl.image == golden.image and rtl.costs == golden.costs
    status, source, _, data = rtl.image
    assert (status, data) == (0, bytes(range(250)) * 4)
    assert (source >= 0x8000_0000) == (path != "offset")


@pytest.mark.parametrize("name", ["m06_sync_for_cpu_wrong", "m24_physical_wrong"])
def test_mistakes_show_alike(name):
    main = runpy.run_path(str(MISTAKES / f"{name}.py"))["main"]
    images = [run_cell(main, Cell("offset", "64", engine)).image for engine in ("rtl", "golden")]
    assert images[0] == images[1]


@pytest.mark.parametrize("path", ["direct", "swiotlb", "deferred"])
def test_r74_coherent_devices_see_the_cache(path):
    """Syncs do nothing, and the outcome is the same as on a machine that needs them."""
    rtl, golden, other = (run_cell(copy, cell, check=None) for cell in (
        Cell(path, "coherent", "rtl"), Cell(path, "coherent"), Cell(path, "64")))
    assert rtl.image[0] == other.image[0] == 0 and rtl.image[3] == other.image[3]
    assert rtl.image == golden.image and rtl.costs == golden.costs
    assert rtl.costs.cache_lines == 0 < other.costs.cache_lines


@pytest.mark.parametrize("name", ["m06_sync_for_cpu_wrong", "m07_sync_for_device_wrong"])
def test_r74_forgotten_syncs_do_no_harm(name):
    """The device sees what the CPU has stored, and the CPU what the device has written."""
    folder = {kind: runpy.run_path(str(MISTAKES / f"{name[:-5]}{kind}.py"))["main"]
              for kind in ("wrong", "right")}
    images = [run_cell(folder[kind], Cell("strict", "coherent", "rtl"), check=None).image
              for kind in ("wrong", "right")]
    assert images[0] == images[1]


def test_bus_offset():
    with pytest.raises(ValueError, match="Bus offset must be a multiple of 4096, not 5"):
        SystemParams(bus_offset=5)
