"""Waveforms: names and header by Amaranth's own writer, value changes by compiled code."""

import os
import struct
from array import array
from collections import defaultdict
from types import SimpleNamespace

from amaranth.hdl import Format, MemoryData, Signal, Value
from amaranth.hdl._ast import Operator, Slice
from amaranth.hdl._mem import MemoryInstance
from amaranth.sim._pyeval import eval_format, eval_value
from amaranth.sim.pysim import _VCDWriter

from ..compile.layout import words_of
from ..runtime.control import Control

__all__ = ["MAX_ROWS", "Waveform"]

#: Memories with more rows than this are not listed in waveforms.
MAX_ROWS = 256

_BITS, _TEXT, _RAW = range(3)
_TABLE_BITS = 8         # text of up to this many bits is looked up by compiled code
_ENTRY, _PIECE = struct.Struct("<12Q"), struct.Struct("<5Q")        # see runtime/vcd.py
_BUFFER = 1 << 20
_CHUNK = 1 << 16        # bytes that are taken at a time for what describes variables


def _binary(file):
    """Return what is below a text file, if text goes through as it is."""
    plain = getattr(file, "encoding", None) in ("utf-8", "UTF-8", "ascii") and os.linesep == "\n"
    return getattr(file, "buffer", None) if plain else None


def _without_large(traces):
    """Drop memories with many rows from what is to be traced."""
    if isinstance(traces, (list, tuple)):
        return [_without_large(one) for one in traces
                if not (isinstance(one, MemoryData) and one.depth > MAX_ROWS)]
    if isinstance(traces, dict):
        return {name: _without_large(one) for name, one in traces.items()
                if not (isinstance(one, MemoryData) and one.depth > MAX_ROWS)}
    return [] if isinstance(traces, MemoryData) and traces.depth > MAX_ROWS else traces


def _part_of(value):
    """Return the signal or row that a value is a plain part of, its first bit, and its width."""
    low, width = 0, len(value)
    while True:
        if type(value) is Operator and value.operator in ("u", "s"):
            value = value.operands[0]
        elif type(value) is Slice:
            low += value.start
            value = value.value
        elif isinstance(value, (Signal, MemoryData._Row)):
            return value, low, width
        else:
            return None


def _looked_at(what, whole):
    """Return the part of ``whole`` that a representation depends on."""
    if isinstance(what, Format.Enum):
        what = Value.cast(what._value)
    elif isinstance(what, Format):
        values = [chunk[0] for chunk in what._chunks if not isinstance(chunk, str)]
        what = values[0] if len(values) == 1 else whole
    elif not isinstance(what, Value):
        what = whole
    return _part_of(what) or _part_of(whole)


def _text_of(what, whole, low):
    """Return a function from the bits that were looked at to their text."""
    state = SimpleNamespace(get_signal=lambda signal: 0, get_memory=lambda memory: 0)

    def text(bits):
        value = bits << low
        shape = whole.shape()
        if shape.signed and value >> (shape.width - 1):
            value -= 1 << shape.width
        state.slots = [SimpleNamespace(curr=value, read=lambda index: value)]
        if isinstance(what, Value):
            return eval_value(state, what)
        return eval_format(state, what) if isinstance(what, (Format, Format.Enum)) else what(value)

    return text


class Waveform:
    """One waveform that is being written."""

    def __init__(self, engine, vcd_file, gtkw_file, traces):
        self._engine, self._model = engine, engine.model
        self._words = engine.words
        design = SimpleNamespace(fragments={
            fragment: info for fragment, info in engine.design.fragments.items()
            if not (isinstance(fragment, MemoryInstance) and fragment._data.depth > MAX_ROWS)})
        self._writer = _VCDWriter(engine.state, design, vcd_file=vcd_file, gtkw_file=gtkw_file,
                                  traces=_without_large(traces))
        self._file = self._writer.vcd_file
        self._binary = _binary(self._file)
        self._python = defaultdict(list)        # signals that only Python has
        self._raw = {}                          # identifier to function and known texts
        self._room = 64
        self._taken = []                        # memory to give back
        self._free = self._limit = 0            # what is left of the last chunk
        if self._writer.vcd_writer is not None:
            self._writer.vcd_writer.flush()
            self._start(list(self._variables()))

    # Tables ------------------------------------------------------------------------------------

    def _variables(self):
        """Yield variable, representation, signal or row, and the bits that announce changes."""
        layout, netlist = self._model.layout, self._model.netlist
        base = 64 * (layout.part_words + layout.group_words)
        for signal, variables in self._writer.vcd_signal_vars.items():
            slot = self._engine.state.signal(signal)
            if not slot.native:
                self._python[id(slot)] = variables
                continue
            if signal in netlist.signals:
                keys = self._model.cells.keys(netlist.signals[signal])
                carriers = {bit for key in keys if key in layout.places
                            for bit in layout.carriers(key)}
            else:
                carriers = {base + slot.roots[0]}
            for variable, what in variables:
                yield variable, what, signal, sorted(carriers)
        for memory, rows in self._writer.vcd_memory_vars.items():
            cell = netlist.sim_memories.get(memory)
            if cell is not None:
                carriers = layout.memory_carriers(cell)
                for row, variables in zip(memory, rows, strict=True):
                    for variable, what in variables:
                        yield variable, what, row, carriers

    def _pieces(self, whole, low, width):
        """Return the constant part, and packed pieces, of some bits of a signal or row."""
        if isinstance(whole, Signal):
            slot = self._engine.state.signal(whole)
            constant, found = slot.constant, [
                (piece.address, piece.size, piece.low, piece.count, piece.shift)
                for piece in slot.pieces]
        else:
            cell = self._model.netlist.sim_memories[whole._memory]
            address, _ = self._model.row(cell, whole._index)
            size = self._model.layout.memories[cell][1]
            constant, found = 0, [
                (address + 8 * n, size, 0, min(64, len(whole) - 64 * n), 64 * n)
                for n in range(words_of(len(whole)))]
        packed = []
        for address, size, bit, count, shift in found:
            start, stop = max(low, shift), min(low + width, shift + count)
            if start < stop:
                packed.append(_PIECE.pack(address, size, bit + start - shift,
                                          (1 << stop - start) - 1, start - low))
        return constant >> low & (1 << width) - 1, packed

    def _take(self, length):
        address = self._model.allocate(length)
        self._taken.append((address, length))
        return address

    def _put(self, data):
        """Place bytes, and return their address."""
        length = -(-len(data) // 8) * 8
        if self._free + length > self._limit:
            size = max(length, _CHUNK)
            self._free = self._take(size)
            self._limit = self._free + size
        address = self._free
        self._free += length
        self._model.memory[address:address + len(data)] = data
        return address

    def _variable(self, variable, what, whole):
        """Return the packed table entry of one variable, or None when it is constant."""
        bits = _part_of(what) if isinstance(what, Value) else None
        if bits:
            whole, low, width = bits
        elif isinstance(what, Value):
            low, width = 0, len(whole)
        else:
            whole, low, width = _looked_at(what, whole)
        constant, pieces = self._pieces(whole, low, width)
        if not pieces:
            return None
        count = words_of(width)
        kind, strings, longest = _BITS, 0, width
        if not bits:
            function = _text_of(what, whole, low)

            def text(bits):
                try:
                    shown = function(bits)
                except Exception:           # a decoder need not know all values
                    shown = str(bits)
                line = variable.format_value(shown, False)
                return line[1:-len(variable.ident) - 1].encode()

            if width <= _TABLE_BITS and not isinstance(what, Value):
                kind = _TEXT
                texts = [text(bits) for bits in range(1 << width)]
                at = self._put(b"".join(texts) + b" " * 8)
                entries = []
                for one in texts:
                    entries += [at, len(one)]
                    at += len(one)
                strings = self._put(array("Q", entries).tobytes())
                longest = max(map(len, texts))
            else:
                kind = _RAW
                self._raw[variable.ident] = function, variable, {}
        end = f" {variable.ident}\n".encode()
        self._room += longest + len(end) + 24
        at = self._put(b"".join((*pieces, bytes(16 * count), constant.to_bytes(8 * count, "little"),
                                 end, b" " * 8)))
        values = at + _PIECE.size * len(pieces)
        return _ENTRY.pack(0, kind, width, len(pieces), at, count, values, values + 24 * count,
                           len(end), strings, 0, 0)

    def _start(self, variables):
        words, layout = self._words, self._model.layout
        entries, lists = [], defaultdict(list)
        for variable, what, whole, carriers in variables:
            entry = self._variable(variable, what, whole)
            if entry is not None:
                for carrier in carriers:
                    lists[carrier].append(len(entries))
                entries.append(entry)
        table = self._put(b"".join(entries) or b" ")
        first, members = array("I", [0]), array("I")
        for carrier in range(64 * (layout.part_words + layout.group_words + layout.root_words)):
            members.extend(table + _ENTRY.size * n for n in lists[carrier])
            first.append(len(members))
        length = max(_BUFFER, 3 * self._room)
        self._buffer = self._take(length)
        words[Control.VCD_FIRST] = self._put(first.tobytes())
        words[Control.VCD_LIST] = self._put(members.tobytes() or b" ")
        words[Control.VCD_BUFFER] = self._buffer
        words[Control.VCD_ROOM] = length - self._room - 64
        words[Control.VCD_TIME] = words[Control.VCD_STEP] = words[Control.VCD_LENGTH] = 0
        words[Control.VCD_VARIABLES] = table
        self._model.host.functions["dump"](table, len(entries), 0)
        words[Control.VCD_LENGTH] = 0           # the header has these values already
        words[Control.VCD_TIME] = 1
        words[Control.VCD] = 1

    # While the simulation runs -----------------------------------------------------------------

    def drain(self):
        """Write what compiled code has left."""
        length = self._words[Control.VCD_LENGTH]
        if not length:
            return
        self._words[Control.VCD_LENGTH] = 0
        found = self._model.memory[self._buffer:self._buffer + length]
        if self._binary is not None and not self._raw:
            self._file.flush()
            self._binary.write(found)
            return
        lines = bytes(found).decode()
        if self._raw:
            lines = "".join(self._cooked(line) if line[0] == "r" else line
                            for line in lines.splitlines(keepends=True))
        self._file.write(lines)

    def _cooked(self, line):
        """Turn a line with bare bits into what the variable shows."""
        bits, ident = line[1:].split()
        function, variable, known = self._raw[ident]
        if bits not in known:
            known[bits] = variable.format_value(function(int(bits, 2)), False) + "\n"
        return known[bits]

    def update(self, slot):
        """Write a signal that only Python has."""
        variables = self._python.get(id(slot))
        if not variables:
            return
        self.drain()
        if self._words[Control.VCD_TIME] != self._engine.now + 1:
            self._words[Control.VCD_TIME] = self._engine.now + 1
            self._file.write(f"#{self._engine.now}\n")
        state = self._engine.state
        for variable, what in variables:
            if isinstance(what, Value):
                value = eval_value(state, what)
            elif isinstance(what, (Format, Format.Enum)):
                value = eval_format(state, what)
            else:
                value = what(slot.get())
            self._file.write(variable.format_value(value, False) + "\n")

    def close(self):
        """Finish the files."""
        if self._file is not None:
            self.drain()
            self._words[Control.VCD] = 0
        self._writer.close(self._engine.now)
        for address, length in self._taken:
            self._model.release(address, length)
