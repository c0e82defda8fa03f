"""A compiled model: a netlist turned into functions and a block of memory.

`build` makes the plan (everything that follows from the netlist); `Model` is the plan at work in
one of the hosts.
"""

import ctypes
import struct
import weakref
from array import array
from collections import namedtuple

from .bodies import Bodies
from .cells import Cells
from .control import CONTROL_BYTES, EVENT_BYTES, MAX_CLOCKS, NEVER, Control
from .errors import EngineError
from .kernel import compile_kernel
from .layout import Layout
from .names import constants
from .netlist import simulation_netlist
from .partition import Partition

__all__ = ["EXPORTS", "Model", "Piece"]

#: Functions that Python calls.
EXPORTS = {"run": 1, "flush": 0, "start": 0, "program": 1, "sample": 1, "dump": 3}

_MAX_EDGES = 60
_MAX_MEMORY = 4 << 30
_Net = namedtuple("_Net", "address size bit previous edges has_reset reset")
_Edge = namedtuple("_Edge", "level domain")
_Domain = namedtuple("_Domain", "mask first reads last has_reads has_events events")

#: Part of a signal in memory. ``view`` and ``index`` reach the unit from Python; ``whole`` tells
#: that the piece is all the unit holds; ``root`` is what to touch after a change.
Piece = namedtuple("Piece", "view index address size low count shift root whole")


#: Memory of models that were collected as garbage: coroutines that are closed in the same
#: collection may still reach for it. It goes when the next model is made.
_dead = []


class Tables:
    """Data that compiled code reads, placed after the layout."""

    def __init__(self, start):
        self.at = start
        self.parts = []

    def add(self, data):
        """Place bytes and return their address."""
        address = self.at
        self.parts.append((address, data))
        self.at += -(-len(data) // 8) * 8
        return address


class Plan:
    """Functions, tables and layout that follow from a netlist."""

    def __init__(self, netlist):
        self.cells = Cells(netlist)
        self.partition = Partition(self.cells)
        self.layout = layout = Layout(self.cells, self.partition)
        if len(layout.domains) > _MAX_EDGES:
            raise EngineError(f"Design must have at most {_MAX_EDGES} clock edges, "
                              f"not {len(layout.domains)}")
        bodies = Bodies(layout)
        tables = Tables(layout.end)
        known = self._constants(bodies, tables)
        self.table = bodies.functions
        self.kernel = compile_kernel(known)
        self.records = bodies.records
        self.tables = tables.parts
        self.heap = tables.at
        signals = netlist.signals
        bits = sum(map(len, signals)) + 256 * sum(
            cell.width for cell in map(netlist.cells.__getitem__, self.cells.memories))
        self.size = self.heap + (16 << 20) + (len(signals) << 12) + 64 * bits
        if self.size > _MAX_MEMORY:
            raise EngineError(f"Model must fit into 4 GiB of memory, not {self.size >> 20} MiB")

    def _constants(self, bodies, tables):
        layout = self.layout
        first, entries = array("I", [0]), []
        for root in layout.roots:
            marks = (bodies.memory_marks(root) if root in layout.memories
                     else bodies.root_marks(root))
            ran = layout.part_words + layout.group_words
            n = layout.root_of[root]
            entries += [*marks.items(), (layout.ran + 8 * (ran + n // 64), 1 << n % 64)]
            first.append(len(entries))
        stage = array("I", [bodies.stage.get(n, 0) for n in range(len(layout.groups) or 1)])
        return constants | {
            "PART_WORDS": layout.part_words, "DIRTY": layout.dirty, "WAITING": layout.waiting,
            "RAN": layout.ran, "RAN_GROUPS": layout.ran + 8 * layout.part_words,
            "RAN_WORDS": layout.part_words + layout.group_words + layout.root_words,
            "GROUP_BASE": bodies.group_base, "STACK": layout.stack, "QUEUE": layout.queue,
            "CLOCK_TABLE": layout.clocks, "WATCH_TABLE": layout.watches, "HIT_LIST": layout.hits,
            "EVENT_BYTES": EVENT_BYTES, "NEVER": NEVER,
            "TOUCH_FIRST": tables.add(first.tobytes()), "STAGE": tables.add(stage.tobytes()),
            "TOUCH": tables.add(b"".join(struct.pack("<QQ", *entry) for entry in entries)),
            "DERIVED": any(self.cells.kind[self.cells.key(net)[0]] == "comb"
                           for net in layout.clock_of),
            "NETS": self._nets(bodies), "DOMAINS": self._domains(bodies),
        }

    def _nets(self, bodies):
        layout = self.layout
        nets = []
        for net, n in layout.clock_of.items():
            key, bit = self.cells.key(net)
            place = layout.places[key]
            edges = tuple(_Edge(int(edge == "pos"), i)
                          for i, ((clock, edge), _) in enumerate(layout.domains) if clock == net)
            nets.append(_Net(place.address + 8 * (bit // 64), place.size, bit % 64,
                             layout.previous + 8 * n, edges, net in bodies.resets,
                             bodies.resets.get(net, 0)))
        return tuple(nets)

    def _domains(self, bodies):
        return tuple(
            _Domain(1 << n, 8 * first, 8 * reads, 8 * last, reads > first,
                    n in bodies.events, bodies.events.get(n, 0))
            for n, (first, reads, last) in enumerate(self.layout.spans))


class Model:
    """A design at work in a host.

    Parameters
    ----------
    design : amaranth.hdl._ir.Design
        Prepared design.
    host : class
        `WasmHost` or `NativeHost`.
    """

    def __init__(self, design, host):
        self.netlist = simulation_netlist(design)
        self.plan = plan = Plan(self.netlist)
        self.layout = plan.layout
        self.cells = plan.cells
        _dead.clear()
        self.host = host(plan, EXPORTS)
        weakref.finalize(self, _dead.append, self.host.anchor).atexit = False
        self.run = self.host.functions["run"]
        self.flush = self.host.functions["flush"]
        base = self.base = self.host.base
        whole = (ctypes.c_uint8 * plan.size).from_address(base)
        view = memoryview(whole).cast("B")
        size = plan.size // 8 * 8
        self.views = {1: view, 2: view[:size].cast("H"), 4: view[:size].cast("I"),
                      8: view[:size].cast("Q")}
        self.memory, self.words = view, self.views[8]
        for address, data in plan.tables:
            view[address:address + len(data)] = data
        self._initial = list(self.layout.initial())
        self._heap = plan.heap
        self._free = {}
        self._spares = 0
        self._restore()

    def reset(self):
        """Return values and memories to what they were at the start."""
        ctypes.memset(self.base + CONTROL_BYTES, 0, self.layout.stack - CONTROL_BYTES)
        self._restore()

    def _restore(self):
        layout = self.layout
        for address, data in self._initial:
            self.memory[address:address + len(data)] = data
        for n in range(len(layout.partition.parts)):
            self.memory[layout.dirty + n // 8] |= 1 << n % 8
        for n, (kind, _) in enumerate(layout.groups):
            if kind is not None:
                self.memory[layout.waiting + n // 8] |= 1 << n % 8
        self.host.functions["start"]()

    # Memory for tables that come and go --------------------------------------------------------

    def allocate(self, length):
        """Return the address of ``length`` bytes."""
        length = 1 << max(4, (length - 1).bit_length())
        free = self._free.get(length)
        if free:
            return free.pop()
        address = self._heap
        self._heap += length
        if self._heap > self.plan.size:
            raise EngineError("Simulation ran out of memory for triggers and waveforms")
        return address

    def release(self, address, length):
        """Give back what `allocate` returned."""
        self._free.setdefault(1 << max(4, (length - 1).bit_length()), []).append(address)

    def put(self, data):
        """Allocate room for bytes, and copy them there."""
        address = self.allocate(len(data))
        self.memory[address:address + len(data)] = data
        return address

    # Where things are --------------------------------------------------------------------------

    def pieces(self, signal):
        """Return the constant part of a signal, and its pieces in memory."""
        layout = self.layout
        constant, pieces, shift = 0, [], 0
        for key, low, width in self.cells.chunks(self.netlist.signals[signal]):
            if key is None:
                constant |= low << shift
                shift += width
                continue
            place, root = layout.places[key], layout.root_of.get(key)
            done = 0
            while done < width:
                word, bit = divmod(low + done, 64)
                count = min(64 - bit, width - done)
                whole = bit == 0 and count == min(64, place.width - 64 * word)
                address = place.address + 8 * word
                pieces.append(Piece(self.views[place.size], address // place.size, address,
                                    place.size, bit, count, shift + done, root, whole))
                done += count
            shift += width
        return constant, pieces

    def clock_roots(self):
        """Return the roots that lead to a clock or an asynchronous reset through logic only."""
        cells = self.cells
        stack = [cells.key(net)[0] for net in self.layout.clock_of]
        seen, found = set(), set()
        while stack:
            key = stack.pop()
            if key in seen:
                continue
            seen.add(key)
            if cells.kind[key] == "comb":
                stack += cells.sources[key]
            else:
                found.add(self.layout.root_of[key])
        return found

    def place_signal(self, slot):
        """Give a one-bit signal that the design does not use a place in memory."""
        address = self.allocate(8)
        root = self.layout.spare_roots + self._spares
        self._spares += 1
        slot.native = True
        slot.pieces = [Piece(self.views[1], address, address, 1, 0, 1, 0, root, True)]
        slot.bind()

    def row(self, memory, index):
        """Return the address and the bytes of a memory's row."""
        address, size, words = self.layout.memories[memory]
        return address + size * words * index, size * words

    def add_clock(self, place, number, first, half):
        """Enter a clock into the clock table."""
        if number >= MAX_CLOCKS:
            raise EngineError(f"Simulation must have at most {MAX_CLOCKS} clocks")
        at = self.layout.clocks // 8 + 5 * number
        address, size, root = place
        for n, word in enumerate((first, half, address, size, 0 if root is None else root + 1)):
            self.words[at + n] = word
        self.words[Control.CLOCKS] = number + 1
