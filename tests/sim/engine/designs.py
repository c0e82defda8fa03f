"""Random designs: every operator, many widths, switches, memories, chains through bits."""

import random

from amaranth.hdl import *
from amaranth.lib import memory

_WIDTHS = (0, 1, 1, 2, 3, 5, 8, 13, 16, 31, 32, 33, 48, 63, 64, 65, 70, 96, 128, 130)
_BINARY = ("+", "-", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=")
_KINDS = (*_BINARY, "*", "//", "%", "<<", ">>", "~", "negative", "mux", "cat", "slice", "part",
          "word", "any", "all", "parity", "bool", "signed", "unsigned", "repeat", "fixed shift",
          "array", "matches", "rotate")


def _cut(value, width):
    return value if len(value) <= width else value[:width]


class RandomDesign:
    """A module with inputs, registers, combinational signals and a memory.

    Parameters
    ----------
    seed : int
        Decides everything.
    size : int
        Number of combinational signals, and of registers.

    Attributes
    ----------
    clocks : dict
        Domain to the period and the phase of its clock, in periods of ``sync``.
    domains : tuple
        Domains that a testbench may wait for.
    steady : list
        Registers that change once at a time, at most: the engine does not see glitches.
    """

    clocks, domains = {"sync": (1, 0.5)}, ("sync",)

    def __init__(self, seed, size=8):
        self.random = r = random.Random(seed)
        self.module = m = Module()
        self.inputs = [self._signal(f"i{n}", 3) for n in range(6)]
        self.registers = [self._signal(f"r{n}", 8, reset_less=r.random() < 0.3)
                          for n in range(size)]
        self.combinational, self.memories, self.steady = [], [], []
        self._build(m, size)
        self.turn = Signal(3, reset_less=True)      # so that every wait has an end
        m.d.sync += self.turn.eq(self.turn + 1)

    def _build(self, m, size):
        for n in range(size + 2):
            self._logic(m, n)
        self._chain(m)
        self._memory(m)
        for register in self.registers:
            self._register(m, register)
        self.steady += self.registers

    @property
    def signals(self):
        return self.inputs + self.registers + self.combinational

    def _signal(self, name, bits, **options):
        r = self.random
        width = r.choice(_WIDTHS)
        shape = signed(width) if r.random() < 0.3 and width else unsigned(width)
        init = (-1 if shape.signed else 1) * (r.getrandbits(bits) & 1) if width else 0
        return Signal(shape, name=name, init=init, **options)

    def _any(self):
        return self.random.choice(self.signals)

    def expression(self, depth):
        return _cut(self._expression(depth), 400)

    def _condition(self, depth):
        value = self.expression(depth)
        return value.bool() if value.shape().signed else value

    def _expression(self, depth):
        r = self.random
        if depth == 0 or r.random() < 0.12:
            return self._any()
        if r.random() < 0.06:
            return Const(r.getrandbits(r.choice([1, 4, 8, 40])))
        kind, a = r.choice(_KINDS), self._expression(depth - 1)
        if kind in _BINARY:
            return _binary(kind, a, self._expression(depth - 1))
        return self._unary(kind, a, depth) if kind in (
            "~", "negative", "any", "all", "parity", "bool", "signed", "unsigned", "slice",
            "repeat", "fixed shift", "matches", "rotate") else self._other(kind, a, depth)

    def _unary(self, kind, a, depth):
        r = self.random
        if kind == "~":
            return ~a
        if kind == "negative":
            return -a
        if kind in ("any", "all", "bool"):
            return getattr(a, kind)()
        if kind == "parity":
            return a.xor()
        if kind == "repeat":
            return _cut(a, 20).replicate(r.randrange(4))
        if kind == "fixed shift":
            return r.choice([a.shift_left, a.shift_right])(r.randrange(5))
        if not len(a) or kind == "unsigned":
            return a.as_unsigned()
        if kind == "signed":
            return _cut(a, 200).as_signed()
        if kind == "slice":
            start = r.randrange(len(a))
            return a[start:r.randrange(start, len(a) + 1)]
        if kind == "rotate":
            return a.rotate_left(r.randrange(8))
        return a.matches(*("".join(r.choice(bits) for _ in range(len(a)))
                           for bits in ("01-", "---01")))

    def _other(self, kind, a, depth):
        r, b = self.random, self._expression(depth - 1)
        if kind == "*":
            return _cut(a, 70) * _cut(b, 70)
        if kind in ("//", "%"):
            a, b = _cut(a, r.choice([8, 31, 63, 150])), _cut(b, r.choice([3, 31, 63, 100]))
            return a // b if kind == "//" else a % b
        if kind == "<<":
            return _cut(a, 100) << _cut(b, 6).as_unsigned()
        if kind == ">>":
            return a >> _cut(b, 8).as_unsigned()
        if kind == "cat":
            return Cat(a, b)
        if kind == "mux":
            return Mux(a, b, self._expression(depth - 1))
        if kind == "part":
            return self._any().bit_select(_cut(b, 6).as_unsigned(), r.randrange(1, 9))
        if kind == "word":
            width = r.randrange(1, 5)
            count = len(a) // width * width
            return a[:count].word_select(_cut(b, 4).as_unsigned(), width) if count else a
        return Array([a, b, self._expression(depth - 1), self._any(), self._any()])[
            _cut(self._expression(depth - 1), 3).as_unsigned()]

    def _logic(self, m, n):
        r = self.random
        target = self._signal(f"c{n}", 4)
        how = r.random()
        if how < 0.5:
            m.d.comb += target.eq(self.expression(3))
        elif how < 0.75:
            with m.If(self._condition(2)):
                m.d.comb += target.eq(self.expression(2))
            with m.Elif(self._condition(2)):
                m.d.comb += target[:max(1, len(target) // 2)].eq(self.expression(2))
        else:
            selector = _cut(self.expression(1), r.choice([2, 3, 4])).as_unsigned()
            with m.Switch(selector):
                for value in range(1 << len(selector)):
                    if r.random() < 0.8:
                        with m.Case(value):
                            m.d.comb += target.eq(self.expression(1))
                if r.random() < 0.5:
                    with m.Default():
                        m.d.comb += target.eq(self.expression(1))
        self.combinational.append(target)

    def _chain(self, m):
        """Bits that depend on other bits of their own signal: a loop of cells, not of bits."""
        r = self.random
        chain = Signal(r.choice([5, 12, 70]), name="chain")
        other = Signal(8, name="other")
        with m.If(self._any().any()):
            m.d.comb += chain[0].eq(self._any())
            for bit in range(len(chain) - 1):
                with m.If(self._any().any()):
                    m.d.comb += chain[bit + 1].eq(chain[bit] ^ self._any()[:1])
                with m.Else():
                    m.d.comb += chain[bit + 1].eq(
                        other[bit] & chain[bit] if bit < 8 else chain[bit] | self._any())
        if r.random() < 0.5:
            m.d.comb += [other[0].eq(self._any()), other[1:].eq(chain[:min(7, len(chain))])]
        else:
            m.d.comb += other.eq(self._any())
        self.combinational += [chain, other]

    def _memory(self, m):
        r = self.random
        width, depth = r.choice([1, 8, 17, 32, 64, 72]), r.choice([1, 4, 8, 10])
        m.submodules.memory = store = memory.Memory(
            shape=unsigned(width), depth=depth, init=[r.getrandbits(width) for _ in range(depth)])
        write = store.write_port(granularity=r.choice([None, 8]) if width % 8 == 0 else None)
        read = store.read_port(transparent_for=(write,) if r.random() < 0.5 else ())
        now = store.read_port(domain="comb")
        # Amaranth's simulator resets a read port that is not enabled; hardware does not.
        m.d.comb += [write.addr.eq(self._any()), write.data.eq(self.expression(2)),
                     write.en.eq(self._any()), read.addr.eq(self._any()),
                     read.en.eq(self._any().any() | ResetSignal()),
                     now.addr.eq(r.choice(self.inputs + self.registers))]
        self.combinational += [read.data, now.data]
        self.memories.append(store)

    def _register(self, m, register, domain="sync"):
        r = self.random
        how = r.random()
        if how < 0.4:
            m.d[domain] += register.eq(self.expression(3))
        elif how < 0.7:
            with m.If(self._condition(1)):
                m.d[domain] += register.eq(self.expression(2))
            with m.Else():
                m.d[domain] += register[r.randrange(len(register) or 1):].eq(self.expression(2))
        else:
            m.d[domain] += register.bit_select(
                _cut(self._any(), 5).as_unsigned(), min(len(register), 3)).eq(self.expression(2))
            with m.Switch(self._any().any()):
                with m.Case(1):
                    m.d[domain] += register.eq(self.registers[0])
                with m.Default():
                    m.d[domain] += register.eq(register + 1)


def _binary(kind, a, b):
    return {"+": a + b, "-": a - b, "&": a & b, "|": a | b, "^": a ^ b, "==": a == b,
            "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[kind]
