"""Protocol rules of AXI4 and AXI4-Lite as assertions in hardware."""

from .axi4 import Checker
from .axi_lite import LiteChecker
from .channel import Stable

__all__ = ["Checker", "LiteChecker", "Stable"]
