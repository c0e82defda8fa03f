"""Compiled simulation engine for Amaranth: the same testbenches, hundreds of times faster."""

from .errors import EngineError
from .simulator import ENGINES, Simulator, WasmEngine, choose

__all__ = ["ENGINES", "EngineError", "Simulator", "WasmEngine", "choose"]
