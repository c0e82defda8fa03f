"""Every operator at widths around the word size, on values around the edges."""

import operator
import random

import pytest
from amaranth.hdl import *

from tests.sim.engine.compare import clocked, same

WIDTHS = (1, 7, 32, 63, 64, 65, 127, 128, 130, 200)
TWO = {name: getattr(operator, name) for name in (
    "add", "sub", "and_", "or_", "xor", "eq", "ne", "lt", "le", "gt", "ge")}
TWO |= {"mul": lambda a, b: a * b[:100], "floordiv": lambda a, b: a // b,
        "mod": lambda a, b: a % b,
        "signed div": lambda a, b: a.as_signed() // b.as_signed(),
        "signed mod": lambda a, b: a.as_signed() % b.as_signed(),
        "mixed div": lambda a, b: a // b.as_signed(), "mixed mod": lambda a, b: a.as_signed() % b,
        "shl": lambda a, b: a << b[:7], "shr": lambda a, b: a >> b[:9],
        "part": lambda a, b: a.bit_select(b[:9].as_unsigned(), 70),
        "word": lambda a, b: a.word_select(b[:2].as_unsigned(), max(1, len(a) // 4)),
        "mux": lambda a, b: Mux(a[0], b, a), "cat": lambda a, b: Cat(b, a, b[1:])}
ONE = {name: getattr(operator, name) for name in ("neg", "invert")}
ONE |= {name: lambda a, name=name: getattr(a, name)() for name in ("any", "all", "xor", "bool")}
ONE |= {"signed": lambda a: a.as_signed(), "rotate": lambda a: a.rotate_right(3),
        "middle": lambda a: a[len(a) // 3:2 * len(a) // 3 + 1]}


def edges(r, width):
    """Return a value that is likely to show a mistake."""
    kind = r.randrange(6)
    if kind < 2:
        return r.choice((0, -1, 1, 1 << (width - 1), (1 << (width - 1)) - 1))
    return r.getrandbits(width) >> r.choice((0, 0, width // 2)) if kind < 5 else r.randrange(200)


def check(name, engines):
    def scenario(make):
        m, outputs = Module(), []
        shapes = [unsigned(width) for width in WIDTHS] + [signed(width) for width in WIDTHS]
        inputs = [Signal(shape, name=f"in{n}") for n, shape in enumerate(shapes)]
        for n, a in enumerate(inputs):
            values = [ONE[name](a)] if name in ONE else [
                TWO[name](a, inputs[(n + step) % len(inputs)]) for step in (0, 3, 9, 10)]
            for value in values:
                outputs.append(Signal(value.shape(), name=f"out{len(outputs)}"))
                m.d.comb += outputs[-1].eq(value)

        async def testbench(ctx, seen):
            r = random.Random(name)
            for _ in range(12):
                for one in inputs:
                    ctx.set(one, edges(r, len(one)))
                seen.append([ctx.get(one) for one in outputs])

        return clocked(make, m, testbench, domains=())
    same(scenario, engines)


@pytest.mark.parametrize("name", [*TWO, *ONE])
def test_operator(name):
    check(name, ["wasm"])


@pytest.mark.parametrize("name", ["mul", "signed div", "shr", "part", "xor", "lt"])
def test_operator_in_c(name):
    check(name, ["native"])
