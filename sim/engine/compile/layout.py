"""Where everything is in the memory of a model, and what is there at the start.

The memory is one block, addressed from 0: control words, dirty bits, values, staged read data,
memories, and then tables and scratch space that Python fills.
"""

from collections import defaultdict

from ..runtime.control import (
    CLOCK_WORDS,
    CONTROL_BYTES,
    EVENT_BYTES,
    MAX_CLOCKS,
    MAX_WATCHES,
    QUEUE_LENGTH,
    STACK_WORDS,
    WATCH_WORDS,
)

__all__ = ["Layout", "Place", "size_of", "words_of"]

GROUP_FLIPFLOPS = 32


def size_of(width: int) -> int:
    """Bytes of the units that hold a value of ``width`` bits: 1, 2, 4 or 8."""
    return 1 if width <= 8 else 2 if width <= 16 else 4 if width <= 32 else 8


def words_of(width: int) -> int:
    """64-bit words that a value of ``width`` bits takes."""
    return -(-width // 64)


class Place:
    """Where a value lives: address, and bytes of the unit (8 for all wider than 32 bits)."""

    __slots__ = ("address", "size", "width")

    def __init__(self, address, size, width):
        self.address = address
        self.size = size
        self.width = width

    @property
    def length(self) -> int:
        """Bytes that it occupies."""
        return self.size if self.width <= 64 else 8 * words_of(self.width)


class Layout:
    """Groups of clocked cells, and addresses of everything.

    Attributes
    ----------
    domains : list
        ``((clock net, edge), {"ff" | "rd" | "wr" | "ev": cells})``.
    groups : list
        ``(kind, cells)``: one unit of work at an edge; kind ``None`` fills up a word.
    group_of : dict
        Clocked thing to the number of its group.
    spans : list
        For each domain the words of its groups: first, end of read ports, end.
    places : dict
        Stored key to `Place`.
    staged : dict
        Read port to the address of its data between sampling and commit.
    divisions : dict
        Division of more than 64 bits to the address of room for it.
    memories : dict
        Memory cell to ``(address, unit bytes, words in a row)``.
    roots : list
        Keys that Python may set, then memory cells, then some for signals that the design does
        not use, from ``spare_roots`` on.
    """

    def __init__(self, cells, partition):
        self.cells, self.partition = cells, partition
        self._form_domains()
        self._form_groups()
        self.roots = [key for key in cells.kind if cells.kind[key] != "comb"] + cells.memories
        self.spare_roots = len(self.roots)
        self.roots += [("spare", n) for n in range(MAX_CLOCKS)]
        self.root_of = {key: n for n, key in enumerate(self.roots)}
        self._place()

    def _form_domains(self):
        cells = self.cells
        domains = defaultdict(lambda: {"ff": [], "rd": [], "wr": [], "ev": []})
        for kind, indices in (("ev", cells.sync_events), ("ff", cells.flipflops),
                              ("rd", cells.reads), ("wr", cells.writes)):
            for i in indices:
                cell = cells.cells[i]
                if cell.clk >= 2:
                    domains[cell.clk, cell.clk_edge][kind].append(i)
        self.domains = list(domains.items())

    def _form_groups(self):
        self.groups, self.group_of, self.spans = [], {}, []
        for _, found in self.domains:
            first = len(self.groups) // 64
            for i in found["rd"]:
                self._group("r", [i])
            self._fill()
            reads = len(self.groups) // 64
            for i in found["wr"]:
                self._group("w", [i])
            by_part = defaultdict(list)
            for i in found["ff"]:
                by_part[self.partition.part_of[self.cells.data[i]]].append(i)
            for indices in by_part.values():
                indices.sort(key=lambda i: (self.cells.cells[i].module_idx, i))
                for start in range(0, len(indices), GROUP_FLIPFLOPS):
                    self._group("f", indices[start:start + GROUP_FLIPFLOPS])
            self._fill()
            self.spans.append((first, reads, len(self.groups) // 64))

    def _group(self, kind, indices):
        for i in indices:
            self.group_of[kind, i] = len(self.groups)
        self.groups.append((kind, indices))

    def _fill(self):
        while len(self.groups) % 64:
            self.groups.append((None, []))

    def _take(self, length):
        address = self._next
        self._next += -(-length // 8) * 8
        return address

    def _place(self):
        cells, partition = self.cells, self.partition
        self.part_words = -(-len(partition.parts) // 64)
        self.group_words = len(self.groups) // 64
        self.root_words = -(-len(self.roots) // 64)
        self._next = CONTROL_BYTES
        self.dirty = self._take(8 * self.part_words)
        self.waiting = self._take(8 * self.group_words)
        self.sampled = self._take(8 * self.group_words)
        self.ran = self._take(8 * (self.part_words + self.group_words + self.root_words))
        self.clock_of = {net: n for n, net in enumerate(sorted(partition.clocks))}
        self.previous = self._take(8 * len(self.clock_of))
        self.values = self._next
        self.places = {}
        address = self._next
        for key in sorted(partition.stored, key=lambda key: (-size_of(cells.width[key]),
                                                             self._near(key))):
            place = self.places[key] = Place(address, size_of(cells.width[key]), cells.width[key])
            address += place.length
        self._next = -(-address // 8) * 8
        self.staged = {i: self._take(8 * words_of(cells.width[i])) for i in cells.reads}
        self.values_end = self._next
        self.divisions = {
            key: self._take(32 * words_of(cells.width[key])) for key in partition.part_of
            if key.__class__ is int and cells.width[key] > 64
            and getattr(cells.cells[key], "operator", "")[1:] in ("//", "%")}
        self.memories = {}
        for i in cells.memories:
            cell = cells.cells[i]
            size, words = size_of(cell.width), max(1, words_of(cell.width))
            self.memories[i] = (self._take(size * words * cell.depth), size, words)
        self.stack = self._take(8 * STACK_WORDS)
        self.clocks = self._take(8 * CLOCK_WORDS * MAX_CLOCKS)
        self.watches = self._take(8 * WATCH_WORDS * MAX_WATCHES)
        self.hits = self._take(8 * MAX_WATCHES)
        self.queue = self._take(8 * QUEUE_LENGTH)
        self.events = self._take(EVENT_BYTES)
        self.end = self._next

    def _near(self, key):
        """Keep together what one part writes, and what one module stores."""
        part = self.partition.part_of.get(key)
        if part is not None:
            return 1, part, str(key)
        return 0, -1 if isinstance(key, tuple) else self.cells.cells[key].module_idx, str(key)

    def carriers(self, key):
        """Return the bits of the ``ran`` set that may announce a change of a stored value."""
        offset = 64 * self.part_words
        kind = self.cells.kind[key]
        if kind == "comb":
            return [self.partition.part_of[key]]
        root = offset + 64 * self.group_words + self.root_of[key]
        group = self.group_of.get(("f" if kind == "ff" else "r", key))
        return [root] if kind == "in" or group is None else [root, offset + group]

    def memory_carriers(self, cell):
        """Return the bits of the ``ran`` set that may announce a change of a memory's row."""
        offset = 64 * self.part_words
        groups = [offset + self.group_of["w", i] for i in self.cells.writes
                  if self.cells.cells[i].memory == cell and ("w", i) in self.group_of]
        return [offset + 64 * self.group_words + self.root_of[cell], *groups]

    def initial(self):
        """Yield ``(address, bytes)`` of everything that does not start as zero."""
        cells = self.cells
        starts = {i: cells.cells[i].init for i in cells.flipflops}
        starts |= cells.netlist.sim_inputs
        for signal, value in cells.netlist.signals.items():
            if signal.init:
                for key, bit, width in self._top_pieces(value):
                    starts[key] = starts.get(key, 0) | (
                        (signal.init >> bit[1] & ((1 << width) - 1)) << bit[0])
        for key, start in starts.items():
            place = self.places.get(key)
            if place is not None and start:
                start &= (1 << place.width) - 1
                yield place.address, start.to_bytes(place.length, "little")
        for i, (address, size, words) in self.memories.items():
            cell = cells.cells[i]
            if any(cell.init):
                mask, row = (1 << cell.width) - 1, size * words
                yield address, b"".join((int(value) & mask).to_bytes(row, "little")
                                        for value in cell.init)

    def _top_pieces(self, value):
        at = 0
        for key, bit, width in self.cells.chunks(value):
            if isinstance(key, tuple):
                yield key, (bit, at), width
            at += width
