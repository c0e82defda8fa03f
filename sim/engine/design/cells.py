"""Cells of a netlist by kind, what each depends on, and where bits come from.

Keys of values: a cell index; ``("top", first)`` for a port of the top; ``("d", i)`` for the data
of flip-flop ``i`` where that is not exactly one cell; ``("addr" | "data" | "en", i)`` and
``("reset", i)`` for copies that hold until the next edge is over; ``("event", i)`` for a print or
assertion.
"""

from amaranth.hdl import _nir

from ..errors import EngineError, where

__all__ = ["Cells"]

_EVENTS_SYNC = (_nir.SyncPrint, _nir.SyncProperty)
_EVENTS_COMB = (_nir.AsyncPrint, _nir.AsyncProperty)
_WIDTH = {
    _nir.Operator: lambda cell: cell.width,
    _nir.Part: lambda cell: cell.width,
    _nir.Matches: lambda cell: 1,
    _nir.PriorityMatch: lambda cell: len(cell.inputs),
    _nir.AssignmentList: lambda cell: len(cell.default),
    _nir.AsyncReadPort: lambda cell: cell.width,
}
#: From this many cases on, a chain of selections becomes a jump table.
DECODER = 4


class Cells:
    """Index of a netlist.

    Attributes
    ----------
    width, kind : dict
        Of each value key: its bits, and ``"in"``, ``"ff"``, ``"rd"`` (read port register) or
        ``"comb"``.
    flipflops, reads, writes, memories, sync_events, comb_events : list of int
        Cells by kind.
    data : dict
        Flip-flop to the key of its data.
    pinned : dict
        Write port to ``{"addr" | "data" | "en": key of a copy}``.
    resets : dict
        Net of an asynchronous reset to the key of a copy.
    decoders : dict
        `PriorityMatch` cell that decodes one value, to ``(value, patterns)``.
    sources : dict
        Combinational key to the set of keys it is computed from.
    """

    def __init__(self, netlist):
        self.netlist = netlist
        self.cells = netlist.cells
        self.width, self.kind = {}, {}
        self.flipflops, self.reads, self.writes, self.memories = [], [], [], []
        self.sync_events, self.comb_events = [], []
        self._tops = sorted(netlist.top.ports_i.values())
        for first, width in self._tops:
            self._value(("top", first), width, "in")
        for index, cell in enumerate(self.cells):
            self._classify(index, cell)
        self.decoders = {i: found for i, cell in enumerate(self.cells)
                         if type(cell) is _nir.PriorityMatch and (found := self._decoded(cell))}
        self.data, self.buffers = {}, {}
        for i in self.flipflops:
            self.data[i] = self._data_of(i)
        self.pinned = {i: self._pinned(i) for i in self.writes}
        self.resets = self._early_resets()
        for i in self.comb_events:
            self._value(("event", i), 0, "comb")
        self.sources = {key: self._sources(key) for key, kind in self.kind.items()
                        if kind == "comb"}

    def __getstate__(self):
        """Leave out the netlist, and what is needed only to compile."""
        dropped = ("netlist", "cells", "decoders", "data", "buffers", "pinned", "resets", "sources")
        return {name: value for name, value in self.__dict__.items() if name not in dropped}

    def attach(self, netlist):
        """Take the netlist again, after coming from the cache."""
        self.netlist, self.cells = netlist, netlist.cells

    def _value(self, key, width, kind):
        self.width[key] = width
        self.kind[key] = kind

    def _classify(self, index, cell):
        type_ = type(cell)
        if type_ in _WIDTH:
            self._value(index, _WIDTH[type_](cell), "comb")
        elif type_ is _nir.FlipFlop:
            self._value(index, len(cell.data), "ff")
            self.flipflops.append(index)
        elif type_ is _nir.SyncReadPort:
            self._value(index, cell.width, "rd")
            self.reads.append(index)
        elif type_ is _nir.AnyValue and index in self.netlist.sim_inputs:
            self._value(index, cell.width, "in")
        elif type_ is _nir.SyncWritePort:
            self.writes.append(index)
        elif type_ is _nir.Memory:
            self.memories.append(index)
        elif type_ in _EVENTS_SYNC:
            self.sync_events.append(index)
        elif type_ in _EVENTS_COMB:
            self.comb_events.append(index)
        elif type_ is not _nir.Top:
            raise EngineError(f"{type_.__name__} at {where(cell.src_loc)} cannot be used in "
                              f"simulation")

    def key(self, net):
        """Return where a net comes from: the key of a value, and the bit in it."""
        cell = net >> 16
        if cell:
            return cell, net & 0xffff
        for first, width in self._tops:
            if first <= net < first + width:
                return ("top", first), net - first
        raise AssertionError(net)

    def chunks(self, value, low=0, high=None):
        """Cut a value into pieces ``(key, first bit, width)``; constants have no key."""
        high = len(value) if high is None else high
        value = tuple(value)            # quicker to index
        out = []
        at = low
        while at < high:
            net = value[at]
            stop = at + 1
            if net < 2:
                constant = int(net)
                while stop < high and value[stop] < 2:
                    constant |= value[stop] << (stop - at)
                    stop += 1
                out.append((None, constant, stop - at))
            else:
                key, bit = self.key(net)
                limit = min(high, at + self.width[key] - bit)
                if value[at:limit] == tuple(range(net, net + limit - at)):
                    stop = limit        # mostly
                while stop < limit and value[stop] == net + (stop - at):
                    stop += 1
                out.append((key, bit, stop - at))
            at = stop
        return out

    def keys(self, value):
        """Return the keys that a value has bits of."""
        found = {net >> 16 for net in value}
        if 0 in found:
            found.discard(0)
            found |= {self.key(net)[0] for net in value if 2 <= net < 65536}
        return found

    def _data_of(self, index):
        value = self.cells[index].data
        pieces = self.chunks(value)
        if len(pieces) == 1:
            key, bit, width = pieces[0]
            if self.kind.get(key) == "comb" and bit == 0 and width == self.width[key]:
                return key
        return self._copy(("d", index), value)

    def _copy(self, key, value):
        """Give a value a place of its own, which changes only when logic settles."""
        self.buffers[key] = value
        self._value(key, len(value), "comb")
        return key

    def _pinned(self, index):
        """Return copies of inputs of a write port that may be overwritten before they are used.

        Read ports change before memories are written, and so may the registers of another clock
        whose edge is at the same time.
        """
        cell, found = self.cells[index], {}
        for name in ("addr", "data", "en"):
            value = getattr(cell, name)
            for key in self.keys(value):
                if self.kind[key] == "rd" or (self.kind[key] == "ff"
                                              and self.cells[key].clk != cell.clk):
                    found[name] = self._copy((name, index), value)
        return found

    def _early_resets(self):
        """Return copies of asynchronous resets that are registers: one may end at an edge.

        Registers that it resets see it as it was before, in whatever order they are updated.
        """
        found = {}
        for i in self.flipflops:
            net = self.cells[i].arst
            if net >= 2 and net not in found and self.kind[self.key(net)[0]] in ("ff", "rd"):
                found[net] = self._copy(("reset", i), (net,))
        return found

    def _decoded(self, cell):
        """Return the value and the patterns when all inputs match one value, each another one."""
        if len(cell.inputs) < DECODER:
            return None
        value, patterns = None, []
        for net in cell.inputs:
            match = self.cells[net >> 16] if net >= 65536 else None
            if type(match) is not _nir.Matches or len(match.patterns) != 1 \
                    or "-" in match.patterns[0]:
                return None
            if value is None:
                value = match.value
            elif tuple(value) != tuple(match.value):
                return None
            patterns.append(int(match.patterns[0] or "0", 2))
        if len(set(patterns)) != len(patterns) or not 0 < len(value) <= 64:
            return None
        return value, patterns

    def assignment_runs(self, cell):
        """Split the assignments of a list: ``(decoder, run)``, where a decoder selects the run.

        A run shorter than a jump table is worth comes without its decoder.
        """
        runs = []
        for one in cell.assignments:
            decoder = one.cond >> 16 if one.cond >> 16 in self.decoders else None
            if decoder is not None and runs and runs[-1][0] == decoder:
                runs[-1][1].append(one)
            else:
                runs.append((decoder, [one]))
        return [(decoder if len(run) >= DECODER else None, run) for decoder, run in runs]

    def event_values(self, cell):
        """Return the values that a print or an assertion looks at: condition, test, operands."""
        values = [_nir.Value((cell.en,))]
        if hasattr(cell, "test"):
            values.append(_nir.Value((cell.test,)))
        if cell.format is not None:
            values += [chunk.value for chunk in cell.format.chunks if not isinstance(chunk, str)]
        return values

    def _sources(self, key):
        if isinstance(key, tuple):
            values = ([self.buffers[key]] if key in self.buffers
                      else self.event_values(self.cells[key[1]]))
        else:
            values = self._inputs(key, self.cells[key])
        found = set()
        for value in values:
            found |= self.keys(value)
        return found

    def _inputs(self, key, cell):
        type_ = type(cell)
        if type_ is _nir.Operator:
            return cell.inputs
        if type_ is _nir.Part:
            return [cell.value, cell.offset]
        if type_ is _nir.Matches:
            return [cell.value]
        if type_ is _nir.AsyncReadPort:
            return [cell.addr]
        if type_ is _nir.PriorityMatch:
            return [self.decoders[key][0] if key in self.decoders else cell.inputs, (cell.en,)]
        values = [cell.default]
        for decoder, run in self.assignment_runs(cell):
            if decoder is None:
                values += [(one.cond,) for one in run]
            else:
                values += [self.decoders[decoder][0], (self.cells[decoder].en,)]
            values += [one.value for one in run]
        return values

    def read_inputs(self, cell):
        """Return the values a clocked read port looks at."""
        values = [cell.addr, (cell.en,)]
        for port in cell.transparent_for:
            write = self.cells[port]
            values += [write.addr, write.data, write.en]
        return values
