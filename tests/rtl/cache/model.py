"""The cache in plain Python: one access after the other, exactly as documented."""

from itertools import groupby

from rtl.axi.signature import Burst, Resp
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheEdge, CacheMode
from sim.axi import beat_addresses

__all__ = ["Model"]


class Tree:
    """Pseudo-LRU of a set: halves of halves, each knowing which one was used longer ago."""

    def __init__(self, ways: int):
        self.halves = [Tree(ways // 2), Tree(ways // 2)] if ways > 1 else []
        self.older = 0

    def touch(self, way: int, ways: int):
        if self.halves:
            half, rest = divmod(way, ways // 2)
            self.older = 1 - half
            self.halves[half].touch(rest, ways // 2)

    def victim(self, ways: int) -> int:
        if not self.halves:
            return 0
        return self.older * (ways // 2) + self.halves[self.older].victim(ways // 2)


class Line:
    def __init__(self, number: int, data: bytes):
        self.number, self.data, self.dirty = number, bytearray(data), False


class Model:
    """Cache and memory.

    ``fails`` are ``(low, high, kinds, resp)``: accesses of these kinds ("r", "w") to a beat there
    are answered ``resp``.
    """

    def __init__(self, params: CacheParams, image: bytes):
        self.params, self.memory, self.fails = params, bytearray(image), []
        self.sets = [[None] * params.ways for _ in range(params.sets)]
        self.trees = [Tree(params.ways) for _ in range(params.sets)]
        self.state = dict.fromkeys(
            ("status", "err_addr", "read_hits", "read_misses", "write_hits", "write_misses",
             "evictions", "cleaned", "invalidated"), 0)
        self.first = {0}                    # each of these may be ``err_addr``

    # Bursts

    def read(self, addr: int, length: int, size: int, burst: Burst, cached: bool):
        """Bytes of the bus word and possible responses, for each beat.

        What has not been answered when memory refuses the old line is answered SLVERR.
        """
        width, out = self.params.data_width // 8, []
        for number, counted, beats in self._parts(addr, length, size, burst, cached):
            if cached:
                data, resps, kept, _ = self._demand(number, "read", counted)
                for at in beats:
                    word = at % self.params.line_bytes // width
                    out.append((data[word * width:][:width],
                                {resps[word], Resp.SLVERR if kept else resps[word]}))
            else:
                resp = self._purge(beats)
                for at in beats:
                    low = at & -width
                    out.append((self.memory[low:low + width],
                                {resp or self._resp(at, 1 << size, "r")}))
        return [(bytes(data), resps) for data, resps in out]

    def write(self, addr: int, length: int, size: int, burst: Burst, cached: bool, beats_data):
        """Write beats of (bus word, strobes); return the response."""
        width, worst, todo = self.params.data_width // 8, Resp.OKAY, iter(beats_data)
        for number, counted, beats in self._parts(addr, length, size, burst, cached):
            resp, line = None, None
            if cached:
                _, resps, kept, line = self._demand(number, "write", counted)
                if kept:
                    resp = Resp.SLVERR
                elif line is None:
                    resp = next(resp for resp in resps if resp is not Resp.OKAY)
            else:
                resp = self._purge(beats)
            for at in beats:
                word, strb = next(todo)
                refused = resp or (Resp.OKAY if cached else self._resp(at, 1 << size, "w"))
                worst = refused if worst is Resp.OKAY else worst
                if refused is not Resp.OKAY:
                    continue
                target, low = (self.memory, at & -width) if line is None else (
                    line.data, at % self.params.line_bytes & -width)
                for lane in range(width):
                    if strb >> lane & 1:
                        target[low + lane] = word >> 8 * lane & 0xFF
                if line is not None:
                    line.dirty = True
            if line is not None:
                line.dirty = True
        return worst

    def _parts(self, addr, length, size, burst, cached):
        """(line, whether it counts, addresses) of each part; of each chunk, if not cached."""
        beats = beat_addresses(addr, length, size, burst)
        before = None
        for start in range(0, len(beats), 16):
            chunk = beats[start:start + 16]
            if not cached:
                yield None, False, chunk
                continue
            for number, part in groupby(chunk, lambda at: at // self.params.line_bytes):
                yield number, number != before, list(part)
                before = number

    # Lines

    def _demand(self, number: int, kind: str, counted: bool):
        """Data and response of each word of the line, whether the old one stays, and the line."""
        index, ways = number % self.params.sets, self.params.ways
        row, tree = self.sets[index], self.trees[index]
        line = next((line for line in row if line and line.number == number), None)
        self.state[f"{kind}_{'hits' if line else 'misses'}"] += counted
        good = [Resp.OKAY] * self.params.beats
        if line:
            tree.touch(row.index(line), ways)
            return line.data, good, False, line
        way = row.index(None) if None in row else tree.victim(ways)
        tree.touch(way, ways)
        kept = row[way] and row[way].dirty and not self._write_back(row[way], "evictions")
        size, width = self.params.line_bytes, self.params.data_width // 8
        base = number * size
        resps = [self._resp(base + at, width, "r") for at in range(0, size, width)]
        if resps != good:
            self.first |= {base} if kept and self.first == {row[way].number * size} else set()
            self._error(0, base)
        if kept:
            return self.memory[base:base + size], resps, True, None
        row[way] = None
        if resps != good:
            return self.memory[base:base + size], resps, False, None
        row[way] = Line(number, self.memory[base:base + size])
        return row[way].data, good, False, row[way]

    def _purge(self, beats):
        """Write back and drop what an uncacheable chunk touches; None or the error."""
        for at in beats:
            number = at // self.params.line_bytes
            row = self.sets[number % self.params.sets]
            for way, line in enumerate(row):
                if line and line.number == number:
                    if line.dirty and not self._write_back(line, None):
                        return Resp.SLVERR
                    row[way] = None
        return None

    def _write_back(self, line: Line, counter: str | None) -> bool:
        base, width, fine = line.number * self.params.line_bytes, self.params.data_width // 8, True
        for at in range(0, self.params.line_bytes, width):
            if self._resp(base + at, width, "w") is Resp.OKAY:
                self.memory[base + at:base + at + width] = line.data[at:at + width]
            else:
                fine = False
        if not fine:
            self._error(1, base)
            return False
        line.dirty = False
        if counter:
            self.state[counter] += 1
        return True

    def _resp(self, addr: int, size: int, kind: str) -> Resp:
        low = addr & -size
        return next((resp for lo, hi, kinds, resp in self.fails
                     if kind in kinds and low < hi and low + size > lo), Resp.OKAY)

    def _error(self, bit: int, addr: int):
        if not self.state["status"] & 0b11:
            self.state["err_addr"] = addr
            self.first = {addr}
        self.state["status"] |= 1 << bit

    # Maintenance

    def maintain(self, mode: int, start: int, end: int, whole: bool):
        if self.command(mode, start, end, whole)["refused"]:
            self.state["status"] |= 0b100

    def command(self, mode: int, start: int, end: int, whole: bool, edge=CacheEdge.FLUSH):
        """Carry out a command; return what the queue says about it."""
        self.result = {"refused": 0, "error": 0, "lines": 0, "addr": 0}
        size = self.params.line_bytes
        drops = mode == CacheMode.MAKE_INVALIDATE
        cut = drops and edge is CacheEdge.REFUSE and (start % size or end % size)
        if mode == 3 or (not whole and (end < start or cut)):
            self.result["refused"] = 1
        else:
            self._maintain(mode, start, end, whole, edge)
        return self.result

    def _maintain(self, mode: int, start: int, end: int, whole: bool, edge: CacheEdge):
        size = self.params.line_bytes
        low, high = start // size, -(-end // size)
        if whole:
            low, high = 0, 1 << self.params.line_bits
        elif start == end:
            return
        elif mode == CacheMode.MAKE_INVALIDATE and edge is not CacheEdge.ROUND_OUT:
            leave = edge is CacheEdge.LEAVE
            if start % size:
                if not leave:
                    self._lines(CacheMode.CLEAN_INVALIDATE, low, low + 1)
                low += 1
            if end % size and low < high:
                if not leave:
                    self._lines(CacheMode.CLEAN_INVALIDATE, high - 1, high)
                high -= 1
        self._lines(mode, low, high)

    def _lines(self, mode: int, low: int, high: int):
        if high - low < self.params.sets:
            places = [(number % self.params.sets, way) for number in range(low, high)
                      for way in range(self.params.ways)
                      if (line := self.sets[number % self.params.sets][way])
                      and line.number == number]
        else:
            places = [(index, way) for index in range(self.params.sets)
                      for way in range(self.params.ways)]
        for index, way in places:
            line = self.sets[index][way]
            if not line or not low <= line.number < high:
                continue
            if mode != CacheMode.MAKE_INVALIDATE and line.dirty:
                if self._write_back(line, "cleaned"):
                    self.result["lines"] += 1
                else:
                    if not self.result["error"]:
                        self.result |= {"error": 1, "addr": line.number * self.params.line_bytes}
                    continue
            if mode != CacheMode.CLEAN_SHARED:
                self.sets[index][way] = None
                self.state["invalidated"] += 1
