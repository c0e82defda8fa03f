"""The choice between the engines, by name."""

import warnings

from amaranth.hdl._ir import DriverConflict
from amaranth.sim import Simulator as _Simulator
from amaranth.sim._base import BaseEngine
from amaranth.sim.pysim import PySimEngine

from .errors import EngineError
from .hosts import native_host, wasm_host
from .simulator import NativeEngine, Simulator, WasmEngine

__all__ = ["ENGINES", "Choice", "choose", "prefer"]

ENGINES = ("auto", "wasm", "native", "pysim")

_COMPILED = {"wasm": (wasm_host, WasmEngine), "native": (native_host, NativeEngine)}
_preferred = "auto"


class _EngineOrPySim(BaseEngine):
    """What makes an engine for a design that was elaborated once: the compiled one if it can."""

    def __new__(cls, design):
        try:
            return WasmEngine(design)
        except (EngineError, DriverConflict) as error:
            warnings.warn(f"{error}; pysim simulates it instead", RuntimeWarning, stacklevel=5)
            return PySimEngine(design)


class Choice:
    """Makes simulators of designs.

    Attributes
    ----------
    engine : str
        The engine that was taken: ``"wasm"``, ``"native"`` or ``"pysim"``.
    """

    def __init__(self, engine: str, *, fall_back: bool = False):
        self.engine, self._fall_back = engine, fall_back
        if engine != "pysim":
            _COMPILED[engine][0].require()

    def __call__(self, toplevel) -> _Simulator:
        """Return a simulator of a design.

        Where the engine was chosen by ``"auto"`` and cannot simulate the design, pysim does, and a
        `RuntimeWarning` says why.
        """
        if self.engine == "pysim":
            return _Simulator(toplevel)
        make = _COMPILED[self.engine][1]
        if not self._fall_back:
            return Simulator(toplevel, engine=make)
        simulator = Simulator(toplevel, engine=_EngineOrPySim)
        if isinstance(simulator._engine, PySimEngine):
            self.engine = "pysim"
        return simulator


def choose(name: str = "auto") -> Choice:
    """Choose an engine by name.

    Parameters
    ----------
    name : str
        ``"wasm"``, ``"native"``, ``"pysim"``, or ``"auto"``: the compiled engine where wasmtime
        is installed, and Amaranth's own otherwise, unless `prefer` said what else.

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
        name = _preferred
    if name == "auto":
        return Choice("wasm", fall_back=True) if wasm_host.available() else Choice("pysim")
    return Choice(name)


def prefer(name: str) -> str:
    """Let ``"auto"`` stand for an engine, in this process. Return what it stood for before.

    Raises
    ------
    ValueError
        If there is no engine of that name.
    EngineError
        If what the named engine needs is not installed.
    """
    global _preferred
    if name != "auto":
        choose(name)
    before, _preferred = _preferred, name
    return before
