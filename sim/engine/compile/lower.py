"""One netlist cell at a time to expressions on words."""

from collections import defaultdict

from ..design.cells import DECODER
from . import wide
from .divide import divide
from .layout import words_of
from .words import MASK64, Builder

__all__ = ["Lowering"]


class Lowering:
    """Expressions of the body of one function.

    A value is a list of words, least significant first, without bits beyond its width. Values
    computed in the same body are used as they are; others are loaded from their place.
    """

    def __init__(self, layout):
        self.layout = layout
        self.cells = layout.cells
        self.b = Builder()
        self.local = {}
        self.locals = 0         # variables that statements use

    # Reading nets ------------------------------------------------------------------------------

    def words(self, key):
        """Return the words of a stored or local value."""
        found = self.local.get(key)
        if found is None:
            found = self.local[key] = self.load(key)
        return found

    def load(self, key):
        """Return the words of a value as they are in memory now."""
        place = self.layout.places[key]
        return self.load_at(place.address, place.size, place.width)

    def load_at(self, address, size, width, index=None):
        """Return the words of a value at an address, ``index`` bytes on."""
        return [self.b.load(size, address + 8 * n, min(64, width - 64 * n), index)
                for n in range(words_of(width))]

    def bits(self, key, low, count):
        """Return up to 64 bits of a value."""
        b, words = self.b, self.words(key)
        n, shift = divmod(low, 64)
        width = self.cells.width[key]
        out = b.shr(words[n], shift)
        have = min(64, width - 64 * n) - shift
        if have < count:
            out = b.or_(out, b.shl(words[n + 1], 64 - shift))
            have += min(64, width - 64 * (n + 1))
        return b.mask(out, count) if have > count else out

    def gather(self, value, low=0, count=None):
        """Return up to 64 bits of a netlist value as one word."""
        b = self.b
        out, at = b.const(0), 0
        high = len(value) if count is None else low + count
        for key, bit, width in self.cells.chunks(value, low, high):
            piece = b.const(bit) if key is None else self.bits(key, bit, width)
            out = b.or_(out, b.shl(piece, at))
            at += width
        return out

    def value(self, value):
        """Return the words of a netlist value."""
        return [self.gather(value, 64 * n, min(64, len(value) - 64 * n))
                for n in range(words_of(len(value)))]

    def bit(self, net):
        """Return one net."""
        return self.gather((net,))

    def _extended(self, words, width):
        """Return words sign-extended in the last one, and the word that would follow them."""
        sign = self.b.negative(wide.bit_at(self.b, words, width - 1))
        return [*words[:-1], self.b.sign_extend(words[-1], width - 64 * (len(words) - 1))], sign

    # Cells -------------------------------------------------------------------------------------

    def cell(self, key):
        """Return the words that a combinational key computes."""
        if isinstance(key, tuple):
            return self.value(self.cells.buffers[key])
        cell = self.cells.cells[key]
        return getattr(self, "_" + type(cell).__name__.lower())(key, cell)

    def _operator(self, key, cell):
        operator, width = cell.operator, cell.width
        if operator == "m":
            condition = self.bit(cell.inputs[0][0])
            return [self.b.select(condition, x, y) for x, y in
                    zip(self.value(cell.inputs[1]), self.value(cell.inputs[2]), strict=True)]
        if len(cell.inputs) == 1:
            return self._unary(operator, self.value(cell.inputs[0]), len(cell.inputs[0]))
        if operator in ("<<", "u>>", "s>>"):
            return self._shift(operator, cell, width)
        left, right = self.value(cell.inputs[0]), self.value(cell.inputs[1])
        if operator[1:] in ("//", "%"):
            return divide(self.b, operator[1:], operator[0] == "s", left, right, width,
                          self.layout.divisions.get(key))
        return self._binary(operator, left, right, len(cell.inputs[0]))

    def _unary(self, operator, words, width):
        b = self.b
        if operator == "~":
            return [b.xor(word, b.const((1 << min(64, width - 64 * n)) - 1))
                    for n, word in enumerate(words)]
        if operator == "-":
            zeros = [b.const(0)] * len(words)
            return wide.mask_last(b, wide.subtract(b, zeros, words), width)
        if operator == "r&":
            out = b.const(1)
            for n, word in enumerate(words):
                ones = (1 << min(64, width - 64 * n)) - 1
                out = b.and_(out, b.eq(word, b.const(ones)))
            return [out]
        out = words[0] if words else b.const(0)
        for word in words[1:]:
            out = (b.xor if operator == "r^" else b.or_)(out, word)
        return [b.parity(out) if operator == "r^" else b.ne(out, b.const(0))]

    def _binary(self, operator, left, right, width):
        b = self.b
        bitwise = {"&": b.and_, "|": b.or_, "^": b.xor}.get(operator)
        if bitwise:
            return [bitwise(x, y) for x, y in zip(left, right, strict=True)]
        if operator in ("+", "-", "*"):
            function = {"+": wide.add, "-": wide.subtract}.get(operator)
            out = (function(b, left, right) if function
                   else wide.multiply(b, left, right, len(left)))
            return wide.mask_last(b, out, width)
        if operator in ("==", "!="):
            out = b.const(0)
            for x, y in zip(left, right, strict=True):
                out = b.or_(out, b.xor(x, y)) if len(left) > 1 else b.ne(x, y)
            if len(left) == 1:
                return [b.eq(left[0], right[0])] if operator == "==" else [out]
            return [(b.eq if operator == "==" else b.ne)(out, b.const(0))]
        sign, operator = operator[0], operator[1:]
        zero = [b.const(0)]
        if operator[0] == ">":
            left, right = right, left
        return [wide.less(b, left or zero, right or zero, width, signed=sign == "s",
                          strict=len(operator) == 1)]

    def _shift(self, operator, cell, width):
        b = self.b
        words = self.value(cell.inputs[0])
        if not words:
            return []
        amount = wide.saturate(b, self.value(cell.inputs[1]))
        if operator == "<<":
            out = wide.shift_left(b, words, amount, width)
        elif operator == "u>>":
            out = wide.shift_right(b, words, amount, b.const(0), width)
        else:
            words, sign = self._extended(words, width)
            out = wide.shift_right(b, words, amount, sign, width)
        return wide.mask_last(b, out, width)

    def _part(self, key, cell):
        b = self.b
        amount = wide.saturate(b, self.value(cell.offset))
        if cell.stride != 1:
            limit = (1 << 32) // cell.stride          # do not wrap around; far outside either way
            amount = b.mul(b.select(b.ult(amount, b.const(limit)), amount, b.const(limit)),
                           b.const(cell.stride))
        words, fill = self.value(cell.value) or [b.const(0)], b.const(0)
        if cell.value_signed and len(cell.value):
            words, fill = self._extended(words, len(cell.value))
        return wide.mask_last(b, wide.shift_right(b, words, amount, fill, cell.width), cell.width)

    def _matches(self, key, cell):
        b = self.b
        words = self.value(cell.value)
        out = b.const(0)
        for pattern in cell.patterns:
            mask = int("".join("0" if bit == "-" else "1" for bit in pattern) or "0", 2)
            wanted = int(pattern.replace("-", "0") or "0", 2)
            same = b.const(1)
            for n, word in enumerate(words):
                care, bits = mask >> 64 * n & MASK64, wanted >> 64 * n & MASK64
                if care == bits == 1 == len(pattern):
                    same = word
                elif care:
                    same = b.and_(same, b.eq(b.and_(word, b.const(care)), b.const(bits)))
            out = b.or_(out, same)
        return [out]

    def _prioritymatch(self, key, cell):
        b = self.b
        enable = self.bit(cell.en)
        if key in self.cells.decoders:
            return self._decoder(enable, *self.cells.decoders[key])
        words = self.value(cell.inputs)
        if len(cell.inputs) == 1:
            return [b.and_(enable, words[0])]
        zero = b.const(0)
        left, out = b.negative(enable), []
        for word in words:
            word = b.and_(word, left)
            out.append(b.and_(word, b.negative(word)))          # the lowest bit that is set
            if len(words) > 1:
                left = b.select(b.ne(word, zero), zero, left)
        return out

    def _decoder(self, enable, value, patterns):
        b = self.b
        selector = self.gather(value)
        if len(patterns) <= 64 and patterns == list(range(len(patterns))):
            one = b.shl(enable, b.and_(selector, b.const(63)))
            if 1 << len(value) == len(patterns):
                return [one]
            return [b.select(b.ult(selector, b.const(len(patterns))), one, b.const(0))]
        out = []
        for start in range(0, len(patterns), 64):
            word = b.const(0)
            for bit, pattern in enumerate(patterns[start:start + 64]):
                hit = b.and_(enable, b.eq(selector, b.const(pattern)))
                word = b.or_(word, b.shl(hit, bit))
            out.append(word)
        return out

    def _assignmentlist(self, key, cell):
        words = self.value(cell.default)
        for decoder, run in self.cells.assignment_runs(cell):
            if decoder is None:
                for one in run:
                    self._assign(words, one, self.bit(one.cond))
            else:
                self._jump_table(words, decoder, run)
        return words

    def _jump_table(self, words, decoder, run):
        """Apply assignments of which at most those of one case hold."""
        b = self.b
        value, patterns = self.cells.decoders[decoder]
        enable, selector = self.bit(self.cells.cells[decoder].en), self.gather(value)
        by_case = defaultdict(list)
        for one in run:
            by_case[one.cond & 0xffff].append(one)
        touched = sorted({n for one in run for n in range(
            one.start // 64, (one.start + len(one.value) - 1) // 64 + 1) if one.value})
        cases = []
        for case, assignments in by_case.items():
            result = list(words)
            for one in assignments:
                self._assign(result, one, None)
            cases.append((patterns[case], result))
        for n in touched:
            if len(cases) >= DECODER:
                words[n] = b.node("switch", enable, selector, words[n],
                                  tuple((pattern, result[n]) for pattern, result in cases))
            else:
                for pattern, result in cases:
                    hit = b.and_(enable, b.eq(selector, b.const(pattern)))
                    words[n] = b.select(hit, result[n], words[n])

    def _assign(self, words, one, condition):
        """Put an assignment over ``words``, where ``condition`` holds (always if it is None)."""
        b = self.b
        at = 0
        while at < len(one.value):
            n, low = divmod(one.start + at, 64)
            take = min(64 - low, len(one.value) - at)
            old, new = words[n], self.gather(one.value, at, take)
            if take < 64 and (low or old.bits > take):
                keep = b.const(~(((1 << take) - 1) << low))
                new = b.or_(b.and_(old, keep), b.shl(new, low))
            words[n] = new if condition is None else b.select(condition, new, old)
            at += take

    def _asyncreadport(self, key, cell):
        return self.row(cell.memory, self.gather(cell.addr[:64]))

    # Memories ----------------------------------------------------------------------------------

    def row_index(self, memory, address):
        """Return the distance of a row in bytes, and whether the row exists (None: always)."""
        b = self.b
        depth = self.cells.cells[memory].depth
        _, size, words = self.layout.memories[memory]
        inside = None
        if 1 << address.bits > depth:
            inside = b.ult(address, b.const(depth))
            address = b.select(inside, address, b.const(0))
        return b.mul(address, b.const(size * words)), inside

    def row(self, memory, address):
        """Return the words of a row; rows that do not exist read as zero."""
        b = self.b
        width = self.cells.cells[memory].width
        if not self.cells.cells[memory].depth:
            return [b.const(0)] * words_of(width)
        base, size, _ = self.layout.memories[memory]
        index, inside = self.row_index(memory, address)
        words = self.load_at(base, size, width, index)
        return words if inside is None else [b.select(inside, word, b.const(0)) for word in words]
