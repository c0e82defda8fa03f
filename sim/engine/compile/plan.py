"""Everything that follows from a netlist: functions, tables, and where things are."""

import struct
from array import array
from collections import namedtuple

from ..design.cells import Cells
from ..errors import EngineError
from ..runtime.control import EVENT_BYTES, NEVER
from ..runtime.names import constants
from .bodies import Bodies
from .kernel import compile_kernel
from .layout import Layout
from .partition import Partition

__all__ = ["Plan", "fingerprint"]

_MAX_EDGES = 60
_MAX_MEMORY = 4 << 30
_Net = namedtuple("_Net", "address size bit previous edges has_reset reset")
_Edge = namedtuple("_Edge", "level domain")
_Domain = namedtuple("_Domain", "mask first reads last has_reads has_events events")


class _Tables:
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
    """Functions, tables and layout of a model.

    Attributes
    ----------
    table, kernel : list of Function
        What the hosts compile: the function table, and the run-time loops.
    tables : list
        ``(address, bytes)`` of constant data.
    records : dict
        Cell of a print or assertion to the widths of the values it records.
    heap, size : int
        End of what is placed here, and bytes of memory.
    clock_roots : set
        Roots that lead to a clock or an asynchronous reset through logic only.
    """

    def __init__(self, netlist):
        cells = Cells(netlist)
        self.layout = layout = Layout(cells, Partition(cells))
        if len(layout.domains) > _MAX_EDGES:
            raise EngineError(f"Design must have at most {_MAX_EDGES} clock edges, "
                              f"not {len(layout.domains)}")
        self.clock_roots = self._clock_roots(cells)
        bodies = Bodies(layout)
        tables = _Tables(layout.end)
        known = self._constants(bodies, tables)
        self.table = bodies.functions
        self.kernel = compile_kernel(known)
        self.records = bodies.records
        self.tables = tables.parts
        self.heap = tables.at
        self.size = self.heap + self._spare(netlist)
        if self.size > _MAX_MEMORY:
            raise EngineError(f"Model must fit into 4 GiB of memory, not {self.size >> 20} MiB")

    def __getstate__(self):
        """Leave out what is needed only to compile."""
        state = dict(self.__dict__)
        del state["table"], state["kernel"]
        return state

    @property
    def cells(self):
        """Cells of the netlist."""
        return self.layout.cells

    def attach(self, netlist):
        """Take the netlist again, after coming from the cache."""
        self.cells.attach(netlist)

    @staticmethod
    def _spare(netlist):
        """Bytes for triggers and a waveform; only what is used becomes real memory."""
        bits = sum(map(len, netlist.signals)) + 256 * sum(
            netlist.cells[cell].width for cell in netlist.sim_memories.values())
        return (16 << 20) + (len(netlist.signals) << 12) + 64 * bits

    def _clock_roots(self, cells):
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

    def _constants(self, bodies, tables):
        layout = self.layout
        first, entries = array("I", [0]), []
        for n, root in enumerate(layout.roots):
            marks = (bodies.memory_marks(root) if root in layout.memories
                     else bodies.root_marks(root))
            ran = layout.ran + 8 * (layout.part_words + layout.group_words + n // 64)
            entries += [*marks.items(), (ran, 1 << n % 64)]
            first.append(len(entries))
        stage = array("I", [bodies.stage.get(n, 0) for n in range(len(layout.groups) or 1)])
        return constants | {
            "PART_WORDS": layout.part_words, "DIRTY": layout.dirty, "WAITING": layout.waiting,
            "SAMPLED": layout.sampled,
            "RAN": layout.ran, "RAN_GROUPS": layout.ran + 8 * layout.part_words,
            "RAN_WORDS": layout.part_words + layout.group_words + layout.root_words,
            "GROUP_BASE": bodies.group_base, "STACK": layout.stack, "QUEUE": layout.queue,
            "CLOCK_TABLE": layout.clocks, "WATCH_TABLE": layout.watches, "HIT_LIST": layout.hits,
            "EVENT_BYTES": EVENT_BYTES, "NEVER": NEVER,
            "TOUCH_FIRST": tables.add(first.tobytes()), "STAGE": tables.add(stage.tobytes()),
            "TOUCH": tables.add(b"".join(struct.pack("<QQ", *entry) for entry in entries)),
            "DIGITS": tables.add(b"".join(b"%08d" % int(f"{n:b}") for n in range(256))),
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


class _Digest:
    """Numbers that stand for what cells consist of: numbers, texts, nets, lists."""

    def __init__(self):
        self.numbers, self._known = [], {}

    def add(self, value):
        """Append an unambiguous form of a value."""
        numbers = self.numbers
        if isinstance(value, (tuple, list)):
            numbers.append(len(value))
            if value and isinstance(value[0], int):
                numbers += value
            else:
                numbers.append(-1)
                for one in value:
                    self.add(one)
        elif isinstance(value, int) and -1 << 62 < value < 1 << 62:
            numbers.append(value)
        elif hasattr(value, "__dict__"):
            self.add_object(value)
        else:
            numbers.append((1 << 62) + self._known.setdefault(repr(value), len(self._known)))

    def add_object(self, value):
        """Append what an object consists of."""
        self.add(type(value).__name__)
        for name, field in value.__dict__.items():
            if name not in _SKIPPED and not (name == "init" and isinstance(field, tuple)):
                self.add(field)

    def content(self):
        """Return all of it as bytes."""
        return array("q", self.numbers).tobytes() + "\n".join(self._known).encode()


#: What has no influence on the plan.
_SKIPPED = frozenset(("src_loc", "attributes", "name"))


def fingerprint(netlist) -> bytes:
    """Return bytes that are equal only for netlists with the same plan.

    Initial contents of memories and inputs are not part of a plan.
    """
    digest = _Digest()
    for cell in netlist.cells:
        digest.add_object(cell)
    for value in netlist.signals.values():
        digest.add(value)
    digest.add(tuple(netlist.sim_inputs))
    digest.add(tuple(sorted(netlist.top.ports_i.values())))
    return digest.content()
