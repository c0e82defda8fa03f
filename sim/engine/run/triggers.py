"""Triggers on arbitrary signals and delays, evaluated in Python."""

from amaranth.hdl import ShapeCastable, Value
from amaranth.sim._async import (
    BrokenTrigger,
    ChangedTrigger,
    DelayTrigger,
    EdgeTrigger,
    SampleTrigger,
)

__all__ = ["Trigger"]


class Trigger:
    """A combination of triggers that a process waits for.

    Glitches of combinational signals are not seen: only values that the design settles to.
    """

    def __init__(self, engine, combination, *, oneshot):
        self._engine, self._combination, self._oneshot = engine, combination, oneshot
        self._result, self._broken = None, False
        self._hit, self._delays = set(), {}
        for trigger in combination._triggers:
            if isinstance(trigger, ChangedTrigger):
                self._watch(trigger, None)
            elif isinstance(trigger, EdgeTrigger):
                self._watch(trigger, (trigger.bit, trigger.polarity))
            elif isinstance(trigger, DelayTrigger):
                self._delay(trigger)

    def _watch(self, trigger, edge):
        def waker(old, new):
            if self._broken:
                return False
            if edge is not None:
                bit, level = edge
                if old >> bit & 1 == new >> bit & 1 or new >> bit & 1 != level:
                    return True
                self._hit.add(trigger)
            self._activate()
            return not self._oneshot

        self._engine.watch_signal(trigger.signal, waker)

    def _delay(self, trigger):
        def waker():
            if not self._broken:
                self._hit.add(trigger)
                self._activate()

        self._engine.timeline[waker] = self._engine.now + trigger.interval_fs
        self._delays[waker] = trigger.interval_fs

    def _activate(self):
        if self._combination._process.waits_on is self:
            self._engine.active.add(self)
            self._engine.eager = True
        else:
            self._broken = True

    def compute_result(self):
        """Sample, and note which triggers were hit."""
        result = []
        for trigger in self._combination._triggers:
            if isinstance(trigger, (SampleTrigger, ChangedTrigger)):
                value = self._engine.evaluate(Value.cast(trigger.value))
                result.append(trigger.shape.from_bits(value)
                              if isinstance(trigger.shape, ShapeCastable) else value)
            else:
                result.append(trigger in self._hit)
        self._result = tuple(result)

    def run(self):
        """Sample and wake the process."""
        self.compute_result()
        process = self._combination._process
        process.runnable = True
        process.waits_on = None
        self._engine.woke = True
        self._hit.clear()
        if not self._oneshot:
            for waker, interval in self._delays.items():
                self._engine.timeline[waker] = self._engine.now + interval

    def initial_eligible(self):
        """Tell whether a process that awaits this first is to see the values of time 0."""
        return not self._oneshot and any(isinstance(trigger, ChangedTrigger)
                                         for trigger in self._combination._triggers)

    def __await__(self):
        self._result = None
        if self._broken:
            raise BrokenTrigger
        yield self
        if self._broken:
            raise BrokenTrigger
        return self._result
