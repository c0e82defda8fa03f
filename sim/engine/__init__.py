"""Compiled simulation engine for Amaranth: the same testbenches, hundreds of times faster."""

from .choice import ENGINES, Choice, choose, prefer
from .errors import EngineError
from .simulator import NativeEngine, Simulator, WasmEngine

__all__ = ["ENGINES", "Choice", "EngineError", "NativeEngine", "Simulator", "WasmEngine", "choose",
           "prefer"]
