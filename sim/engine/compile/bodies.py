"""Functions of a model, in the order of its function table, as lists of statements.

Statements are those of `code`. Marks set bits in the sets of parts and groups to run.
"""

from collections import defaultdict

from amaranth.hdl import _nir

from .code import linear
from .layout import words_of
from .lower import Lowering
from .words import MASK64, Word

__all__ = ["Bodies"]


class Bodies:
    """Makes the functions of a model.

    Attributes
    ----------
    functions : list of Function
        All of them; the position is the number in the function table.
    stage : dict
        Group of a read port to the function that samples it.
    resets : dict
        Net of an asynchronous reset to its function.
    events : dict
        Domain to the function of its prints and assertions.
    records : dict
        Cell of a print or assertion to the widths of the values it records.
    """

    def __init__(self, layout):
        self.layout = layout
        self.cells = layout.cells
        self.functions = []
        self.records = {}
        self._read_parts = defaultdict(set)         # of each memory's ports without a clock
        for key, part in layout.partition.part_of.items():
            if not isinstance(key, tuple) and type(self.cells.cells[key]) is _nir.AsyncReadPort:
                self._read_parts[self.cells.cells[key].memory].add(part)
        for keys in layout.partition.parts:
            self._part(keys)
        self.group_base = len(self.functions)
        for n, (kind, indices) in enumerate(layout.groups):
            if kind is None:
                self._add(None, [])
            else:
                getattr(self, "_group_" + kind)(n, indices)
        self.stage = {n: self._stage(indices[0])
                      for n, (kind, indices) in enumerate(layout.groups) if kind == "r"}
        self.resets = self._resets()
        self.events = {n: self._domain_events(found["ev"])
                       for n, (_, found) in enumerate(layout.domains) if found["ev"]}

    def _add(self, f, statements):
        name = f"f{len(self.functions)}"
        self.functions.append(linear(name, statements, 0 if f is None else f.locals))
        return len(self.functions) - 1

    # Marks -------------------------------------------------------------------------------------

    def marks(self, key):
        """Return ``{address: bits}`` that announce a change of a stored value."""
        layout, partition = self.layout, self.layout.partition
        found = defaultdict(int)
        own = partition.part_of.get(key)
        for user in partition.users.get(key, ()):
            part = partition.part_of[user]
            if part != own:
                found[layout.dirty + 8 * (part // 64)] |= 1 << part % 64
        for sink in partition.sink_users.get(key, ()):
            if sink in layout.group_of:
                self._mark_group(found, layout.group_of[sink])
        return dict(sorted(found.items()))

    def _mark_group(self, found, group):
        found[self.layout.waiting + 8 * (group // 64)] |= 1 << group % 64

    def root_marks(self, key):
        """Return the marks of a value that Python sets: also those that would overwrite it."""
        if key not in self.cells.kind:
            return {}
        found = defaultdict(int, self.marks(key))
        kind = self.cells.kind[key]
        group = self.layout.group_of.get(("f" if kind == "ff" else "r", key))
        if kind in ("ff", "rd") and group is not None:
            self._mark_group(found, group)
        return dict(found)

    def memory_marks(self, memory):
        """Return the marks of a change in a memory: its read ports, and writes that stay on."""
        layout, cells = self.layout, self.cells
        found = defaultdict(int)
        for part in sorted(self._read_parts[memory]):
            found[layout.dirty + 8 * (part // 64)] |= 1 << part % 64
        for kind, ports in (("r", cells.reads), ("w", cells.writes)):
            for i in ports:
                if cells.cells[i].memory == memory and (kind, i) in layout.group_of:
                    self._mark_group(found, layout.group_of[kind, i])
        return dict(found)

    @staticmethod
    def _mark(marks):
        return [("or", address, bits) for address, bits in marks.items()]

    # Bodies ------------------------------------------------------------------------------------

    def _outputs(self, f, outputs):
        """Store values, and mark what depends on those that changed."""
        b = f.b
        by_marks = defaultdict(list)
        for key, words in outputs:
            by_marks[tuple(self.marks(key).items())].append((key, words))
        statements = []
        for marks, items in by_marks.items():
            if marks:
                changed = b.const(0)
                for key, words in items:
                    for old, new in zip(f.load(key), words, strict=True):
                        changed = b.or_(changed, b.xor(old, new))
                statements.append(("if", changed, self._mark(dict(marks)), ()))
            for key, words in items:
                place = self.layout.places[key]
                statements += [("store", place.size, place.address + 8 * n, None, word)
                               for n, word in enumerate(words)]
        return statements

    def _part(self, keys):
        f = Lowering(self.layout)
        outputs, events = [], []
        for key in keys:
            if isinstance(key, tuple) and key[0] == "event":
                events += self._event(f, key[1])
                continue
            words = f.local[key] = f.cell(key)
            if key in self.layout.places:
                outputs.append((key, words))
        self._add(f, self._outputs(f, outputs) + events)

    def _group_f(self, n, indices):
        """Flip-flops take over their data. Those held in reset stay due for the next edge."""
        f = Lowering(self.layout)
        b = f.b
        outputs, held = [], b.const(0)
        for i in indices:
            cell = self.cells.cells[i]
            words = f.words(self.cells.data[i]) if self.cells.width[i] else []
            if cell.arst >= 2:
                early = self.cells.resets.get(cell.arst)
                reset = f.bit(cell.arst) if early is None else f.words(early)[0]
                held = b.or_(held, reset)
                words = [b.select(reset, b.const(cell.init >> 64 * at), word)
                         for at, word in enumerate(words)]
            if words:
                outputs.append((i, words))
        statements = self._outputs(f, outputs)
        if not b.is_const(held, 0):
            found = defaultdict(int)
            self._mark_group(found, n)
            statements.append(("if", held, self._mark(found), ()))
        self._add(f, statements)

    def _group_r(self, n, indices):
        (i,) = indices
        f = Lowering(self.layout)
        words = f.load_at(self.layout.staged[i], 8, self.cells.width[i])
        self._add(f, self._outputs(f, [(i, words)] if words else []))

    def _stage(self, i):
        """Sample a read port: all ports do so before any memory is written."""
        f = Lowering(self.layout)
        b = f.b
        cell = self.cells.cells[i]
        if not cell.width:
            return self._add(f, [])
        address = f.gather(cell.addr[:64])
        words = f.row(cell.memory, address)
        for port in cell.transparent_for:
            write = self.cells.cells[port]
            same = b.eq(address, f.gather(write.addr[:64]))
            words = [b.select(same, b.or_(b.and_(old, b.xor(mask, b.const(MASK64))),
                                          b.and_(new, mask)), old)
                     for old, new, mask in zip(words, f.value(write.data),
                                               self._write_mask(f, write.en, f.bit), strict=True)]
        enable = f.bit(cell.en)
        return self._add(f, [
            ("store", 8, self.layout.staged[i] + 8 * at, None, b.select(enable, word, old))
            for at, (word, old) in enumerate(zip(words, f.load(i), strict=True))])

    @staticmethod
    def _write_mask(f, enables, bit):
        """Return words with ones where a port writes; ``bit`` gives the value of an enable.

        The netlist has one for each bit of data.
        """
        b = f.b
        out = []
        for low in range(0, len(enables), 64):
            nets = enables[low:low + 64]
            word, at = b.const(0), 0
            while at < len(nets):
                stop = at + 1
                while stop < len(nets) and nets[stop] == nets[at]:
                    stop += 1
                ones = b.const(((1 << stop - at) - 1) << at)
                word = b.or_(word, b.and_(b.negative(bit(nets[at])), ones))
                at = stop
            out.append(word)
        return out

    def _group_w(self, n, indices):
        (i,) = indices
        f = Lowering(self.layout)
        b = f.b
        cell = self.cells.cells[i]
        memory = self.cells.cells[cell.memory]
        if not memory.depth or not memory.width:
            return self._add(f, [])
        address, size, _ = self.layout.memories[cell.memory]
        enabled = b.const(0)
        pinned = self.cells.pinned[i]
        addr, data = f.gather(cell.addr[:64]), f.value(cell.data)
        bit = f.bit
        if "addr" in pinned:
            addr = f.words(pinned["addr"])[0]
        if "data" in pinned:
            data = f.words(pinned["data"])
        if "en" in pinned:
            place = {net: n for n, net in enumerate(cell.en)}

            def bit(net):
                return f.bits(pinned["en"], place[net], 1)

        masks = self._write_mask(f, cell.en, bit)
        for mask in masks:
            enabled = b.or_(enabled, mask)
        index, inside = f.row_index(cell.memory, addr)
        go = b.ne(enabled, b.const(0))
        if inside is not None:
            go = b.and_(go, inside)
        old = f.load_at(address, size, memory.width, index)
        body = self._mark(self.memory_marks(cell.memory))
        for at, (mask, new, was) in enumerate(zip(masks, data, old, strict=True)):
            merged = b.or_(b.and_(was, b.xor(mask, b.const(MASK64))), b.and_(new, mask))
            body.append(("store", size, address + 8 * at, index, merged))
        return self._add(f, [("if", go, body, ())])

    def _resets(self):
        by_net = defaultdict(list)
        for i in self.cells.flipflops:
            if self.cells.cells[i].arst >= 2:
                by_net[self.cells.cells[i].arst].append(i)
        return {net: self._reset(indices) for net, indices in by_net.items()}

    def _reset(self, indices):
        f = Lowering(self.layout)
        outputs, marks = [], defaultdict(int)
        for i in indices:
            width, init = self.cells.width[i], self.cells.cells[i].init
            words = [f.b.const(init >> 64 * at & (1 << min(64, width - 64 * at)) - 1)
                     for at in range(words_of(width))]
            if words:
                outputs.append((i, words))
            if ("f", i) in self.layout.group_of:
                self._mark_group(marks, self.layout.group_of["f", i])
        return self._add(f, self._outputs(f, outputs) + self._mark(marks))

    # Prints and assertions ---------------------------------------------------------------------

    def _event(self, f, i):
        """Record cell number and values in the event buffer when the event happens."""
        b, layout = f.b, self.layout
        cell = self.cells.cells[i]
        happens = f.bit(cell.en)
        if hasattr(cell, "test"):
            test = f.bit(cell.test)
            happens = b.and_(happens, test if cell.kind == "cover" else b.xor(test, b.const(1)))
        chunks = [] if cell.format is None else [
            chunk for chunk in cell.format.chunks if not isinstance(chunk, str)]
        self.records[i] = [len(chunk.value) for chunk in chunks]
        words = [b.const(i), *(word for chunk in chunks for word in f.value(chunk.value))]
        at = Word("local", (f.locals,), 64)
        f.locals += 1
        # Not `b.node`, which would share one call among all events of the same length.
        room = Word("call", ("event_room", b.const(8 * len(words))), 64)
        return [("if", happens, [("set", at.args[0], room),
                                 *(("store", 8, layout.events + 8 * n, at, word)
                                   for n, word in enumerate(words))], ())]

    def _domain_events(self, indices):
        f = Lowering(self.layout)
        return self._add(f, [one for i in indices for one in self._event(f, i)])
