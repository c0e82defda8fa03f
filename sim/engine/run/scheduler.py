"""Order of events: triggers, processes, the design, testbenches, and time."""

from ..errors import EngineError
from ..runtime.control import CLOCK_WORDS, NEVER, Control, Stop
from .events import report

__all__ = ["Scheduler"]

_HIT, _HITS = int(Stop.HIT), int(Control.HITS)


class Scheduler:
    """The half of an engine that moves time forward, in the order that pysim does.

    Attributes
    ----------
    timeline : dict
        Delay wakers to the time they are due.
    active : set
        Triggers that fired and have not sampled yet.
    watched : set
        Slots that have wakers.
    eager : bool
        The design must be stepped before Python goes on; also while triggers are active and
        slots watched.
    woke : bool
        A trigger woke a process since the testbenches were last run.
    critical : int
        Processes and testbenches that keep the run going.
    limit : int or None
        Time up to which clock events may be batched; None: one for each `advance`.
    """

    def __init__(self, model):
        self.model = model
        self.words = model.words
        self._clock_start = model.layout.clocks // 8
        self._run, self._flush = model.run, model.flush
        self._processes, self._testbenches = [], []
        self._waves = []
        self.critical = 0
        self.limit = None
        self._begin()

    def _begin(self):
        self.timeline, self.active = {}, set()
        self.watched = set()        # slots with wakers
        self.woke = False
        self._queue = []            # changes made by processes
        self._in_process = False
        self.eager = False          # the design must be stepped before Python goes on
        self._arrived = False       # the events of this time have been carried out
        self._first = True
        for word in (Control.NOW, Control.PENDING, Control.EVENTS, Control.HITS, Control.FORCE):
            self.words[word] = 0

    @property
    def now(self):
        """Time, in femtoseconds."""
        return self.words[Control.NOW]

    def flush(self):
        """Let the design settle after changes."""
        if self._flush():
            raise EngineError("Clocks derived from each other do not settle")
        if self.words[Control.EVENTS]:
            report(self.model)
        if self._waves and self.words[Control.VCD_LENGTH] > self.words[Control.VCD_ROOM]:
            self._drain()

    # Wakers ------------------------------------------------------------------------------------

    def watch_signal(self, signal, waker):
        """Call ``waker(old, new)`` when a signal changes, for as long as it returns true."""
        slot = self.state.signal(signal)
        slot.wakers.append(waker)
        slot.last = slot.get()
        self.watched.add(slot)
        self.eager = True

    @staticmethod
    def _wake(slot, old, new):
        wakers, slot.wakers = slot.wakers, []
        slot.wakers[:0] = [waker for waker in wakers if waker(old, new)]

    def _check_watched(self):
        for slot in list(self.watched):
            if not slot.wakers:
                self.watched.discard(slot)
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
        if not (self.eager or self.active or self.watched):
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
            if self.watched:
                self._check_watched()
            if not self.active and not ran and not words[Control.PENDING]:
                break
        self.eager = bool(self.watched)

    def _next_edge(self):
        first, words = self._clock_start, self.words
        return min((words[first + CLOCK_WORDS * n] for n in range(words[Control.CLOCKS])),
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
        force = self.words[Control.FORCE] = int(bool(self.watched))
        while why := self._run(limit):
            if self._stopped(why, force):
                return True
        if self.words[Control.EVENTS]:
            report(self.model)          # of what was set before the first clock event
        return False

    def _stopped(self, why, force):
        """See to what stopped a run. Return whether triggers were hit."""
        if why & Stop.UNSTABLE:
            raise EngineError("Clocks derived from each other do not settle")
        if self.words[Control.EVENTS]:
            report(self.model)
        if why & Stop.FULL:
            self._drain()
        if not why & Stop.HIT:
            return False
        self.watches.fire()
        if why & Stop.EARLY:
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
        ran = self.woke = False
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
            self.eager = True
            self._events_now()
            self.step_design()
        else:
            if not self._arrived:
                self._events_now()
            if (self.active or self._queue or self.watched
                    or any(process.runnable for process in self._processes)):
                self.eager = True
                self.step_design()
        self._arrived = False
        while self._run_testbenches():
            if self.active or self.watched:
                self.eager = True
                self.step_design()
        critical = self.critical > 0
        delay = min(self.timeline.values(), default=NEVER)
        edge = self._next_edge()
        if min(delay, edge) < NEVER:
            if self.limit is not None and edge < delay and (critical or self.limit < NEVER):
                limit = min(delay, self.limit)
                if edge < limit and self._batch(limit):
                    self._arrived = True
                else:
                    if words[Control.PENDING]:
                        self.flush()
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
        self.words[Control.FORCE] = 0
        try:
            while self.advance():
                if self._arrived and not (self.active or self.watched or self._processes
                                          or self._queue):
                    self._run_testbenches()
                    self._run_plain_waits()
        finally:
            self.limit = None

    def _run_plain_waits(self):
        """Go from one hit of a testbench's wait to the next, until there is more to it."""
        words, run, owners = self.words, self._run, self.watches.owners
        hits = self.model.layout.hits // 8
        while not (self.eager or self.woke) and self.critical:
            timeline = self.timeline
            delay = min(timeline.values()) if timeline else NEVER
            why = run(delay)
            if why == _HIT:                         # and nothing else
                process = owners.get(words[hits]) if words[_HITS] == 1 else None
                if process is not None:
                    process.resume()
                else:
                    self.watches.fire()
                    self._run_testbenches()
            elif self._stopped(why, 0) or self._batch(delay):
                self._run_testbenches()
            else:
                self._arrived = False
                if delay < NEVER:
                    words[Control.NOW] = min(delay, self._next_edge())
                break

    def run_until(self, deadline):
        """Advance to a time in femtoseconds."""
        self.limit = deadline
        try:
            while self.now < deadline:
                self.advance()
        finally:
            self.limit = None

    def _drain(self):
        for wave in self._waves:
            wave.drain()
