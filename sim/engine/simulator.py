"""What users call: a drop-in `Simulator`, the engines, and the choice between them."""

from functools import partial

from amaranth.sim import Simulator as _Simulator
from amaranth.sim.core import _seconds_to_femtos

from . import native_host, wasm_host
from .engine import CompiledEngine
from .native_host import NativeHost
from .wasm_host import WasmHost

__all__ = ["ENGINES", "NativeEngine", "Simulator", "WasmEngine", "choose"]


class WasmEngine(CompiledEngine):
    """Engine that compiles to WebAssembly and runs it in wasmtime; needs no compiler."""

    host = WasmHost


class NativeEngine(CompiledEngine):
    """Engine that compiles to C; needs gcc, clang or ziglang. Slower to start, faster to run."""

    host = NativeHost


class Simulator(_Simulator):
    """Amaranth's simulator on a compiled engine.

    Testbenches, processes, clocks and waveforms are those of `amaranth.sim.Simulator`, whose
    ``engine`` argument also takes the engines of this package. This class is faster: it tells
    the engine how far it may run without asking.

    Parameters
    ----------
    toplevel : Elaboratable
        Design to simulate.
    engine : class
        `WasmEngine` or `NativeEngine`.

    Raises
    ------
    EngineError
        If the design has something that a compiled engine cannot simulate, or if what the engine
        needs is not installed.
    """

    def __init__(self, toplevel, *, engine=WasmEngine):
        super().__init__(toplevel, engine=engine)

    def run(self):
        """Run as long as any critical testbench or process is running."""
        self._running = True
        self._engine.run()

    def run_until(self, deadline):
        """Run until a point in time, in seconds."""
        deadline = _seconds_to_femtos(deadline)
        assert self._engine.now <= deadline
        self._running = True
        self._engine.run_until(deadline)


ENGINES = ("auto", "wasm", "native", "pysim")


def choose(name: str = "auto"):
    """Choose an engine by name.

    Parameters
    ----------
    name : str
        ``"wasm"``, ``"native"``, ``"pysim"``, or ``"auto"``: the compiled engine where wasmtime
        is installed, and Amaranth's own otherwise.

    Returns
    -------
    callable
        Makes a simulator of a design; its attribute ``engine`` is the name that was taken.

    Raises
    ------
    ValueError
        If there is no engine of that name.
    EngineError
        If what the named engine needs is not installed.
    """
    if name not in ENGINES:
        raise ValueError(f"Engine must be one of {', '.join(ENGINES)}, not {name!r}")
    if name == "auto":
        name = "wasm" if wasm_host.available() else "pysim"
    if name == "pysim":
        make = partial(_Simulator)
    else:
        needs, host = {"wasm": (wasm_host, WasmEngine), "native": (native_host, NativeEngine)}[name]
        needs.require()
        make = partial(Simulator, engine=host)
    make.engine = name
    return make
