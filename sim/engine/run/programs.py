"""Conditions and samples as programs for the stack machine of `runtime`.

They are evaluated inside compiled code, on the values before a clock edge. An expression beyond
what the machine does raises `Beyond`, and the caller takes the slow way through Python.
"""

import struct

from amaranth.hdl import Const, Signal
from amaranth.hdl._ast import Concat, Operator, Slice

from ..compile.words import MASK64

__all__ = ["Beyond", "compile_program", "structure"]

(_END, _LOAD, _CONST, _AND, _OR, _XOR, _NOT, _ADD, _SUB, _EQ, _NE, _ULT, _ULE, _SLT, _SLE, _SHL,
 _FIELD, _SOME, _SIGN) = range(19)
_DEPTH = 48             # of the 64 words of the stack
_LONGEST = 4000
_SAME = {"&": _AND, "|": _OR, "^": _XOR, "+": _ADD, "-": _SUB, "==": _EQ, "!=": _NE}
_LESS = {("<", False): (_ULT, False), ("<", True): (_SLT, False), ("<=", False): (_ULE, False),
         ("<=", True): (_SLE, False), (">", False): (_ULE, True), (">", True): (_SLE, True),
         (">=", False): (_ULT, True), (">=", True): (_SLT, True)}


class Beyond(Exception):
    """The stack machine cannot compute this expression."""


class _Program:
    def __init__(self, state):
        self.state = state
        self.code = []

    def emit(self, *words):
        self.code += words
        if len(self.code) > _LONGEST:
            raise Beyond

    def value(self, value, depth):
        """Compute a value as 64 bits of two's complement."""
        if len(value) > 64 or depth > _DEPTH:
            raise Beyond
        method = {Const: self.const, Signal: self.signal, Slice: self.slice,
                  Concat: self.concat, Operator: self.operator}.get(type(value))
        if method is None:
            raise Beyond
        method(value, depth)

    def const(self, value, depth):
        self.emit(_CONST, value.value & MASK64)

    def signal(self, value, depth):
        self.load(value, 0, len(value))
        if value.shape().signed:
            self.emit(_SIGN, len(value))

    def load(self, signal, low, width):
        slot = self.state.signal(signal)
        if not slot.native:
            raise Beyond
        first = True
        for piece in slot.pieces:
            start = max(low, piece.shift)
            stop = min(low + width, piece.shift + piece.count)
            if start < stop:
                self.emit(_LOAD, piece.address, piece.size, piece.low + start - piece.shift,
                          (1 << stop - start) - 1)
                if start > low:
                    self.emit(_SHL, start - low)
                if not first:
                    self.emit(_OR)
                first = False
        constant = slot.constant >> low & (1 << width) - 1
        if constant or first:
            self.emit(_CONST, constant)
            if not first:
                self.emit(_OR)

    def slice(self, value, depth):
        if type(value.value) is Signal:
            self.load(value.value, value.start, len(value))
        else:
            self.value(value.value, depth)
            self.emit(_FIELD, value.start, (1 << len(value)) - 1)

    def concat(self, value, depth):
        self.emit(_CONST, 0)
        at = 0
        for part in value.parts:
            if len(part):
                self.value(part, depth + 1)
                self.emit(_FIELD, 0, (1 << len(part)) - 1, _SHL, at, _OR)
                at += len(part)

    def operator(self, value, depth):
        for n, operand in enumerate(value.operands):
            self.value(operand, depth + n)
        if len(value.operands) == 1:
            self.unary(value, value.operator, len(value.operands[0]))
        elif len(value.operands) == 2:
            self.binary(value, value.operator, [one.shape() for one in value.operands])
        else:
            raise Beyond

    def unary(self, value, operator, width):
        shape = value.shape()
        ones = (1 << shape.width) - 1
        if operator == "u":
            self.emit(_FIELD, 0, ones)
        elif operator == "s" and width:
            self.emit(_SIGN, width)
        elif operator == "~":
            self.emit(_NOT, MASK64 if shape.signed else ones)
        elif operator in ("b", "r|"):
            self.emit(_SOME)
        elif operator == "r&":
            ones = (1 << width) - 1
            self.emit(_FIELD, 0, ones, _CONST, ones, _EQ)
        else:
            raise Beyond

    def binary(self, value, operator, shapes):
        signed = any(shape.signed for shape in shapes)
        if operator in ("+", "-") and len(value) > 63:
            raise Beyond
        if signed and max(shape.width for shape in shapes) > 63:
            raise Beyond                # a wide unsigned operand would look negative
        if operator in _SAME:
            self.emit(_SAME[operator])
        elif (operator, signed) in _LESS:
            code, inverted = _LESS[operator, signed]
            self.emit(code)
            if inverted:
                self.emit(_NOT, 1)
        else:
            raise Beyond


def compile_program(state, value) -> bytes:
    """Compile a value of at most 64 bits. Raise `Beyond` where the machine does not reach."""
    program = _Program(state)
    program.value(value, 0)
    code = [*program.code, _END, _END]
    return struct.pack(f"<{len(code)}Q", *[word & MASK64 for word in code])


def structure(value):
    """Return a key that is equal for expressions that compute the same from the same signals."""
    kind = type(value)
    if kind is Signal:
        return id(value)
    if kind is Const:
        return "c", value.value, len(value), value.shape().signed
    if kind is Slice:
        return "[", structure(value.value), value.start, value.stop
    if kind is Operator:
        return value.operator, *map(structure, value.operands)
    if kind is Concat:
        return "cat", *map(structure, value.parts)
    return "?", id(value)
