"""The benchmark of the whole system on each engine."""

from contextlib import nullcontext

import pytest

from sim.benchmarks import engines


def test_small(monkeypatch, capsys):
    name = "monitor, every cycle"
    monkeypatch.setitem(engines.WORKLOADS, name, (engines.monitor, 40, 80, False))
    monkeypatch.setattr(engines, "IDLE_CYCLES", 40)
    engines.main(["--engine", "wasm", "--workload", name])
    assert capsys.readouterr().out.splitlines()[1].startswith(name)


def test_difference_is_told(monkeypatch):
    monkeypatch.setattr(engines, "measure", lambda name, engine, size: (1.0, engine))
    with pytest.raises(SystemExit, match=r"^idle: wasm and pysim differ$"):
        engines.main(["--engine", "wasm", "--workload", "idle"])


def test_construction(monkeypatch, capsys):
    """The last line; the first machine takes a second, each other one two."""
    took = iter([1.0, 2.0])
    monkeypatch.setattr(engines, "WORKLOADS", {})
    monkeypatch.setattr(engines, "construction", lambda engine: next(took))
    engines.main(["--engine", "wasm"])
    assert capsys.readouterr().out.splitlines()[-1].split()[-2:] == ["1.00", "2.00x"]


def test_construction_leaves_the_cache_as_it_was(monkeypatch):
    found = []

    def machine(engine):
        found.append(engines.cache.enabled)
        return nullcontext()

    monkeypatch.setattr(engines, "RtlMachine", machine)
    monkeypatch.setattr(engines.cache, "enabled", True)
    assert engines.construction("wasm") >= 0
    assert found == [False] and engines.cache.enabled
