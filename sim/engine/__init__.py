"""Compiled simulation engine for Amaranth: the same testbenches, hundreds of times faster."""

from .errors import EngineError
from .simulator import ENGINES, NativeEngine, Simulator, WasmEngine, choose

__all__ = ["ENGINES", "EngineError", "NativeEngine", "Simulator", "WasmEngine", "choose"]
