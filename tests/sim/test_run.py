"""``dmapath run`` and ``dmapath map-benchmark``."""

import re
from pathlib import Path

import pytest

from kernel_api import EINVAL, ENOMEM, boot
from rtl.spec.platform import Platform
from sim.cli import main
from sim.golden.machine import GoldenMachine
from sim.map_benchmark import Benchmark, benchmark

MISTAKES = Path(__file__).parents[2] / "examples/mistakes"


def command(capsys, *arguments):
    """Exit status, and what was printed."""
    with pytest.raises(SystemExit) as status:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status.value.code, printed.out + printed.err


def test_a_right_program_in_some_cells(capsys):
    status, text = command(capsys, "run", MISTAKES / "m07_sync_for_device_right.py", "--matrix",
                           "--cache", "64", "--costs")
    assert status == 0 and "5 cells, images all the same" in text
    assert "bounced bytes" in text and "iotlb commands" in text
    assert len(re.findall(r"dma_unmap_single +1 +\d", text)) == 5     # a line for each cell


def test_a_wrong_program_says_what_is_missing(capsys):
    status, text = command(capsys, "run", MISTAKES / "m07_sync_for_device_wrong.py")
    assert status == 1 and "dma_sync_single_for_device missing" in text
    assert "m07_sync_for_device_wrong.py:" in text


def test_a_report_names_the_line_of_the_program(capsys):
    """Also if a model of a device, or the machine, was at work when it was noticed."""
    _, text = command(capsys, "run", MISTAKES / "m22_skip_sync_wrong.py")
    assert "(m22_skip_sync_wrong.py:20, strict/64/golden)" in text


def test_a_program_says_what_the_machine_must_have(capsys, tmp_path):
    program = tmp_path / "streams.py"
    program.write_text("PLATFORM = {'streams': 2}\n\ndef main(kernel):\n"
                       "    return len(kernel.machine.streams)\n")
    assert command(capsys, "run", program)[0] == 0


def test_a_file_without_main(capsys, tmp_path):
    program = tmp_path / "empty.py"
    program.write_text("x = 1\n")
    status, text = command(capsys, "run", program)
    assert status == 2 and "Program must have a function main(kernel)" in text


def test_map_benchmark(capsys):
    main(["map-benchmark", "--machine", "golden", "-l", "3", "-g", "4", "-m", "1", "-t", "2"])
    text = capsys.readouterr().out
    assert "mode:SG threads:2 kilocycles:20 node:-1 dir:BIDIRECTIONAL granule:4" in text
    assert "average unmap latency(cycles):" in text
    status, text = command(capsys, "map-benchmark", "--machine", "golden", "-b", "19")
    assert status == 2 and "parameters in range" in text


@pytest.mark.parametrize("name, value", [
    ("threads", 0), ("threads", 1025), ("loops", 0), ("bits", 19), ("bits", 65), ("direction", 3),
    ("delay", -1), ("granule", 1025), ("time", 0), ("time", 301), ("node", -2), ("node", 1),
    ("mode", 2)])
def test_parameters_of_the_benchmark(name, value):
    with boot(GoldenMachine(Platform())) as kernel:
        assert benchmark(kernel, Benchmark(**{name: value})) == -EINVAL


def test_the_benchmark_ends_in_time():
    with boot(GoldenMachine(Platform())) as kernel:
        start = kernel.machine.cycles
        assert benchmark(kernel, Benchmark(time=1, delay=400)).map_average > 0
        assert 1000 <= kernel.machine.cycles - start < 1600


def test_what_more_pages_cost():
    with boot(GoldenMachine(Platform())) as kernel:
        mask, free = kernel.cdma.dev.dma_mask, kernel.pages.free_pages
        one, eight = (benchmark(kernel, Benchmark(loops=4, granule=pages)) for pages in (1, 8))
        assert eight.unmap_average > one.unmap_average > 0
        assert one.map_average > 0 and kernel.cdma.dev.dma_mask == mask
        assert free - kernel.pages.free_pages <= 3          # page tables stay
        assert benchmark(kernel, Benchmark(granule=1024)) == -ENOMEM
