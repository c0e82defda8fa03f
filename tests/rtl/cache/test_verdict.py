"""Plan, Verdict and Change: decisions about a set, against sets of ways."""

from itertools import product

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from rtl.cache.change import Change
from rtl.cache.layouts import Cause, Kind, Task
from rtl.cache.plan import Plan
from rtl.cache.verdict import Verdict
from rtl.params import CacheParams
from rtl.spec.cache_regs import CacheMode
from sim.engine import choose

from .harness import SHAPES
from .model import Tree

WAYS = 4
PARAMS = CacheParams(phys_bits=32, size_bytes=1024, ways=WAYS, line_bytes=64)
EVERY = set(range(WAYS))
CLEAN, FLUSH, DROP = (CacheMode.CLEAN_SHARED, CacheMode.CLEAN_INVALIDATE,
                      CacheMode.MAKE_INVALIDATE)


def mask(ways) -> int:
    return sum(1 << way for way in ways)


def members(value: int) -> set[int]:
    return {way for way in range(WAYS) if value >> way & 1}


@st.composite
def rows(draw):
    """A possible state: what is dirty or pending is valid."""
    valid = members(draw(st.integers(0, 15)))
    dirty, pending = (members(draw(st.integers(0, 15))) & valid for _ in range(2))
    return {"valid": valid, "dirty": dirty, "pending": pending, "plru": draw(st.integers(0, 7))}


def plan(row, ways, mode, purges):
    """Lines to write back, to drop, to wait for."""
    launch, drop, wait = set(), set(), set()
    for way in ways & row["valid"]:
        dirty, pending = way in row["dirty"], way in row["pending"]
        if pending:
            if dirty or purges or mode == DROP:
                wait.add(way)
        elif dirty and (purges or mode != DROP):
            launch.add(way)
        elif purges or mode != CLEAN:
            drop.add(way)
    return launch, drop, wait


def all_outputs(dut, cases, names):
    """Values of combinational ``dut`` in each case."""
    simulator, found = choose()(dut), []

    async def testbench(ctx):
        for inputs in cases:
            for name, value in inputs.items():
                ctx.set(getattr(dut, name), value)
            found.append({name: ctx.get(getattr(dut, name)) for name in names})

    simulator.add_testbench(testbench)
    simulator.run()
    return found


def outputs(dut, inputs, names):
    """Values of combinational ``dut`` in one case."""
    return all_outputs(dut, [inputs], names)[0]


def state(row):
    return {name: value if name == "plru" else mask(value) for name, value in row.items()}


def as_row(view):
    return {name: getattr(view, name) if name == "plru" else members(getattr(view, name))
            for name in ("valid", "dirty", "pending", "plru")}


def tree(plru: int, ways: int = WAYS) -> Tree:
    """The tree whose bits are ``plru``: root first, then the left half's, then the right half's."""
    found = Tree(ways)
    if ways > 1:
        below = ways // 2 - 1
        found.older = plru & 1
        found.halves = [tree(plru >> 1 & (1 << below) - 1, ways // 2),
                        tree(plru >> 1 + below, ways // 2)]
    return found


def bits(node: Tree, ways: int = WAYS) -> int:
    if ways == 1:
        return 0
    below = ways // 2 - 1
    low, high = (bits(half, ways // 2) for half in node.halves)
    return node.older | low << 1 | high << 1 + below


@pytest.mark.parametrize("mode", [CLEAN, FLUSH, DROP])
@pytest.mark.parametrize("kind", [Kind.LINE, Kind.SET, Kind.BYPASS])
def test_plan(kind, mode):
    """Every state of a way (none, clean, dirty, pending, both), beside every other."""
    cases = []
    for each in product([(), ("valid",), ("valid", "dirty"), ("valid", "pending"),
                         ("valid", "dirty", "pending")], repeat=2):
        row = {name: {way for way in range(WAYS) if name in each[way % 2]}
               for name in ("valid", "dirty", "pending")} | {"plru": 0}
        cases += [(row, ways) for ways in (EVERY, {0, 1}, {1, 2}, set())]
    found = all_outputs(
        Plan(PARAMS), [{"request": {"kind": kind, "mode": mode}, "row": state(row),
                        "ways": mask(ways)} for row, ways in cases], ["launch", "drop", "wait"])
    for (row, ways), got in zip(cases, found, strict=True):
        expected = plan(row, ways, mode, kind is Kind.BYPASS)
        assert tuple(members(value) for value in got.values()) == expected


VERDICT = ["hit", "miss", "launch", "drop", "wait", "done", "way", "pick", "dirty", "more", "new",
           "dropped", "cause"]


def touched(row, way):
    after = tree(row["plru"])
    after.touch(way, WAYS)
    return row | {"plru": bits(after)}


@given(row=rows(), match=st.none() | st.integers(0, 3), busy=st.integers(0, 15).map(members),
       same=st.booleans(), write=st.booleans(), coming=st.integers(0, 3))
def test_access(row, match, busy, same, write, coming):
    same &= coming in busy
    matching = set() if match is None or same else {match}
    found = outputs(Verdict(PARAMS), {
        "request": {"kind": Kind.ACCESS, "write": write}, "way_coming": coming,
        "view": {"row": state(row), "match": mask(matching), "busy": mask(busy),
                 "same": same}}, VERDICT)
    outcome = [name for name in VERDICT[:6] if found[name]]
    hits = matching & row["valid"]
    if same or hits - busy:
        way = coming if same else hits.pop()
        expected = touched(row, way)
        if write and not same:
            expected["dirty"] = row["dirty"] | {way}
        assert outcome == ["hit"] and found["way"] == way
        assert as_row(found["new"]) == expected
        return
    free = EVERY - row["valid"] - busy
    victim = min(free) if free else tree(row["plru"]).victim(WAYS)
    if hits or victim in row["pending"] | busy:
        assert outcome == ["wait"]
        return
    assert outcome == ["miss"] and members(found["pick"]) == {victim}
    assert found["dirty"] == (victim in row["dirty"])
    assert found["cause"] is Cause.EVICT
    assert as_row(found["new"]) == touched(row, victim)


@given(row=rows(), match=st.none() | st.integers(0, 3), busy=st.sampled_from([0, 0, 1, 6]),
       outside=st.tuples(st.integers(0, 15), st.integers(0, 15)), whole=st.booleans(),
       mode=st.sampled_from([CLEAN, FLUSH, DROP]), give_up=st.booleans(),
       kind=st.sampled_from([Kind.LINE, Kind.SET, Kind.BYPASS]), tried=st.integers(0, 15))
def test_maintenance(row, match, busy, outside, whole, mode, kind, give_up, tried):
    matching = set() if match is None else {match}
    below, above = outside
    found = outputs(Verdict(PARAMS), {
        "request": {"kind": kind, "mode": mode, "whole": whole, "tried": tried},
        "give_up": give_up,
        "view": {"row": state(row), "match": mask(matching), "below": below, "above": above,
                 "busy": busy}}, VERDICT)
    outcome = [name for name in VERDICT[:6] if found[name]]
    purges = kind is Kind.BYPASS
    ways = matching
    if kind is Kind.SET:
        ways = (EVERY if whole else EVERY - members(below) - members(above)) - members(tried)
    launch, drop, wait = plan(row, ways, mode, purges)
    if give_up:
        assert outcome == ["done"]
    elif busy:
        assert outcome == ["wait"]
    elif launch:
        way = {min(launch)}
        assert outcome == ["launch"] and members(found["pick"]) == way
        assert as_row(found["new"]) == row | {"dirty": row["dirty"] - way,
                                              "pending": row["pending"] | way}
        assert found["cause"] is (Cause.PURGE if purges else
                                  Cause.CLEAN if mode == CLEAN else Cause.FLUSH)
    elif drop:
        assert outcome == ["drop"] and found["more"] == bool(wait)
        assert as_row(found["new"]) == row | {"valid": row["valid"] - drop,
                                              "dirty": row["dirty"] - drop}
        assert found["dropped"] == (0 if purges else len(drop))
    else:
        assert outcome == (["wait"] if wait else ["done"])


@given(row=rows(), way=st.integers(0, 3), task=st.sampled_from(list(Task)), dirty=st.booleans(),
       cause=st.sampled_from([Cause.CLEAN, Cause.FLUSH, Cause.PURGE]), error=st.booleans())
def test_change(row, way, task, dirty, cause, error):
    found = outputs(Change(PARAMS), {
        "row": state(row),
        "task": {"task": task, "way": way, "dirty": dirty, "cause": cause, "error": error}},
        ["new", "fill", "settled", "purge_failed", "dropped"])
    this, after, drops = {way}, dict(row), False
    if task is Task.FILL:
        after["valid"] = row["valid"] | this
        after["dirty"] = row["dirty"] | this if dirty else row["dirty"] - this
    elif task is Task.VOID:
        after["valid"], after["dirty"] = row["valid"] - this, row["dirty"] - this
    elif task is Task.ACK:
        after["pending"] = row["pending"] - this
        if error:
            after["dirty"] = row["dirty"] | this
        elif cause is not Cause.CLEAN and way not in row["dirty"]:
            after["valid"], drops = row["valid"] - this, True
    assert as_row(found["new"]) == after
    assert found["fill"] == (1 << way if task is Task.FILL else 0)
    acked = task is Task.ACK
    assert found["settled"] == (acked and cause is not Cause.PURGE)
    assert found["purge_failed"] == (acked and error and cause is Cause.PURGE)
    assert found["dropped"] == (drops and cause is Cause.FLUSH)


@pytest.mark.parametrize("component", [Plan, Verdict, Change])
@pytest.mark.parametrize("shape", SHAPES)
def test_netlist(component, shape):
    rtlil.convert(component(SHAPES[shape]))
