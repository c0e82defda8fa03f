"""Expressions on 64-bit words, shared by identity and folded as they are made."""

__all__ = ["MASK64", "Builder", "Word"]

MASK64 = (1 << 64) - 1

_ONE_BIT = frozenset(("eq", "ne", "ult", "ule", "slt", "sle", "parity"))


class Word:
    """One node: an operation and its operands, without side effects.

    ``bits`` is an upper bound of the number of significant bits. Operations: ``const value``,
    ``load size offset index``, ``local n``, ``call name args...``, ``select cond a b``,
    ``switch enable selector default cases``, and the unary and binary ones of `Builder`.
    """

    __slots__ = ("args", "bits", "op")

    def __init__(self, op, args, bits):
        self.op = op
        self.args = args
        self.bits = bits

    def operands(self):
        """Return the nodes that this one is computed from."""
        if self.op == "switch":
            enable, selector, default, cases = self.args
            return [enable, selector, default, *(value for _, value in cases)]
        return [arg for arg in self.args if arg.__class__ is Word]


def _bound(op, args):
    """Upper bound of the significant bits of a result."""
    if op in _ONE_BIT:
        return 1
    if op == "and":
        return min(args[0].bits, args[1].bits)
    if op in ("or", "xor"):
        return max(args[0].bits, args[1].bits)
    if op == "select":
        return max(args[1].bits, args[2].bits)
    if op == "shr" and args[1].op == "const":
        return max(0, args[0].bits - args[1].args[0])
    if op == "shl" and args[1].op == "const":
        return min(64, args[0].bits + args[1].args[0])
    if op == "add":
        return min(64, max(args[0].bits, args[1].bits) + 1)
    if op == "mul":
        return min(64, args[0].bits + args[1].bits)
    return 64


class Builder:
    """Makes `Word` nodes: equal nodes are one node, constants are folded."""

    def __init__(self):
        self._known = {}

    def node(self, op, *args, bits=None):
        """Return the one node of this operation on these operands."""
        key = op, args                  # words are equal only to themselves
        node = self._known.get(key)
        if node is None:
            node = self._known[key] = Word(op, args, _bound(op, args) if bits is None else bits)
        return node

    def const(self, value):
        """Return the node of a number."""
        value &= MASK64
        node = self._known.get(value)
        if node is None:
            node = self._known[value] = Word("const", (value,), value.bit_length())
        return node

    def load(self, size, offset, bits, index=None):
        """Read ``size`` bytes at ``offset``, plus the bytes that ``index`` computes."""
        return self.node("load", size, offset, index, bits=bits)

    @staticmethod
    def is_const(node, value):
        """Tell whether a node is a certain number."""
        return node.op == "const" and node.args[0] == value

    def _fold(self, op, a, b, function):
        if a.op == "const" and b.op == "const":
            return self.const(function(a.args[0], b.args[0]))
        return self.node(op, a, b)

    def and_(self, a, b):
        """Return the bitwise and."""
        if a.op == "const":
            a, b = b, a
        if a is b:
            return a
        if b.op == "const":
            mask = b.args[0]
            if mask == 0:
                return b
            ones = (1 << a.bits) - 1
            if mask & ones == ones:
                return a
            if a.op == "and" and a.args[1].op == "const":
                return self.and_(a.args[0], self.const(a.args[1].args[0] & mask))
        return self._fold("and", a, b, lambda x, y: x & y)

    def or_(self, a, b):
        """Return the bitwise or."""
        if a.op == "const":
            a, b = b, a
        if a is b or self.is_const(b, 0):
            return a
        return self._fold("or", a, b, lambda x, y: x | y)

    def xor(self, a, b):
        """Return the bitwise exclusive or."""
        if a.op == "const":
            a, b = b, a
        if self.is_const(b, 0):
            return a
        return self._fold("xor", a, b, lambda x, y: x ^ y)

    def add(self, a, b):
        """Return the sum."""
        if self.is_const(b, 0):
            return a
        return self._fold("add", a, b, lambda x, y: x + y)

    def sub(self, a, b):
        """Return the difference."""
        if self.is_const(b, 0):
            return a
        return self._fold("sub", a, b, lambda x, y: x - y)

    def mul(self, a, b):
        """Return the low word of the product."""
        if self.is_const(b, 1):
            return a
        return self._fold("mul", a, b, lambda x, y: x * y)

    def _shift(self, op, a, amount, function):
        if amount.__class__ is int:
            amount = self.const(amount)
        if self.is_const(amount, 0) or self.is_const(a, 0):
            return a
        return self._fold(op, a, amount, function)

    def shl(self, a, amount):
        """Shift left by less than 64."""
        return self._shift("shl", a, amount, lambda x, y: x << y if y < 64 else 0)

    def shr(self, a, amount):
        """Shift right by less than 64, bringing in zeros."""
        return self._shift("shr", a, amount, lambda x, y: x >> y if y < 64 else 0)

    def sar(self, a, amount):
        """Shift right by less than 64, bringing in the sign."""
        if amount.__class__ is int:
            amount = self.const(amount)
        return a if self.is_const(amount, 0) else self.node("sar", a, amount)

    def eq(self, a, b):
        """Compare: equal."""
        if self.is_const(b, 0) and a.op in ("eq", "ne") and a.bits == 1:
            return self.node("ne" if a.op == "eq" else "eq", *a.args)
        return self._fold("eq", a, b, lambda x, y: int(x == y))

    def ne(self, a, b):
        """Compare: not equal."""
        if self.is_const(b, 0) and a.bits <= 1:
            return a
        return self._fold("ne", a, b, lambda x, y: int(x != y))

    def ult(self, a, b):
        """Compare as unsigned: less."""
        return self._fold("ult", a, b, lambda x, y: int(x < y))

    def ule(self, a, b):
        """Compare as unsigned: less or equal."""
        return self._fold("ule", a, b, lambda x, y: int(x <= y))

    def slt(self, a, b):
        """Compare as signed: less."""
        return self.node("slt", a, b)

    def sle(self, a, b):
        """Compare as signed: less or equal."""
        return self.node("sle", a, b)

    def select(self, condition, a, b):
        """Return ``a`` where ``condition`` is not zero, else ``b``."""
        if condition.op == "const":
            return a if condition.args[0] else b
        if a is b:
            return a
        if a.bits <= 1 and condition.bits <= 1 and self.is_const(b, 0):
            return self.and_(condition, a)
        return self.node("select", condition, a, b)

    def parity(self, a):
        """Return 1 when an odd number of bits is set."""
        return self.node("parity", a)

    def mask(self, a, width):
        """Keep the low ``width`` bits."""
        return a if width >= 64 else self.and_(a, self.const((1 << width) - 1))

    def sign_extend(self, a, width):
        """Take the low ``width`` bits as two's complement and extend them to 64."""
        return a if width >= 64 else self.sar(self.shl(a, 64 - width), 64 - width)

    def negative(self, a):
        """Return zero minus a word."""
        return self.sub(self.const(0), a)
