"""Simulation engine for `amaranth.sim.Simulator` that runs compiled models."""

from contextlib import contextmanager

from amaranth.hdl import Signal, Value
from amaranth.hdl._ast import SignalKey
from amaranth.hdl._ir import DriverConflict
from amaranth.sim._base import BaseEngine
from amaranth.sim._pyeval import eval_assign, eval_value

from .control import CLOCK_WORDS, NEVER, QUEUE_LENGTH, Control, Stop
from .errors import EngineError
from .events import report
from .model import Model
from .netlist import combinational_signals
from .processes import Process
from .slots import State
from .ticks import Watches
from .triggers import Trigger

__all__ = ["CompiledEngine"]


class CompiledEngine(BaseEngine):
    """Runs testbenches against a compiled model, in the order that pysim does.

    A subclass names the host in ``host``. Attributes without underscore are for the other modules
    of this package.
    """

    host = None

    def __init__(self, design):
        self._design = design
        self.model = Model(design, self.host)
        self.words = self.model.words
        self.combinational = combinational_signals(design.fragment)
        self.clock_roots = self.model.clock_roots()
        self.state = State(self)
        self.watches = Watches(self)
        self.readers, self.writers = {}, {}
        self._queue_start = self.model.layout.queue // 8
        self._clock_start = self.model.layout.clocks // 8
        self._run, self._flush = self.model.run, self.model.flush
        self._clocks, self._clock_numbers = [], {}
        self._processes, self._testbenches = [], []
        self._waves = []
        self._hasty = bool(self.model.cells.comb_events)
        self.limit = None           # time up to which events may be batched; None: one at a time
        self._begin()

    def _begin(self):
        self.timeline = {}          # waker to time
        self.active = set()         # triggers that fired and have not sampled yet
        self._watched = set()       # slots with wakers
        self._queue = []            # changes made by processes
        self._in_process = False
        self._eager = False         # the design must be stepped before Python goes on
        self._arrived = False       # the events of this time have been carried out
        self._first = True
        for word in (Control.NOW, Control.PENDING, Control.EVENTS, Control.HITS, Control.FORCE):
            self.words[word] = 0

    state = None

    @property
    def now(self):
        """Time, in femtoseconds."""
        return self.words[Control.NOW]

    def reset(self):
        """Start over."""
        self.model.reset()
        self.state.reset()
        self.watches.reset()
        self._begin()
        for number, (slot, phase, period) in enumerate(self._clocks):
            self._start_clock(number, slot, phase, period)
        for wave in self._waves:
            wave.restart()
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
        self._processes.append(Process(self._design, self, process, testbench=False,
                                       background=True))

    def add_async_testbench(self, simulator, process, *, background):
        """Add a testbench."""
        self._testbenches.append(Process(self._design, self, process, testbench=True,
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
            self._eager = True
            return
        slot.store(value)
        self.touch(slot.roots)
        if self._hasty:
            self._eager = True

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
            words[self._queue_start + count] = root
            count += 1
        words[Control.PENDING] = count
        if count > QUEUE_LENGTH - 1024:
            self.flush()

    def flush(self):
        """Let the design settle after changes."""
        if self._flush():
            raise EngineError("Clocks derived from each other do not settle")
        if self.words[Control.EVENTS]:
            report(self.model)

    # Wakers ------------------------------------------------------------------------------------

    def watch_signal(self, signal, waker):
        """Call ``waker(old, new)`` when a signal changes, for as long as it returns true."""
        slot = self.state.signal(signal)
        slot.wakers.append(waker)
        slot.last = slot.get()
        self._watched.add(slot)

    @staticmethod
    def _wake(slot, old, new):
        wakers, slot.wakers = slot.wakers, []
        slot.wakers[:0] = [waker for waker in wakers if waker(old, new)]

    def _check_watched(self):
        for slot in list(self._watched):
            if not slot.wakers:
                self._watched.discard(slot)
                continue
            value = slot.get()
            if value != slot.last:
                old, slot.last = slot.last, value
                self._wake(slot, old, value)

    def _run_triggers(self):
        for trigger in list(self.active):
            trigger.run()
        self.active.clear()

    def _run_processes(self):
        ran = False
        for process in self._processes:
            if process.runnable:
                process.runnable = False
                ran = self._in_process = True
                try:
                    process.run()
                finally:
                    self._in_process = False
        return ran

    def _apply_queue(self):
        queue, self._queue = self._queue, []
        for one in queue:
            if one.__class__ is tuple:
                one[0].store(*one[1:])
            else:
                value, one.queued = one.queued, None
                self.write(one, value)

    # Time --------------------------------------------------------------------------------------

    def step_design(self):
        """Settle the design, waking whoever waits for a change, until nothing changes."""
        if not (self._eager or self.active or self._watched):
            return
        words = self.words
        while True:
            self._run_triggers()
            ran = self._run_processes()
            if words[Control.PENDING]:
                self.flush()
            self._apply_queue()
            if words[Control.PENDING] and not self.active:
                self.flush()
            if self._watched:
                self._check_watched()
            if not self.active and not ran and not words[Control.PENDING]:
                break
        self._eager = bool(self._watched)

    def _next_edge(self):
        first, words = self._clock_start, self.words
        return min((words[first + CLOCK_WORDS * n] for n in range(len(self._clocks))),
                   default=NEVER)

    def _events_now(self):
        """Carry out the delays and the clock edges of this very time."""
        now = self.now
        due = [waker for waker, time in self.timeline.items() if time == now]
        for waker in due:
            del self.timeline[waker]
        for waker in due:
            waker()
        if due:
            self._run_triggers()        # samples are of before the edge
            self._run_processes()
            self._apply_queue()
        if self._next_edge() == now:
            self._batch(now + 1)

    def _batch(self, limit):
        """Run clock events before ``limit`` until Python is needed. Return whether it is."""
        words = self.words
        force = words[Control.FORCE] = int(bool(self._watched))
        while True:
            why = self._run(limit)
            if why & Stop.UNSTABLE:
                raise EngineError("Clocks derived from each other do not settle")
            if words[Control.EVENTS]:
                report(self.model)
            if why & Stop.FULL:
                self._drain()
            if not why:
                return False
            if why & Stop.HIT:
                break
        self.watches.fire()
        if words[Control.MID]:
            if force:
                self._check_watched()
            self._run_triggers()
            self._run_processes()       # processes see the values before the edge
            self.flush()
            self._apply_queue()
            if force:
                self._check_watched()
        return True

    def _run_testbenches(self):
        ran = False
        for testbench in self._testbenches:
            if testbench.runnable:
                testbench.runnable = False
                testbench.run()
                ran = True
        return ran

    def advance(self):
        """Carry out one point in time. Return whether anything critical is running."""
        words = self.words
        if self._first:
            self._first = False
            self._eager = True
            self._events_now()
            self.step_design()
        else:
            if not self._arrived:
                self._events_now()
            if (self.active or self._queue or self._watched
                    or any(process.runnable for process in self._processes)):
                self._eager = True
                self.step_design()
        self._arrived = False
        while self._run_testbenches():
            if self.active or self._watched:
                self._eager = True
                self.step_design()
        critical = any(one.critical for one in (*self._processes, *self._testbenches))
        delay = min(self.timeline.values(), default=NEVER)
        edge = self._next_edge()
        if min(delay, edge) < NEVER:
            if self.limit is not None and edge < delay and (critical or self.limit < NEVER):
                limit = min(delay, self.limit)
                if edge < limit and self._batch(limit):
                    self._arrived = True
                else:
                    words[Control.NOW] = min(delay, self._next_edge())
            else:
                if words[Control.PENDING]:
                    self.flush()
                words[Control.NOW] = min(delay, edge)
        self._drain()
        return critical

    def run(self):
        """Advance as long as anything critical is running, with a short path for plain waits."""
        self.limit = NEVER
        try:
            while self.advance():
                while self._arrived and not (self.active or self._watched or self._processes
                                             or self._queue):
                    self._run_testbenches()
                    if (self.active or self._watched or self._eager
                            or any(one.runnable for one in self._testbenches)
                            or not any(one.critical for one in self._testbenches)):
                        break
                    delay = min(self.timeline.values(), default=NEVER)
                    if not self._batch(delay):
                        self._arrived = False
                        if delay < NEVER:
                            self.words[Control.NOW] = min(delay, self._next_edge())
        finally:
            self.limit = None

    def run_until(self, deadline):
        """Advance to a time in femtoseconds."""
        self.limit = deadline
        try:
            while self.now < deadline:
                self.advance()
        finally:
            self.limit = None

    # Waveforms ---------------------------------------------------------------------------------

    def python_signal_changed(self, slot):
        """Tell the waveforms about a signal that the model does not have."""
        for wave in self._waves:
            wave.update(slot)

    def _drain(self):
        for wave in self._waves:
            wave.drain()

    @contextmanager
    def write_vcd(self, *, vcd_file, gtkw_file, traces, fs_per_delta):
        """Write a waveform while the context is open."""
        raise NotImplementedError("waveforms")
