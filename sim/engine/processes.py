"""Python processes and testbenches, and the contexts they are given."""

from amaranth.hdl import Signal
from amaranth.hdl._ir import DriverConflict
from amaranth.sim._async import AsyncProcess, ProcessContext, TestbenchContext

from .control import Control
from .ticks import Tick

__all__ = ["Process"]


class _Ticking:
    """Gives out one trigger object for each clock domain: they do not change."""

    def tick(self, domain="sync", *, context=None):
        """Wait for the active edge of a clock domain."""
        plain = context is None and domain.__class__ is str
        found = self._process.ticks.get(domain) if plain else None
        if found is None:
            found = Tick(self._engine, self._process,
                         domain=super().tick(domain, context=context)._domain)
            if plain:
                self._process.ticks[domain] = found
        return found


class _Testbench(_Ticking, TestbenchContext):
    """Context of a testbench, with a short path for whole signals."""

    def get(self, expr):
        """Return the settled value of an expression."""
        if expr.__class__ is not Signal:
            return super().get(expr)
        engine = self._engine
        found = engine.readers.get(id(expr))
        if found is None:
            found = engine.readers[id(expr)] = engine.state.signal(expr).get, expr
        if engine.words[Control.PENDING]:
            engine.flush()
        return found[0]()

    def set(self, expr, value):
        """Set an input, a register, or a memory's row."""
        if expr.__class__ is not Signal or value.__class__ is not int:
            super().set(expr, value)
            return
        engine = self._engine
        found = engine.writers.get(id(expr))
        if found is None:
            slot = engine.state.signal(expr)
            if slot.is_comb:
                raise DriverConflict("Combinationally driven signals cannot be overriden by "
                                     "testbenches")
            found = engine.writers[id(expr)] = slot, expr
        slot = found[0]
        value &= slot.mask
        if slot.signed and value >> (slot.width - 1):
            value -= 1 << slot.width
        engine.write(slot, value)
        engine.step_design()


class _Process(_Ticking, ProcessContext):
    """Context of a process that replaces logic."""


class Process(AsyncProcess):
    """A process or a testbench."""

    def __init__(self, design, engine, constructor, *, testbench, background):
        self.testbench = testbench
        self.watch = engine.watches.take()
        self.result = None
        self.ticks = {}
        self.constructor = constructor
        self.context = (_Testbench if testbench else _Process)(design, engine, self)
        self.background = background
        self.reset()
