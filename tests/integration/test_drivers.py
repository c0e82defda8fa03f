"""The example drivers: the same image on every kind of machine, and nothing to report."""

import hashlib
import io
import runpy
from functools import partial
from pathlib import Path

import pytest

from kernel_api import *
from rtl.spec.platform import MEMORY_BASE
from sim.devices.pcap import make_packets, write_pcap
from sim.matrix import ENGINES, Cell, cells, run_cell

FOLDER = Path(__file__).parents[2] / "examples/drivers"
#: All paths on the model, with the shortest and the longest line; on the RTL with the usual one,
#: and a coherent one.
CELLS = [*cells(caches=("coherent", "16", "128")), *cells(caches=("64",), engines=("rtl",)),
         Cell("strict", "coherent", "rtl")]


def load(name):
    """A driver's file."""
    return runpy.run_path(str(FOLDER / f"{name}.py"))


def everywhere(main, machines, *arguments, where=CELLS, platform=None):
    """Image of a program; equal in all cells, and nothing was reported in any."""
    images = []
    for cell in where:
        outcome = run_cell(lambda kernel: main(kernel, *arguments), cell, machines=machines,
                           platform=platform)
        assert not outcome.reports, f"{cell}: {outcome.reports[0]}"
        images.append(outcome.image)
        assert outcome.image == images[0], cell
    return images[0]


def test_r54_r63_receive_buffer(machines):
    program = load("howto_receive")
    assert everywhere(program["main"], machines) == [
        packet for packet in program["PACKETS"] if packet[0] == 1]


def swapped(packets):
    """The same packets from the other side."""
    return [packet[6:12] + packet[:6] + packet[12:] for packet in packets]


def test_r53_r58_network(machines):
    received, sent, dropped = everywhere(load("network")["main"], machines)
    assert received == make_packets() and sent == swapped(received) and dropped == 0


def test_r53_r58_ethernet(machines):
    """The same packets as through the network card, by descriptors and streams of hardware."""
    program = load("ethernet")
    where = [*cells(caches=("coherent", "16", "128")), *(
        Cell(path, "64", "rtl") for path in ("swiotlb", "strict"))]
    received, sent, dropped = everywhere(program["main"], machines, where=where,
                                         platform=program["PLATFORM"])
    assert received == make_packets() and sent == swapped(received) and dropped == 0


def test_network_with_a_capture_of_the_user(tmp_path):
    packets = make_packets(tuple(range(0, 1400, 90)))       # more than the rings have room for
    (tmp_path / "some.pcap").write_bytes(write_pcap(packets))
    main = load("network")["main"]
    image = run_cell(lambda kernel: main(kernel, tmp_path / "some.pcap"),
                     Cell("strict", "64")).image
    assert image == (packets, swapped(packets), 0)


def test_r53_a_failed_map_drops_or_waits():
    """With bounce memory used up, the card drops and the disk is busy; both go on later."""
    network, block = load("network"), load("block")

    def program(kernel):
        pool, seen = kernel.swiotlb, []
        image = io.BytesIO(block["make_image"]())
        with network["NetworkCard"](kernel) as card, block["Disk"](kernel, image) as disk:
            nic, queue = network["Driver"](card), block["Driver"](disk, 64)
            request = block["Request"](0, 5, (4096,))
            page = virt_to_phys(get_zeroed_page(GFP_KERNEL))
            held = []
            while (slots := pool.map(nic.dev, page, 2048, DMA_ATTR_NO_WARN)) is not None:
                held.append(slots)
            # To send, to receive, and to read from the disk.
            assert nic.xmit(bytes(100)) == network["NETDEV_TX_OK"] and nic.dropped == 1
            card.arriving.append(bytes(200))
            assert nic.poll() and nic.dropped == 2 and not nic.received
            queue.submit(request)
            seen.append((request.status, queue.busy))
            for phys in held:
                pool.unmap(phys)
            assert nic.xmit(bytes(100)) == network["NETDEV_TX_OK"]
            card.arriving.append(bytes(200))
            assert nic.poll() and nic.dropped == 2 and nic.received == [bytes(200)]
            queue.run_queue()
            seen.append((request.status, queue.busy))
            nic.remove()
            queue.remove()
            return seen, card.sent

    (cell,) = cells(paths=["swiotlb"], caches=["64"])
    outcome = run_cell(program, cell)
    assert outcome.image == ([(-EBUSY, 1), (0, 1)], [bytes(100)]) and not outcome.reports


def test_network_does_not_believe_the_card():
    """Lengths that no buffer has are not used."""
    network = load("network")

    def program(kernel):
        with network["NetworkCard"](kernel) as card:
            nic = network["Driver"](card)
            card.arriving += [bytes(3000), bytes(300)]          # the first fits no buffer
            assert nic.poll()
            nic.remove()
            return nic.dropped, nic.received

    outcome = run_cell(program, Cell("strict", "64"))
    assert outcome.image == (1, [bytes(300)]) and not outcome.reports


def check_block(image, disk):
    """The right sectors were read, and written elsewhere."""
    read, write, seen, digest = image
    assert (read, write, seen) == (0, 0, disk[3 * 512:19 * 512])
    assert digest == hashlib.sha256(disk[:40 * 512] + seen + disk[56 * 512:]).hexdigest()


def test_r103_r106_block(machines):
    program = load("block")
    check_block(everywhere(program["main"], machines), program["make_image"]())


def test_block_with_an_image_of_the_user(tmp_path):
    main, path, disk = load("block")["main"], tmp_path / "disk.img", bytes(range(256)) * 200
    path.write_bytes(disk)
    check_block(run_cell(lambda kernel: main(kernel, path, "24"), Cell("strict", "64")).image, disk)
    assert path.read_bytes() == disk
    path.write_bytes(disk[:55 * 512])
    with pytest.raises(ValueError, match="Image must have at least 28672 bytes, not 28160"):
        run_cell(lambda kernel: main(kernel, path), Cell("strict", "64"))


def test_r10_r17_block_with_24_address_lines(machines):
    """By DMA below 16 MiB, or word by word where that is refused."""
    program = load("block")
    check_block(everywhere(program["main"], machines, None, "24"), program["make_image"]())
    with_dma = [str(cell) for cell in cells(caches=("64",)) if run_cell(
        lambda kernel: program["main"](kernel, None, "24"), cell).costs.maps]
    assert with_dma == ["strict/64/golden", "deferred/64/golden"]


def fill_low_memory(kernel):
    """Leave no memory below 16 MiB, as devices of :data:`LOW` see it."""
    while int(page_to_phys(alloc_page(GFP_KERNEL))) < MEMORY_BASE + (2 << 20):
        pass


#: Half of memory is within the reach of 24 address lines.
LOW = {"platform": {"dma_offset": MEMORY_BASE - (14 << 20)},
       "swiotlb": "normal", "swiotlb_bytes": 256 << 10}


@pytest.mark.parametrize("engine", ["golden", "rtl"])
def test_r17_r20_24_address_lines_must_bounce(machines, engine):
    """Without IOMMU, memory beyond 16 MiB bounces, and memory below does not."""
    block, sound = load("block"), load("sound")

    def disk(kernel, filled):
        image = io.BytesIO(block["make_image"]())
        with block["Disk"](kernel, image, address_bits=24) as disk:
            queue = block["Driver"](disk, 24)
            if filled:
                fill_low_memory(kernel)
            request = block["Request"](block["Operation"].READ, 3, (4096, 8192))
            queue.submit(request)
            queue.remove()
            seen = sg_copy_to_buffer(request.sgl, 2, request.size)[1]
            return request.status, queue.uses_dma, seen == image.getvalue()[3 * 512:][:12288]

    cell = Cell("offset", "64", engine)
    for filled in (False, True):
        outcome = run_cell(partial(disk, filled=filled), cell, machines=machines, **LOW)
        assert outcome.image == (0, True, True) and not outcome.reports
        assert outcome.costs.bounced_bytes == 2 * 12288 * filled

    def card(kernel):
        fill_low_memory(kernel)
        return sound["main"](kernel)

    outcome = run_cell(card, cell, machines=machines, **LOW)
    check_sound(outcome.image, sound)
    assert outcome.costs.bounce_maps == 1 and not outcome.reports


def check_sound(image, program):
    """The card played and heard what it should."""
    assert image == (program["make_sound"](10, 3), program["make_sound"](10, 7))


def test_r09_r17_sound(machines):
    program = load("sound")
    check_sound(everywhere(program["main"], machines), program)


@pytest.mark.deep
@pytest.mark.parametrize("name", ["howto_receive", "network", "ethernet", "block", "sound"])
def test_drivers_in_all_cells(machines, name):
    """The whole matrix, model and RTL."""
    program = load(name)
    assert everywhere(program["main"], machines, where=cells(engines=ENGINES),
                      platform=program.get("PLATFORM"))
