"""Options of the simulator: which engine is taken, and whether models are kept."""

import sys

import pytest

from sim.cli import main
from sim.engine import choose
from sim.engine.cache import Cache, cache
from sim.engine.hosts import native_host
from sim.vectors import command as vectors


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").write_bytes(bytes(range(200)))
    return str(tmp_path / "file")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("folder", "enabled"):
        monkeypatch.setattr(cache, name, getattr(Cache(tmp_path / "models"), name))
    return cache.folder


def demo(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["demo", *arguments])
    assert end.value.code == 0


def test_no_cache(file, folder, capsys):
    demo("--no-cache", "--entries", "1", "--engine", "wasm", file)
    assert "(RTL on wasm)" in capsys.readouterr().out
    assert not folder.exists() and cache.enabled
    demo("--entries", "1", "--engine", "wasm", file)
    assert len(list(folder.iterdir())) == 1


def test_engine_of_a_benchmark(monkeypatch, tmp_path, capsys):
    taken = []
    monkeypatch.setattr("sim.benchmarks.run.BLOCKS",
                        {"dma": lambda: taken.append(choose().engine) or []})
    before = choose().engine
    for engine in ("wasm", "pysim"):
        main(["bench", "dma", "--engine", engine, "--json", str(tmp_path / "bench.json")])
        assert f"simulator: {engine}\n" in capsys.readouterr().out
    assert taken == ["wasm", "pysim"]
    assert choose().engine == before


def test_engine_of_vectors(monkeypatch, tmp_path, capsys):
    path = tmp_path / "none.jsonl"
    path.write_text("")
    monkeypatch.setattr(vectors, "read_file", lambda path: [])
    with pytest.raises(SystemExit):
        main(["vectors", "--machine", "rtl", "--engine", "pysim", str(path)])
    assert "simulator: pysim\n" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["demo"], ["bench"], ["vectors", "x.jsonl"],
                                     ["run", __file__]])
def test_missing_engine(command, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(native_host, "which", lambda name: None)
    monkeypatch.setattr(native_host, "find_spec", lambda name: None)
    for engine, needs in (("wasm", "the package wasmtime"), ("native", "a C compiler")):
        with pytest.raises(SystemExit) as end:
            main([*command, "--engine", engine])
        assert end.value.code == 2
        printed = capsys.readouterr().err
        assert f"Engine '{engine}' needs {needs}" in printed and printed.count("\n") == 1
