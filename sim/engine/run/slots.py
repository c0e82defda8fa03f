"""State of signals and memories as the simulator's Python side sees it."""

from amaranth.hdl import Shape
from amaranth.hdl._ast import SignalDict

__all__ = ["MemorySlot", "SignalSlot", "State"]


class SignalSlot:
    """One signal: in the model's memory, or in Python when the design does not use it.

    Attributes
    ----------
    get : callable
        Returns the value; what was set before must have been flushed.
    wakers : list
        Called with the old and the new value when they differ; kept while they return true.
    steers : bool
        A change may be a clock edge or an asynchronous reset.
    """

    __slots__ = ("_masks", "_value", "constant", "engine", "get", "is_comb", "last", "mask",
                 "native", "pieces", "queued", "roots", "signal", "signed", "steers", "wakers",
                 "width")

    def __init__(self, engine, signal):
        self.engine, self.signal = engine, signal
        self.width, self.signed = len(signal), signal.shape().signed
        self.mask = (1 << self.width) - 1
        self.is_comb = signal in engine.combinational
        self.wakers, self.queued, self.last = [], None, None
        self.native = signal in engine.model.netlist.signals
        self.constant, self.pieces = 0, ()
        self.steers = False
        if self.native:
            self.constant, self.pieces = engine.model.pieces(signal)
        self.bind()
        self.steers = not engine.clock_roots.isdisjoint(self.roots)

    def bind(self):
        """Choose the quickest way to read and write the pieces."""
        self.roots = tuple(dict.fromkeys(
            piece.root for piece in self.pieces if piece.root is not None))
        self._value = self.signal.init
        self._masks = [(piece.view, piece.index, piece.low, (1 << piece.count) - 1, piece.shift)
                       for piece in self.pieces]
        one = self.pieces[0] if len(self.pieces) == 1 else None
        if not self.native:
            self.get = lambda: self._value
        elif one and one.whole and not self.constant and not self.signed and not one.shift:
            view, index = one.view, one.index
            self.get = lambda: view[index]
        else:
            self.get = self._gather

    def _gather(self):
        value = self.constant
        for view, index, low, mask, shift in self._masks:
            value |= (view[index] >> low & mask) << shift
        if self.signed and value >> (self.width - 1) & 1:
            value -= 1 << self.width
        return value

    def store(self, value):
        """Write without waking anyone. ``value`` is in the range of the signal."""
        if not self.native:
            self._value = value
            self.engine.python_signal_changed(self)
            return
        for view, index, low, mask, shift in self._masks:
            bits = value >> shift & mask
            view[index] = bits if low == 0 and shift == 0 and len(self._masks) == 1 \
                and self.pieces[0].whole else view[index] & ~(mask << low) | bits << low

    def reset(self):
        """Forget wakers and what lives in Python."""
        self.wakers.clear()
        self.queued = None
        self._value = self.signal.init

    # What Amaranth's evaluation of expressions wants of a signal's state

    @property
    def curr(self):
        """Value now."""
        return self.get()

    @property
    def next(self):
        """Value at the end of the step."""
        return self.get() if self.queued is None else self.queued

    def update(self, value, mask=~0):
        """Change those bits that ``mask`` has ones for."""
        self.engine.write(self, self.next & ~mask | value & mask)


class MemorySlot:
    """One memory: in the model's memory, or in Python when the design does not use it."""

    __slots__ = ("_rows", "cell", "engine", "memory", "shape")

    def __init__(self, engine, memory):
        self.engine, self.memory = engine, memory
        self.shape = Shape.cast(memory.shape)
        self.cell = engine.model.netlist.sim_memories.get(memory)
        self.reset()

    def reset(self):
        """Return to the initial contents, where they live in Python."""
        self._rows = None if self.cell is not None else list(self.memory._init._raw)

    def _signed(self, value):
        width = self.shape.width
        value &= (1 << width) - 1
        return value - (1 << width) if self.shape.signed and width and value >> (width - 1) \
            else value

    def read(self, index):
        """Return a row; 0 beyond the end."""
        if index not in range(self.memory.depth):
            return 0
        if self.cell is None:
            return self._rows[index]
        address, length = self.engine.model.row(self.cell, index)
        return self._signed(int.from_bytes(
            self.engine.model.memory[address:address + length], "little"))

    def write(self, index, value, mask=None):
        """Write those bits of a row that ``mask`` has ones for."""
        if index in range(self.memory.depth):
            self.engine.write_row(self, index, value, mask)

    def store(self, index, value, mask):
        """Write without asking who is writing."""
        if mask is not None:
            value = value & mask | self.read(index) & ~mask
        value = self._signed(value)
        if self.cell is None:
            self._rows[index] = value
            return
        model = self.engine.model
        address, length = model.row(self.cell, index)
        model.memory[address:address + length] = (
            value & ((1 << self.shape.width) - 1)).to_bytes(length, "little")
        self.engine.touch((model.layout.root_of[self.cell],))


class State:
    """Slots of all signals and memories that were asked for, as Amaranth numbers them."""

    def __init__(self, engine):
        self._engine = engine
        self._signals, self._memories = SignalDict(), {}
        self.slots = []

    def get_signal(self, signal):
        """Return the number of a signal's slot."""
        number = self._signals.get(signal)
        if number is None:
            number = self._signals[signal] = len(self.slots)
            self.slots.append(SignalSlot(self._engine, signal))
        return number

    def get_memory(self, memory):
        """Return the number of a memory's slot."""
        number = self._memories.get(memory)
        if number is None:
            number = self._memories[memory] = len(self.slots)
            self.slots.append(MemorySlot(self._engine, memory))
        return number

    def signal(self, signal):
        """Return the slot of a signal."""
        return self.slots[self.get_signal(signal)]

    def reset(self):
        """Return what lives in Python to its start."""
        for slot in self.slots:
            slot.reset()
