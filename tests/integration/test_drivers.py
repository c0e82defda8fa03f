"""The example drivers: the same image on every kind of machine, and nothing to report."""

import runpy
from pathlib import Path

import pytest

from sim.matrix import cells, run_cell

FOLDER = Path(__file__).parents[2] / "examples/drivers"


@pytest.mark.parametrize("name", ["howto_receive", "block", "network"])
def test_r53_r55_right_on_every_machine(name):
    program = runpy.run_path(str(FOLDER / f"{name}.py"))
    images = []
    for cell in cells(caches=("coherent", "16", "128")):
        outcome = run_cell(program["main"], cell)
        assert not outcome.reports, f"{cell}: {outcome.reports[0]}"
        images.append(outcome.image)
    assert all(image == images[0] for image in images)
    if name == "howto_receive":
        assert images[0] == [packet for packet in program["PACKETS"] if packet[0] == 1]
    elif name == "block":
        disk = bytes(program["DISK"])
        assert images[0] == ([0, 0], True, disk[:40 * 512] + disk[3 * 512:19 * 512]
                             + disk[56 * 512:])
    else:
        sent, dropped = images[0]
        assert dropped == 0 and all(packet[-3:] == packet[-1:] * 3 for packet in sent)


def test_r53_a_failed_map_drops_or_waits():
    """With bounce memory used up, the card drops and the disk is busy; both go on later."""
    network = runpy.run_path(str(FOLDER / "network.py"))
    block = runpy.run_path(str(FOLDER / "block.py"))

    def program(kernel):
        pool, dev = kernel.swiotlb, kernel.cdma.dev
        with network["DeviceEnd"](kernel) as device:
            card = network["NetworkCard"](device)
            disk = block["Disk"](device, bytearray(block["DISK"]))
            sgl, seen = block["make_list"]([4096]), []
            page = network["virt_to_phys"](network["get_zeroed_page"](1))
            held = [pool.map(dev, page, 256 << 10, 0) for _ in range(4)]
            for _ in range(2):
                seen.append((card.transmit(bytes(100)), card.dropped, disk.request(
                    0, sgl, 1, network["DMA_FROM_DEVICE"])))
                for phys in held:
                    pool.unmap(phys)
                held = []
            card.remove()
            return seen

    (cell,) = cells(paths=["swiotlb"], caches=["64"])
    busy, later = run_cell(program, cell).image
    assert busy == (b"", 1, -16)
    assert later == (bytes(100), 1, 0)
