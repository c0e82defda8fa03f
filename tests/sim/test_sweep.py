"""Sweeps over parameters: what is tried, what is left out, tables, pictures, the command."""

import io
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from rich.console import Console

from sim import cli, sweep, sweep_plot, synth
from sim.benchmarks import sweeps
from sim.sweep import AXES, Axis, Point, markdown, select

CELLS = synth.Result(lut4=1234, ff=56, block_ram=7, lut_ram=0, carry=0, dsp=0, fmax_mhz=None)
READS = Axis("dma", "reads_in_flight", (4, 5, 8), "Reads in flight")


class Pins(wiring.Component):
    """The smallest netlist that depends on a parameter."""

    def __init__(self, width):
        super().__init__({"data": In(width)})

    def elaborate(self, platform):
        return Module()


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def short(monkeypatch):
    """Make workloads that take a second."""
    for name, value in {"LATENCIES": (4,), "ACCESSES": 64, "MIXED": 60, "WORDS": 16,
                        "SPACE": 1 << 10, "COPIES": 16}.items():
        monkeypatch.setattr(sweeps, name, value)


@pytest.fixture
def synthesized(monkeypatch):
    """Replace workload, block and synthesis; return what was asked for."""
    asked = []

    def synthesize(name, work, make, *, route):
        asked.append((len(make().data), route))
        work.mkdir(parents=True, exist_ok=True)
        return replace(CELLS, fmax_mhz=99.5 if route else None)

    monkeypatch.setattr(sweep, "synthesize", synthesize)
    monkeypatch.setitem(sweep.BLOCKS, "dma", replace(
        sweep.BLOCKS["dma"], make=lambda params: Pins(params.reads_in_flight),
        measure=lambda params: {"a copy": 3.0}))
    return asked


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_axes(axis):
    """Each is a parameter of its block, whose default is not the only value."""
    params = sweeps.BLOCKS[axis.block].configure(axis.others)
    assert isinstance(getattr(params, axis.parameter), int)
    assert list(axis.values) == sorted(set(axis.values)) and len(axis.values) > 1


def test_select():
    assert select([]) == list(AXES)
    assert [axis.name for axis in select(["iommu.walks", "channels"])] == ["iommu.walks",
                                                                           "channels.channels"]
    with pytest.raises(ValueError, match=r"^Axis must be one of iommu, iommu.tlb_entries, .*, "
                                         r"not 'gpu'$"):
        select(["gpu"])


def test_dma(short, console, tmp_path):
    """More reads in flight take no more cycles."""
    axis = replace(READS, values=(1, 8))
    few, many = (point.cycles["copy of 64 B, L=4"]
                 for point in sweep.sweep(axis, tmp_path, console, area=False))
    assert 8 <= many < few


def test_synthesis(synthesized, console, tmp_path):
    """What is refused is named, and nothing is synthesized twice."""
    points = sweep.sweep(READS, tmp_path, console)
    assert points == [Point(value, {"a copy": 3.0}, CELLS) for value in (4, 8)]
    assert ("dma.reads_in_flight=5 is left out: Reads in flight must be one of"
            in console.file.getvalue())
    assert sweep.sweep(READS, tmp_path, console) == points and len(synthesized) == 2
    axis = replace(READS, values=(2, 4, 8, 16))         # 4 is the default
    routed = sweep.sweep(axis, tmp_path, console, route=True)
    assert [point.area.fmax_mhz for point in routed] == [99.5, 99.5, None, 99.5]
    assert synthesized[2:] == [(2, True), (4, True), (16, True)]


@pytest.mark.parametrize("block, setting, less, more", [
    ("iommu", "tlb_entries", 8, 64), ("cache", "ways", 1, 4)])
def test_workloads(short, block, setting, less, more):
    """A small parameter is not the faster one."""
    swept = sweeps.BLOCKS[block]
    slow, fast = (swept.measure(swept.configure([f"{setting}={value}"])) for value in (less, more))
    assert slow.keys() == fast.keys()
    assert all(cycles >= 1 for cycles in fast.values())
    assert sum(slow.values()) > sum(fast.values())


def test_channels(short):
    """The bus carries 8 bytes a cycle, and there are 16 channels at most."""
    for count in (1, 2):
        (cycles,) = sweeps.channels(sweeps.ChannelsParams(count)).values()
        assert 8 <= cycles < 40


def test_too_many_channels(console, tmp_path):
    axis = Axis("channels", "channels", (17,), "Channels")
    assert sweep.sweep(axis, tmp_path, console) == []
    assert "channels.channels=17 is left out: Channels must be" in console.file.getvalue()


POINTS = [Point(4, {"a copy": 12.5}, CELLS), Point(8, {"a copy": 1234.5}, CELLS)]


def test_table():
    assert markdown(READS, POINTS) == (
        "| Reads in flight | a copy | LUT4 | FF | block RAM |\n"
        "| ---: | ---: | ---: | ---: | ---: |\n"
        "| 4 | 12.50 | 1,234 | 56 | 7 |\n"
        "| 8 | 1,234 | 1,234 | 56 | 7 |\n")
    routed = [POINTS[0], replace(POINTS[1], area=replace(CELLS, fmax_mhz=90.5))]
    assert [line.split(" | ")[-1] for line in markdown(READS, routed).splitlines()] == [
        "Fmax MHz |", "---: |", " |", "90.5 |"]
    bare = [replace(point, area=None) for point in POINTS]
    assert markdown(READS, bare).splitlines()[0] == "| Reads in flight | a copy |"


@pytest.mark.parametrize("area", [CELLS, None])
def test_picture(area, tmp_path):
    path = tmp_path / "deep" / "reads.svg"
    sweep_plot.plot(READS, [replace(point, area=area) for point in POINTS], path)
    assert path.read_text().count("<svg") == 1


def test_command(monkeypatch, tmp_path, capsys, synthesized):
    monkeypatch.setattr(sweep_plot, "available", lambda: False)
    monkeypatch.setattr(sweep, "AXES", [READS, replace(READS, parameter="max_beats", values=(3,))])
    cli.main(["sweep", "dma", "--cycles-only", "-o", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert "| 8 | 3.00 |" in out and "they need the extra 'plots'" in out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dma.reads_in_flight.md"]
