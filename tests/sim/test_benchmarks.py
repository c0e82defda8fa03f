"""Benchmarks: the table, the file, and figures that no hardware can beat."""

import io
import json

import pytest
from rich.console import Console

from sim.bench import Timeout
from sim.benchmarks import (
    backend,
    dma,
    iommu,
    iommu_streams,
    iommu_tables,
    rig,
    ring,
    run,
    stream,
    translated,
)
from sim.benchmarks.table import Row, print_rows, write_rows

ROWS = [Row("dma", "copy of 64 B", 1, 12.25, "copy", 12, "some peer"),
        Row("dma", "start", 16, 8, "start"),
        Row("cache", "read hit", 1, 1.0, "access", 1.5, "another")]


def test_table():
    console = Console(record=True, width=120, file=io.StringIO())
    print_rows(ROWS, console)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]]
             for line in console.export_text().splitlines() if "│" in line]
    assert lines == [["dma", "copy of 64 B", "1", "12.25", "copy", "12.00", "some peer"],
                     ["", "start", "16", "8.00", "start", "", ""],
                     ["cache", "read hit", "1", "1.00", "access", "1.50", "another"]]


def test_file(tmp_path):
    path = tmp_path / "deep" / "bench.json"
    write_rows(ROWS, path)
    assert [Row(**row) for row in json.loads(path.read_text())] == ROWS


def test_run(tmp_path, monkeypatch, capsys):
    """Blocks as chosen; a workload's latencies together."""
    def rows(block):
        return [Row(block, what, latency, 1, "x") for latency in (1, 16) for what in "ba"]

    monkeypatch.setattr(run, "BLOCKS", {
        name: lambda name=name: rows(name) for name in ("dma", "iommu", "cache")})
    path = tmp_path / "bench.json"
    for blocks in (("dma", "iommu", "cache"), ("cache", "dma")):
        found = run.run_benchmarks(blocks, json_path=path, console=Console())
        assert [(row.block, row.what, row.latency) for row in found] == [
            (name, what, latency) for name in blocks for what in "ba" for latency in (1, 16)]
        assert [Row(**row) for row in json.loads(path.read_text())] == found
        assert f"written: {path}" in capsys.readouterr().out.replace("\n", "")


def test_dma_within_the_bus():
    """A bus of 8 bytes a cycle needs 8192 cycles for 64 KiB; a start waits for its descriptor."""
    copy, start = dma.measure([1], [("64 KiB", 65536, 0, 0, 4, 1)])
    assert (copy.what, copy.latency, copy.unit) == ("copy of 64 KiB", 1, "copy")
    assert 8192 <= copy.cycles < 2 * 8192
    assert start.cycles >= 4        # the beats of a descriptor


def test_backend_within_the_bus():
    """Sixteen bytes need two cycles and no more; data is not written before it came."""
    copy, through = backend.measure([1], [("16 B", 16, 16, 0, 0, 256, False)])
    assert (copy.what, copy.cycles) == ("copy of 16 B", 2)
    assert through.cycles > 0


def test_translated_costs_no_throughput():
    """Through the IOMMU with a warm TLB a copy takes as long, and one alone at most two more."""
    cycles = {row.what: row.cycles for row in translated.measure([16], [("64 B", 64, 3, 5, 64)])}
    assert cycles["copy of 64 B, by warm TLB"] == cycles["copy of 64 B, direct"] == 9
    alone = cycles["64 B alone, direct"]
    assert alone < cycles["64 B alone, by warm TLB"] <= alone + 2


@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
def test_streams_within_the_bus(channel):
    """64 B are eight beats; in a bus of their own nothing else takes any."""
    (row,) = stream.measure([1], [("64 B", True, channel, 64, 0, 64)])
    assert 8 <= row.cycles < 9


def test_iommu_reads_its_tables(monkeypatch):
    """Each table costs its latency: three levels, or only the last; and a directory before."""
    monkeypatch.setattr(iommu, "measure_streams", lambda latencies: [])
    cycles = {row.what: row.cycles for row in iommu.measure([20])}
    assert cycles["TLB hit"] < cycles["hit in the second TLB, 512 entries"] < 20
    assert 0 <= cycles["TLB hit"] < 20 and cycles["stream of TLB hits"] >= 1
    assert 20 <= cycles["TLB miss, upper levels cached"] < 2 * 20
    assert 3 * 20 <= cycles["TLB miss, context cached"] <= cycles["TLB and context miss"] - 20


def test_iommu_streams(monkeypatch):
    """What is walked for ahead costs less than a read for each page, but the first one a walk."""
    monkeypatch.setattr(iommu_streams, "PAGES", 8)
    monkeypatch.setattr(iommu_streams, "COPIED", 4)
    stream, copy = iommu_streams.measure_streams([20])
    assert 3 * 20 / 8 < stream.cycles < 20
    assert 0 < copy.cycles < 10


def test_iommu_two_stages():
    """Five entries in a row, and then one."""
    first, then = iommu._two_stages(20).values()
    assert 5 * 20 <= first < 6 * 20 + 10 and 20 <= then < 2 * 20


SMALL = ([1], [("64 B", 64, 0, 0, 4, 1)])


def test_wrong_copy(monkeypatch):
    """Cycles of an engine that copies something else are worth nothing."""
    noise = iter(range(1 << 20))
    monkeypatch.setattr(dma, "_source_byte", lambda addr: next(noise) * 91 >> 3 & 0xFF)
    with pytest.raises(AssertionError, match=r"^the copy is wrong: data$"):
        dma.measure(*SMALL)


def test_refused_access(monkeypatch):
    monkeypatch.setattr(iommu_tables, "PAGES", 0)
    with pytest.raises(AssertionError, match=r"^a page may not be read: SLVERR$"):
        iommu.measure([1])


def test_hang(monkeypatch):
    monkeypatch.setattr(rig, "TIMEOUT", 50)
    with pytest.raises(Timeout, match=r"^no end after 50 clock cycles$"):
        dma.measure(*SMALL)


def test_ring_within_the_bus():
    """A copy of 64 bytes takes 8 beats on a bus of its own, and 10 with its descriptor on it."""
    cases = [("64 B", True, 64, 0, 0, 256, False), ("64 B, one port", False, 64, 0, 0, 512, False)]
    own, start, shared = ring.measure([1], cases)
    assert (own.what, own.latency, own.unit) == ("copy of 64 B", 1, "copy")
    assert own.cycles == 8 and shared.cycles == 10
    assert 4 <= start.cycles <= 7


def test_ring_wrong_copy(monkeypatch):
    noise = iter(range(1 << 20))
    monkeypatch.setattr(ring, "_source_byte", lambda addr: next(noise) * 91 >> 3 & 0xFF)
    with pytest.raises(AssertionError, match=r"^the copy is wrong: data$"):
        ring.measure([1], [("64 B", True, 64, 0, 0, 8, False)])
