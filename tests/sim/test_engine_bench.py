"""The benchmark of the whole system on each engine."""

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
