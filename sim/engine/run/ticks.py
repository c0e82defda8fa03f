"""Tick triggers that wait inside compiled code: one Python call a wake, not one a cycle."""

import operator
import struct
import types

from amaranth.hdl import Shape, ShapeCastable, Value, ValueCastable, ValueLike
from amaranth.sim._async import BrokenTrigger, DomainReset, TickTrigger

from ..errors import EngineError
from ..runtime.control import MAX_WATCHES, WATCH_WORDS, Control
from .programs import Beyond, compile_program, structure

__all__ = ["Tick", "Ticks", "Wait"]

_ARMED, _COUNT, _HIT, _HELD, _BEFORE = 0, 5, 9, 10, 11     # in runtime/watches.py
_HIT_COUNT = int(Control.HITS)
_REPEATED, _MISSED = 3, 2
_LOOKUPS = 4096


class Wait:
    """What a tick trigger looks at, compiled: clock edge, reset, condition, samples.

    Objects are shared by all processes that wait for the same; what differs is the watch.
    """

    def __init__(self, engine, clock, domain, sampled, condition):
        model = engine.model
        programs, self._decode, count = [], [], 0
        for one in sampled:
            value = Value.cast(one)
            shape = one.shape() if isinstance(one, ValueCastable) else value.shape()
            width = len(value)
            words = max(1, -(-width // 64))
            for n in range(words):
                part = value if words == 1 else value[64 * n:64 * n + 64]
                programs.append(compile_program(engine.state, part))
            self._decode.append((count, words, width, value.shape().signed,
                                 shape if isinstance(shape, ShapeCastable) else None))
            count += words
        if condition is not None:
            condition = compile_program(engine.state, Value.cast(condition))
        reset = None if domain.rst is None else compile_program(engine.state, domain.rst)
        self._count = count
        self._plain = all(words == 1 and not signed and shape is None
                          for _, words, _, signed, shape in self._decode)
        results = model.allocate(8 * count) if count else 0
        self._results = model.words[results // 8:results // 8 + count]
        places = [model.put(program) for program in programs]
        table = model.put(struct.pack(f"<{count}Q", *places)) if count else 0
        words = (1, clock, int(domain.clk_edge == "pos"), model.put(reset) if reset else 0,
                 model.put(condition) if condition else 0, 0, count, table, results, 0, 0, 0)
        self.armed = memoryview(struct.pack(f"<{WATCH_WORDS}Q", *words)).cast("Q")

    def initial_eligible(self):
        """Tell Amaranth's processes that this does not wake anyone at time 0."""
        return False

    def values(self):
        """Return the samples of the last hit."""
        results = self._results
        if self._plain:
            return tuple(results)
        out = []
        for at, words, width, signed, shape in self._decode:
            value = results[at]
            for n in range(1, words):
                value |= results[at + n] << (64 * n)
            value &= (1 << width) - 1
            if signed and value >> (width - 1) & 1:
                value -= 1 << width
            out.append(value if shape is None else shape.from_bits(value))
        return tuple(out)


class Watches:
    """The watch table of a model: who waits in compiled code."""

    def __init__(self, engine):
        self._engine = engine
        self._words = engine.model.words
        self._first = engine.model.layout.watches // 8
        self._hits = engine.model.layout.hits // 8
        self._used = 0
        self.released = []          # disarmed when taken again: memory may be gone in a finalizer
        self._by_objects, self._by_structure = {}, {}
        self.owners = {}            # address of a watch to the process that it wakes

    def take(self, process):
        """Give a process a free watch; return the number of its first word."""
        if self.released:
            at = self.released.pop()
            self._words[at + _ARMED] = 0
        else:
            if self._used == MAX_WATCHES:
                raise EngineError(f"Simulation must have at most {MAX_WATCHES} triggers at once")
            self._used += 1
            self._words[Control.WATCHES] = self._used
            at = self._first + WATCH_WORDS * (self._used - 1)
        self.owners[8 * at] = process
        return at

    def release(self, at):
        """Take a watch back. It may be hit once more, and then wakes nobody."""
        self.owners.pop(8 * at, None)
        self.released.append(at)

    def reset(self):
        """Disarm all watches."""
        for n in range(self._used):
            self._words[self._first + WATCH_WORDS * n + _ARMED] = 0

    def arm(self, at, wait, process, count=0):
        """Let a process wait, ``count`` times where that is not 0."""
        words = self._words
        words[at:at + WATCH_WORDS] = wait.armed
        if count:
            words[at + _COUNT] = count
        if not process.testbench:
            words[at + _BEFORE] = 1

    def fire(self):
        """Wake the processes whose watches were hit in the last run."""
        words, first, owners = self._words, self._hits, self.owners
        for n in range(first, first + words[_HIT_COUNT]):
            process = owners.get(words[n])
            if process is not None:     # it is of a loop that was left
                process.runnable = True
                process.waits_on = None

    def find(self, domain, sampled, condition):
        """Return the `Wait`, or None when only Python can do it."""
        key = id(domain), id(condition), *map(id, sampled)
        found = self._by_objects.get(key)
        if found is None:
            if len(self._by_objects) > _LOOKUPS:
                self._by_objects.clear()
            # The objects are kept, so that their identities stay theirs.
            found = self._make(domain, sampled, condition), domain, condition, sampled
            self._by_objects[key] = found
        return found[0]

    def _make(self, domain, sampled, condition):
        clock = self._engine.clock_number(domain)
        if clock is None or (domain.async_reset and domain.rst is not None):
            return None
        values = [Value.cast(one) for one in sampled]
        shapes = [one.shape() if isinstance(one, ValueCastable) else None for one in sampled]
        key = (id(domain), None if condition is None else structure(Value.cast(condition)),
               *map(structure, values), *map(id, shapes))
        if key not in self._by_structure:
            try:
                wait = Wait(self._engine, clock, domain, sampled, condition)
            except Beyond:
                wait = None
            self._by_structure[key] = wait, values, shapes, condition
        return self._by_structure[key][0]


class Ticks:
    """Repeated wait of an ``async for``: watches also while nobody awaits it."""

    def __init__(self, engine, process, wait):
        self._watches = engine.watches
        self._words = engine.model.words
        self._wait = wait
        self._at = at = engine.watches.take(process)
        engine.watches.arm(at, wait, process)
        self._words[at + _ARMED] = 0

    def __aiter__(self):
        return self

    def __anext__(self):
        return self

    def __await__(self):
        words, at, wait = self._words, self._at, self._wait
        if words[at + _HIT] == _MISSED:
            raise BrokenTrigger
        words[at] = _REPEATED           # compiled code makes it 2 with the hit
        yield wait
        return (True, words[at + _HELD] != 0, *wait.values())

    async def aclose(self):
        """Do nothing: the watch is given back with the object."""

    def __del__(self):
        self._watches.release(self._at)


class Tick(TickTrigger):
    """Amaranth's tick trigger; waits in compiled code where that is possible.

    Objects are given out again for the same samples, and remember what they found.
    """

    _known = None               # what was found for this trigger without a condition

    def sample(self, *exprs):
        """Return a trigger that also samples these."""
        found = self.__dict__.setdefault("_samples", {})
        key = tuple(map(id, exprs))
        tick = found.get(key)
        if tick is None:
            if len(found) > _LOOKUPS:
                found.clear()
            tick = found[key] = Tick(self._engine, self._process, domain=self._domain,
                                     sampled=(*self._sampled, *exprs))
            tick._keeps = exprs         # so that their identities stay theirs
        return tick

    def _find(self):
        if self._known is None:
            self._known = self._engine.watches.find(self._domain, self._sampled, None)
        return self._known

    def __await__(self):
        wait = self._known or self._find()
        if wait is None:
            return (yield from super().__await__())
        process = self._process
        at = process.watch
        process.arm(at, wait, process)
        yield wait
        return (True, process.words[at + _HELD] != 0, *wait.values())

    def __aiter__(self):
        wait = self._find()
        if wait is None:
            return super().__aiter__()
        return Ticks(self._engine, self._process, wait)

    @types.coroutine
    def until(self, condition):
        """Wait for the first tick at which a condition holds, and return the samples."""
        found = self.__dict__.setdefault("_conditions", {})
        wait, _ = found.get(id(condition), (None, None))
        if wait is None:
            wait = self._find_condition(condition)
            if wait is None:
                return (yield from super().until(condition).__await__())
            if len(found) > _LOOKUPS:
                found.clear()
            found[id(condition)] = wait, condition
        return (yield from self._once(wait, 0))

    def _find_condition(self, condition):
        if not isinstance(condition, ValueLike):
            raise TypeError(f"Condition must be a value-like object, not {condition!r}")
        if isinstance(condition, ValueCastable) and not isinstance(condition.shape(), Shape):
            raise TypeError(f"The shape of a condition may only be `signed` or `unsigned`, "
                            f"not {condition.shape()!r}")
        return self._engine.watches.find(self._domain, self._sampled, condition)

    @types.coroutine
    def repeat(self, count):
        """Wait for a number of ticks, and return the samples of the last."""
        count = operator.index(count)
        if count <= 0:
            raise ValueError(f"Repeat count must be a positive integer, not {count!r}")
        wait = self._find()
        if wait is None:
            return (yield from super().repeat(count).__await__())
        return (yield from self._once(wait, count))

    def _once(self, wait, count):
        """Wait until a watch is hit; a reset of the domain ends it."""
        process = self._process
        at = process.watch
        process.arm(at, wait, process, count)
        yield wait
        if process.words[at + _HELD]:
            raise DomainReset
        return wait.values()
