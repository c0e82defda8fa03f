"""The example drivers: the same image on every kind of machine, and nothing to report."""

import runpy
from pathlib import Path

from sim.devices.pcap import make_packets, write_pcap
from sim.matrix import Cell, cells, run_cell

FOLDER = Path(__file__).parents[2] / "examples/drivers"
#: All paths on the model, with the shortest and the longest line; on the RTL with the usual one.
CELLS = [*cells(caches=("coherent", "16", "128")), *cells(caches=("64",), engines=("rtl",))]


def load(name):
    """A driver's file."""
    return runpy.run_path(str(FOLDER / f"{name}.py"))


def everywhere(main, machines, *arguments):
    """Image of a program; equal in all cells, and nothing was reported in any."""
    images = []
    for cell in CELLS:
        outcome = run_cell(lambda kernel: main(kernel, *arguments), cell, machines=machines)
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


def test_network_with_a_capture_of_the_user(tmp_path):
    packets = make_packets(tuple(range(0, 1400, 90)))       # more than the rings have room for
    (tmp_path / "some.pcap").write_bytes(write_pcap(packets))
    main = load("network")["main"]
    image = run_cell(lambda kernel: main(kernel, tmp_path / "some.pcap"),
                     Cell("strict", "64")).image
    assert image == (packets, swapped(packets), 0)
