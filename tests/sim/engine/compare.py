"""Runs a scenario on Amaranth's own simulator and on the compiled engines."""

import re

from amaranth.sim import Simulator as Reference

from sim.engine import NativeEngine, Simulator, WasmEngine
from sim.engine.hosts.native_host import compiler

PERIOD = 1e-6

#: Name to a function that makes a simulator of a design.
COMPILED = {"wasm": lambda dut: Simulator(dut, engine=WasmEngine)}
if compiler():
    COMPILED["native"] = lambda dut: Simulator(dut, engine=NativeEngine)


def same(scenario, engines=COMPILED):
    """Call ``scenario(make)`` with every simulator, compare what it returns, and return that."""
    expected = scenario(Reference)
    for name in engines:
        if name in COMPILED:
            assert scenario(COMPILED[name]) == expected, name
    return expected


def clocked(make, dut, *testbenches, background=(), processes=(), domains=("sync",)):
    """Run testbenches to their end; return what they appended to the list they are given."""
    simulator = make(dut)
    for domain in domains:
        simulator.add_clock(PERIOD, domain=domain)
    seen = []
    for function in processes:
        simulator.add_process(_bound(function, seen))
    for function in background:
        simulator.add_testbench(_bound(function, seen), background=True)
    for function in testbenches:
        simulator.add_testbench(_bound(function, seen))
    simulator.run()
    return seen


def _bound(function, seen):
    async def run(ctx):
        await function(ctx, seen)

    return run


def changes(text):
    """Read a waveform: return name to the list of settled ``(time, value)``, and the last time."""
    scope, idents, history, time = [], {}, {}, 0
    for line in text.splitlines():
        words = line.split()
        if line.startswith("$scope"):
            scope.append(words[2])
        elif line.startswith("$upscope"):
            scope.pop()
        elif line.startswith("$var"):
            idents[".".join((*scope, words[4]))] = words[3]
        elif line.startswith("#"):
            time = int(line[1:])
        elif found := re.fullmatch(r"b0*([01]+) (.+)|(s\S*) (.+)|([01])(.+)", line):
            value, ident = [group for group in found.groups() if group is not None]
            history.setdefault(ident, {})[time] = value
    out = {}
    for name, ident in idents.items():
        out[name] = steps = []
        for when, value in sorted(history.get(ident, {}).items()):
            if not steps or steps[-1][1] != value:
                steps.append((when, value))
    return out, time
