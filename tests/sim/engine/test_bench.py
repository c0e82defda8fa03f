"""The benchmark runs every workload, and all engines see the same."""

import pytest

from sim.engine import WasmEngine
from sim.engine.bench import measure as bench


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(bench, "WORKLOADS", {
        name: (make, max(1, count // 100), *rest)
        for name, (make, count, *rest) in bench.WORKLOADS.items()})
    monkeypatch.setattr(bench, "GROWTH", (0,))


@pytest.mark.parametrize("name", bench.WORKLOADS)
def test_same_on_both(name):
    (_, cycles, _, seen), (_, more, _, expected) = (
        bench.measure(name, engine, lanes=1) for engine in (WasmEngine, None))
    assert seen == expected
    assert cycles == more > 10


def test_tables(capsys):
    bench.main(["--engine", "wasm", "--workload", "idle clock"])
    bench.main(["--engine", "wasm", "--growth"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("idle clock ") and lines[1].endswith("x")
    assert lines[-2].split()[:3] == ["flip-flops", "pysim", "s"]
    flipflops, _, _, _, ratio, *_, speed = lines[-1].split()
    assert int(flipflops.replace(",", "")) > 1000 and ratio.endswith("x") and speed.endswith("x")
