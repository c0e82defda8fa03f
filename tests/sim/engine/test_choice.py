"""Which engine is taken, and what is said when it cannot be."""

import gc
import sys

import pytest
from amaranth import sim as amaranth_sim
from amaranth.asserts import AnySeq
from amaranth.hdl import *
from amaranth.lib import io

from sim.engine import EngineError, Simulator, WasmEngine, choice, choose, prefer
from sim.engine.hosts import native_host, wasm_host
from tests.sim.engine.compare import COMPILED, PERIOD


def counter():
    m = Module()
    count = Signal(8)
    m.d.sync += count.eq(count + 1)
    return m, count


@pytest.mark.parametrize("name, taken", [("auto", "wasm"), ("wasm", "wasm"), ("pysim", "pysim")])
def test_choice(name, taken, preference):
    prefer("auto")
    make = choose(name)
    assert make.engine == taken
    simulator = make(counter()[0])
    assert isinstance(simulator, amaranth_sim.Simulator)
    assert isinstance(simulator, Simulator) == (taken != "pysim")
    simulator.add_clock(PERIOD)
    simulator.run_until(10 * PERIOD)


def loop():
    m, _ = counter()
    a, b = Signal(), Signal()
    m.d.comb += [a.eq(b), b.eq(a & 1)]
    return m


def black_box():
    m, _ = counter()
    m.submodules.box = Instance("PLL")
    return m


def two_drivers():
    m, count = counter()
    m.submodules.a, m.submodules.b = a, b = Module(), Module()
    shared = Signal()
    a.d.comb += shared.eq(count[0])
    b.d.comb += shared.eq(0)
    return m


@pytest.mark.parametrize("design, why", [
    (loop, r"Combinational loop through .*test_choice.py:\d+"),
    (black_box, r"Instance 'PLL' at .*test_choice.py:\d+ is a black box and cannot be simulated"),
    (two_drivers, r"Signal .* driven from module .*"),
])
def test_only_auto_falls_back(design, why, preference):
    prefer("auto")
    for name in ("wasm", "native") if native_host.compiler() else ("wasm",):
        with pytest.raises((EngineError, DriverConflict), match=f"^{why}"):
            choose(name)(design())
    make = choose("auto")
    with pytest.warns(RuntimeWarning, match=f"^{why}; pysim simulates it instead$"):
        simulator = make(design())
    assert make.engine == "pysim"
    simulator.add_clock(PERIOD)
    simulator.run_until(10 * PERIOD)


@pytest.fixture
def preference():
    before = choice._preferred
    yield
    choice._preferred = before


def test_preference(preference):
    prefer("pysim")
    assert choose().engine == "pysim"
    assert choose("wasm").engine == "wasm"
    prefer("wasm")
    with pytest.raises(EngineError, match=r"^Combinational loop"):
        choose()(loop())
    with pytest.raises(ValueError, match=r"^Engine must be one of auto, wasm, native, pysim, "
                                         r"not 'ghdl'$"):
        prefer("ghdl")
    prefer("auto")


def test_bad_name():
    with pytest.raises(ValueError, match=r"^Engine must be one of auto, wasm, native, pysim, "
                                         r"not 'verilator'$"):
        choose("verilator")


def test_without_wasmtime(monkeypatch, preference):
    prefer("auto")
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    monkeypatch.setattr(wasm_host, "available", lambda: False)
    assert choose("auto").engine == "pysim"
    with pytest.raises(EngineError, match=r"^Engine 'wasm' needs the package wasmtime; install "
                                          r"it with `pip install wasmtime`, or use"):
        choose("wasm")
    with pytest.raises(EngineError, match=r"^Engine 'wasm' needs the package wasmtime"):
        Simulator(counter()[0])


def test_without_compiler(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(native_host, "which", lambda name: None)
    monkeypatch.setattr(native_host, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"^Engine 'native' needs a C compiler: gcc, clang"):
        choose("native")
    monkeypatch.setattr(native_host, "find_spec", lambda name: name == "ziglang")
    assert native_host.compiler()[-2:] == ["ziglang", "cc"]
    monkeypatch.setenv("CC", "ccache gcc")
    assert native_host.compiler() == ["ccache", "gcc"]


def test_compiler_that_fails(monkeypatch):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(EngineError, match=r"^C compiler 'false' failed"):
        native_host.compile_library("int x;")


def test_engine_of_amaranths_simulator():
    """Without this package's `Simulator`: slower, and the same."""
    m, count = counter()
    simulator = amaranth_sim.Simulator(m, engine=WasmEngine)
    simulator.add_clock(PERIOD)
    seen = []

    async def testbench(ctx):
        seen.append(await ctx.tick().sample(count).repeat(100))
        seen.append(await ctx.tick().sample(count).until(count == 200))

    simulator.add_testbench(testbench)
    simulator.run()
    assert seen == [(99,), (200,)]


@pytest.mark.parametrize("make", COMPILED.values(), ids=COMPILED)
@pytest.mark.parametrize("add, message", [
    (lambda m, x: setattr(m.submodules, "box", Instance("PLL", i_x=x)),
     r"^Instance 'PLL' at .*test_choice.py:\d+ is a black box and cannot be simulated$"),
    (lambda m, x: setattr(m.submodules, "pin",
                          io.Buffer("o", io.SingleEndedPort(IOPort(1, name="pin")))),
     r"^I/O buffer at .* cannot be simulated$"),
    (lambda m, x: m.d.comb.__iadd__(Signal().eq(AnySeq(1))),
     r"^AnyValue at .*test_choice.py:\d+ cannot be used in simulation$"),
])
def test_refused_by_name(make, add, message):
    m, count = counter()
    add(m, count)
    with pytest.raises(EngineError, match=message):
        make(m)


@pytest.mark.parametrize("wide", [
    lambda shifted: shifted, lambda shifted: Cat(shifted[0], Const(1, 131_071)),
    lambda shifted: Mux(shifted[0], shifted, 0)])
def test_too_wide(wide):
    m, count = counter()
    m.d.comb += Signal().eq(wide(Const(1) << Cat(count, C(0, 9))))
    with pytest.raises(OverflowError, match=r"131072 bits wide, which is unlikely to simulate"):
        Simulator(m)


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_collection_is_as_before(collects):
    """Construction does without it, and what somebody froze stays frozen."""
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        Simulator(counter()[0])
        assert gc.isenabled() == collects and gc.get_freeze_count() == 0
        gc.freeze()
        Simulator(counter()[0])
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        (gc.enable if before else gc.disable)()
