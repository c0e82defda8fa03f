"""Simulation engine for `amaranth.sim.Simulator` that runs compiled models."""

from contextlib import contextmanager

from amaranth.hdl import Signal, Value
from amaranth.hdl._ast import SignalKey
from amaranth.hdl._ir import DriverConflict
from amaranth.sim._base import BaseEngine
from amaranth.sim._pyeval import eval_assign, eval_value

from ..design.netlist import combinational_signals
from ..errors import EngineError
from ..runtime.control import QUEUE_LENGTH, Control
from .model import Model
from .processes import Process
from .scheduler import Scheduler
from .slots import State
from .ticks import Watches
from .triggers import Trigger
from .vcd import Waveform

__all__ = ["CompiledEngine"]


class CompiledEngine(Scheduler, BaseEngine):
    """Runs testbenches against a compiled model, in the order that pysim does.

    A subclass names the host in ``host``. Attributes without underscore are for the other modules
    of this package.
    """

    host = None

    def __init__(self, design):
        super().__init__(Model(design, self.host))
        self.design = design
        self.combinational = combinational_signals(design.fragment)
        self.clock_roots = self.model.clock_roots
        self.state = self._state = State(self)
        self.watches = Watches(self)
        self.readers, self.writers = {}, {}
        self.queue_start = self.model.layout.queue // 8
        self._clocks, self._clock_numbers = [], {}
        self.hasty = bool(self.model.cells.comb_events)

    state = _state = None
    now = Scheduler.now

    def reset(self):
        """Start over."""
        self.model.reset()
        self.state.reset()
        self.watches.reset()
        self._begin()
        for number, (slot, phase, period) in enumerate(self._clocks):
            self._start_clock(number, slot, phase, period)
        for process in (*self._processes, *self._testbenches):
            process.reset()

    # What Simulator adds -----------------------------------------------------------------------

    def add_clock_process(self, clock, *, phase, period):
        """Add a clock; times are in femtoseconds."""
        slot = self.state.signal(clock)
        if slot.is_comb:
            raise DriverConflict("Clock signal is already driven by combinational logic")
        if not slot.native:             # nobody in the design looks at it
            self.model.place_signal(slot)
        number = len(self._clocks)
        self._clocks.append((slot, phase, period))
        self._clock_numbers[SignalKey(clock)] = number
        self._start_clock(number, slot, phase, period)

    def _start_clock(self, number, slot, phase, period):
        piece = slot.pieces[0]
        piece.view[piece.index] |= slot.signal.init << piece.low
        self.model.add_clock((piece.address, piece.size, piece.root), number, phase, period // 2)

    def clock_number(self, domain):
        """Return the number of the clock that drives a domain, or None."""
        return self._clock_numbers.get(SignalKey(domain.clk))

    def add_async_process(self, simulator, process):
        """Add a process that replaces logic."""
        self._processes.append(Process(self.design, self, process, testbench=False,
                                       background=True))

    def add_async_testbench(self, simulator, process, *, background):
        """Add a testbench."""
        self._testbenches.append(Process(self.design, self, process, testbench=True,
                                         background=background))

    def add_trigger_combination(self, combination, *, oneshot):
        """Wait for signals and delays."""
        return Trigger(self, combination, oneshot=oneshot)

    # Values ------------------------------------------------------------------------------------

    def evaluate(self, value):
        """Return a value as it is now."""
        if value.__class__ is Signal:
            return self.state.signal(value).get()
        return eval_value(self.state, value)

    def get_value(self, expr):
        """Return the settled value of an expression."""
        if self.words[Control.PENDING]:
            self.flush()
        return self.evaluate(Value.cast(expr))

    def set_value(self, expr, value):
        """Assign to an expression."""
        expr = Value.cast(expr)
        if expr.__class__ is not Signal and self.words[Control.PENDING]:
            self.flush()
        eval_assign(self.state, expr, value)

    def write(self, slot, value):
        """Change a signal: at once for a testbench, at the end of the step for a process."""
        if self._in_process:
            if slot.queued is None:
                self._queue.append(slot)
            slot.queued = value
            return
        if slot.wakers or slot.steers:
            old = slot.get()
            if old == value:
                return
            if slot.steers and self.words[Control.PENDING]:
                self.flush()            # what was set before settles before the edge
            slot.store(value)
            self.touch(slot.roots)
            slot.last = value
            self._wake(slot, old, value)
            self.eager = True
            return
        slot.store(value)
        self.touch(slot.roots)
        if self.hasty:
            self.eager = True

    def write_row(self, slot, index, value, mask):
        """Change a memory's row, like `write`."""
        if self._in_process:
            self._queue.append((slot, index, value, mask))
        else:
            slot.store(index, value, mask)

    def touch(self, roots):
        """Note changes for the compiled code."""
        words = self.words
        count = words[Control.PENDING]
        for root in roots:
            words[self.queue_start + count] = root
            count += 1
        words[Control.PENDING] = count
        if count > QUEUE_LENGTH - 1024:
            self.flush()

    # Waveforms ---------------------------------------------------------------------------------

    def python_signal_changed(self, slot):
        """Tell the waveforms about a signal that the model does not have."""
        for wave in self._waves:
            wave.update(slot)

    @contextmanager
    def write_vcd(self, *, vcd_file, gtkw_file, traces, fs_per_delta):
        """Write a waveform while the context is open."""
        if fs_per_delta:
            raise EngineError("Waveforms of delta cycles cannot be written by a compiled engine")
        if self._waves:
            raise EngineError("Only one waveform can be written at a time")
        self.flush()
        wave = Waveform(self, vcd_file, gtkw_file, traces)
        self._waves.append(wave)
        try:
            yield
        finally:
            if self.words[Control.PENDING]:
                self.flush()
            self._waves.remove(wave)
            wave.close()
