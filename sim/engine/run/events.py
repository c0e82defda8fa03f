"""What compiled code recorded of `Print`, `Assert`, `Assume` and `Cover`."""

from amaranth.hdl import _nir
from amaranth.sim._pyeval import value_to_string
from amaranth.sim._pyrtl import pin_blame

from ..compile.layout import words_of
from ..errors import EngineError
from ..runtime.control import Control

__all__ = ["report"]


def _message(cell, values):
    if cell.format is None:
        return None
    out = []
    for chunk in cell.format.chunks:
        if isinstance(chunk, str):
            out.append(chunk)
            continue
        value, width = next(values), len(chunk.value)
        if chunk.signed and width and value >> (width - 1):
            value -= 1 << width
        text = chunk.format_desc.endswith("s")
        out.append(format(value_to_string(value), chunk.format_desc[:-1]) if text
                   else format(value, chunk.format_desc))
    return "".join(out)


def _happen(cell, message):
    if isinstance(cell, (_nir.SyncPrint, _nir.AsyncPrint)):
        print(message, end="")
    elif cell.kind == "cover":
        if message is not None:
            print(f"Coverage hit at {cell.src_loc[0]}:{cell.src_loc[1]}: {message}")
    else:
        kind = "Assertion" if cell.kind == "assert" else "Assumption"
        error = f"{kind} violated" + ("" if message is None else f": {message}")
        pin_blame(cell.src_loc, AssertionError(error))


def report(model):
    """Print or raise what was recorded since the last call, in order.

    Raises
    ------
    AssertionError
        If an assertion or an assumption was violated; what came after it is dropped.
    EngineError
        If more happened at once than there was room for.
    """
    words = model.words
    at = model.layout.events // 8
    end = at + words[Control.EVENTS] // 8
    words[Control.EVENTS] = 0
    if words[Control.LOST]:
        words[Control.LOST] = 0
        raise EngineError("Too many prints and assertions at one time")
    happened = []
    while at < end:
        cell = words[at]
        at += 1
        values = []
        for width in model.plan.records[cell]:
            count = words_of(width)
            values.append(sum(words[at + n] << 64 * n for n in range(count)))
            at += count
        happened.append((model.netlist.cells[cell], values))
    for cell, values in happened:
        _happen(cell, _message(cell, iter(values)))
