"""What users call: a drop-in `Simulator`, and the engines."""

from amaranth.sim import Simulator as _Simulator
from amaranth.sim.core import _seconds_to_femtos

from .hosts.native_host import NativeHost
from .hosts.wasm_host import WasmHost
from .run.engine import CompiledEngine
from .run.model import uncollected

__all__ = ["NativeEngine", "Simulator", "WasmEngine"]


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
        `WasmEngine` or `NativeEngine`; others work as with Amaranth's own class.

    Raises
    ------
    EngineError
        If the design has something that a compiled engine cannot simulate, or if what the engine
        needs is not installed.
    """

    def __init__(self, toplevel, *, engine=WasmEngine):
        with uncollected():
            super().__init__(toplevel, engine=engine)

    def run(self):
        """Run as long as any critical testbench or process is running."""
        if not isinstance(self._engine, CompiledEngine):
            super().run()
            return
        self._running = True
        self._engine.run()

    def run_until(self, deadline):
        """Run until a point in time, in seconds."""
        if not isinstance(self._engine, CompiledEngine):
            super().run_until(deadline)
            return
        deadline = _seconds_to_femtos(deadline)
        assert self._engine.now <= deadline
        self._running = True
        self._engine.run_until(deadline)
