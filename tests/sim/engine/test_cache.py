"""Compiled models on disk: found again, shared, limited, mended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import *
from amaranth.lib import memory

from sim.engine.cache import Cache
from sim.engine.run import model
from tests.sim.engine.compare import COMPILED, PERIOD


def design(step=1, init=0, rows=()):
    m = Module()
    count = Signal(20, init=init)
    m.submodules.rows = store = memory.Memory(shape=20, depth=4, init=rows)
    read = store.read_port(domain="comb")
    m.d.sync += count.eq(count + step + read.data)
    return m, count


def run(make, *args, **kwargs):
    m, count = design(*args, **kwargs)
    simulator = make(m)
    simulator.add_clock(PERIOD)
    seen = []

    async def testbench(ctx):
        await ctx.tick().repeat(3)
        seen.append(ctx.get(count))

    simulator.add_testbench(testbench)
    simulator.run()
    return seen[0]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("AMARANTH_ENGINE_CACHE", "AMARANTH_ENGINE_CACHE_LIMIT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=COMPILED)
def engine(request, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "cache", Cache(tmp_path / "cache"))
    return COMPILED[request.param]


def entries():
    return sorted(model.cache.folder.iterdir()) if model.cache.folder.exists() else []


def test_found_again(engine, monkeypatch):
    assert run(engine) == 3
    assert len(entries()) == 1
    monkeypatch.setattr(model, "Plan", None)            # a second compilation would fail
    assert run(engine) == 3


def test_other_designs_are_others(engine):
    assert [run(engine, step) for step in (1, 2, 1)] == [3, 6, 3]
    assert len(entries()) == 2


def test_initial_contents_come_from_the_design(engine):
    assert run(engine) == 3
    assert run(engine, rows=[10, 7, 7, 7]) == 33
    assert len(entries()) == 1


def test_turned_off(engine):
    model.cache.enabled = False
    assert run(engine) == 3
    assert not entries()


@pytest.mark.parametrize("data", [b"", b"short", b"x" * 100_000])
def test_broken_entry_is_made_anew(engine, data):
    run(engine)
    (entry,) = entries()
    good = entry.read_bytes()
    entry.write_bytes(data)
    with pytest.warns(RuntimeWarning, match=r"^Cache entry .* is broken; it is made anew$"):
        assert run(engine) == 3
    assert len(entry.read_bytes()) == len(good)


def test_unusable_entry_is_made_anew(engine):
    run(engine)
    (entry,) = entries()
    model.cache.put(entry.stem, b"whole, but not a model")
    with pytest.warns(RuntimeWarning, match=r"^Cache entry .* is broken; it is made anew$"):
        assert run(engine) == 3


def test_limit_keeps_what_was_used_last(tmp_path):
    cache = Cache(tmp_path, limit=3500)
    for n, key in enumerate("abc"):
        cache.put(key, bytes(1000))
        os.utime(tmp_path / f"{key}.model", (n, n))
    assert cache.get("a") == bytes(1000)                # and is the newest now
    cache.put("d", bytes(1000))
    assert {path.stem for path in tmp_path.iterdir()} == {"a", "c", "d"}
    cache.put("e", bytes(5000))
    assert cache.get("e") is None


def test_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "below")
    cache.put("a", b"1")
    assert cache.get("a") is None


def test_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache().folder == tmp_path / "amaranth-engine"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Cache().folder == Path.home() / ".cache" / "amaranth-engine"
    monkeypatch.setenv("AMARANTH_ENGINE_CACHE", str(tmp_path / "there"))
    assert Cache().folder == tmp_path / "there"
    monkeypatch.setenv("AMARANTH_ENGINE_CACHE", "off")
    assert not Cache().enabled


def test_limit_of_the_environment(monkeypatch, tmp_path):
    assert Cache(tmp_path).limit == 256 << 20
    monkeypatch.setenv("AMARANTH_ENGINE_CACHE_LIMIT", "1")
    cache = Cache(tmp_path)
    for key in "abc":
        cache.put(key, bytes(500_000))
    assert cache.limit == 1 << 20 and len(list(tmp_path.iterdir())) == 2
    monkeypatch.setenv("AMARANTH_ENGINE_CACHE_LIMIT", "much")
    with pytest.warns(RuntimeWarning, match=r"^AMARANTH_ENGINE_CACHE_LIMIT must be a number of "
                                            r"MiB, not 'much'; it is taken as 256$"):
        assert Cache(tmp_path).limit == 256 << 20


def test_several_processes_at_once(tmp_path):
    code = ("from tests.sim.engine.test_cache import *; from sim.engine.cache import cache; "
            "print(cache.folder, run(COMPILED['wasm']))")
    environment = os.environ | {"AMARANTH_ENGINE_CACHE": str(tmp_path / "shared"),
                                "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment,
                                  stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert out.split() == [str(tmp_path / "shared"), "3"]
    assert len(list((tmp_path / "shared").iterdir())) == 1
