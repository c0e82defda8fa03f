"""A compiled model: the plan of a netlist at work in one of the hosts."""

import ctypes
import functools
import gc
import hashlib
import pickle
import platform
import sys
import weakref
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path

import amaranth

from ..cache import cache
from ..compile.plan import Plan, fingerprint
from ..design.netlist import simulation_netlist
from ..errors import EngineError
from ..runtime.control import CONTROL_BYTES, MAX_CLOCKS, Control

__all__ = ["EXPORTS", "Model", "Piece", "uncollected"]

#: Functions that Python calls.
EXPORTS = {"run": 1, "flush": 0, "start": 0, "program": 1, "sample": 1, "dump": 3}

#: Part of a signal in memory. ``view`` and ``index`` reach the unit from Python; ``whole`` tells
#: that the piece is all the unit holds; ``root`` is what to touch after a change.
Piece = namedtuple("Piece", "view index address size low count shift root whole")


#: Memory of models that were collected as garbage: coroutines that are closed in the same
#: collection may still reach for it. It goes when the next model is made.
_dead = []

_ENGINE = Path(__file__).parents[1]


@functools.cache
def _version() -> bytes:
    """Return what decides, besides the netlist, what a cache entry holds."""
    digest = hashlib.sha256()
    for path in sorted(_ENGINE.rglob("*.py")):
        digest.update(path.read_bytes())
    parts = (sys.version, amaranth.__version__, platform.platform(), platform.machine())
    digest.update(repr(parts).encode())
    return digest.digest()


def _compiled(netlist, host):
    """Return the plan of a netlist, and a host of its code, from the cache where it has them."""
    key = None
    if cache.enabled:
        key = hashlib.sha256(_version() + host.version() + fingerprint(netlist)).hexdigest()
        entry = cache.get(key)
        if entry is not None:
            try:
                plan, code = pickle.loads(entry)
                plan.attach(netlist)
                return plan, host(code, plan.size, EXPORTS)
            except Exception:           # whatever it is, the entry is of no use here
                cache.drop(key)
    plan = Plan(netlist)
    code = host.compile(plan, EXPORTS)
    if key is not None:
        cache.put(key, pickle.dumps((plan, code), protocol=4))
    return plan, host(code, plan.size, EXPORTS)


@contextmanager
def uncollected():
    """Do without garbage collection: millions of small objects are made, and stay."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            if not gc.get_freeze_count():       # all of it becomes old, without a look at it
                gc.freeze()
                gc.unfreeze()
            gc.enable()


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
        _dead.clear()
        with uncollected():
            self.netlist = simulation_netlist(design)
            plan, self.host = _compiled(self.netlist, host)
        self.plan, self.layout, self.cells = plan, plan.layout, plan.cells
        self.clock_roots = plan.clock_roots
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
