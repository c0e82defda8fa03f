"""Python processes and testbenches, and the contexts they are given."""

from amaranth.hdl import Signal
from amaranth.hdl._ir import DriverConflict
from amaranth.sim._async import AsyncProcess, ProcessContext, TestbenchContext

from ..runtime.control import QUEUE_LENGTH, Control
from .ticks import Tick

__all__ = ["Process"]

_PENDING = int(Control.PENDING)
_MANY = QUEUE_LENGTH - 1024
_NUMBERS = (int, bool)


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
        if engine.words[_PENDING]:
            engine.flush()
        return found[0]()

    def set(self, expr, value):
        """Set an input, a register, or a memory's row."""
        if expr.__class__ is not Signal or value.__class__ not in _NUMBERS:
            super().set(expr, value)
            return
        engine = self._engine
        slot, view, index, mask, root, _ = engine.writers.get(id(expr)) or self._writer(expr)
        value &= mask
        if view is None or slot.wakers:
            if slot.signed and value >> (slot.width - 1):
                value -= 1 << slot.width
            engine.write(slot, value)
        elif view[index] != value:
            view[index] = value
            words = engine.words
            count = words[_PENDING]
            words[engine.queue_start + count] = root
            words[_PENDING] = count + 1
            if count > _MANY:
                engine.flush()
        if engine.eager:
            engine.step_design()

    def _writer(self, signal):
        """Look up how to set a signal; ``view`` is None unless that is one whole unit."""
        engine = self._engine
        slot = engine.state.signal(signal)
        if slot.is_comb:
            raise DriverConflict("Combinationally driven signals cannot be overriden by "
                                 "testbenches")
        view = index = root = None
        if len(slot.pieces) == 1 and slot.pieces[0].whole and not slot.pieces[0].shift \
                and not (slot.steers or engine.hasty or slot.constant):
            view, index, root = slot.pieces[0].view, slot.pieces[0].index, slot.pieces[0].root
        found = engine.writers[id(signal)] = slot, view, index, slot.mask, root, signal
        return found


class _Process(_Ticking, ProcessContext):
    """Context of a process that replaces logic."""


class Process(AsyncProcess):
    """A process or a testbench."""

    def __init__(self, design, engine, constructor, *, testbench, background):
        self.testbench = testbench
        self._engine, self._critical = engine, False
        self.watch, self.arm = engine.watches.take(self), engine.watches.arm
        self.words = engine.words
        self.ticks = {}
        self.constructor = constructor
        self.context = (_Testbench if testbench else _Process)(design, engine, self)
        self.background = background
        self.reset()

    @property
    def critical(self):
        """Whether this keeps the run going; the engine counts those that do."""
        return self._critical

    @critical.setter
    def critical(self, value):
        self._engine.critical += bool(value) - self._critical
        self._critical = bool(value)

    def resume(self):
        """Go on after a wait that was not the first."""
        try:
            self.waits_on = self.coroutine.send(None)
        except StopIteration:
            self.critical = False
            self.waits_on = self.coroutine = None
