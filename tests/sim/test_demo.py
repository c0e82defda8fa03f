"""The demo's driver program on the golden model; tests/integration runs it on the RTL."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.spec.page_table import PAGE_BYTES
from sim.demo.buffer import scatter
from sim.demo.program import FORGET, run
from sim.golden.machine import GoldenMachine

DATA = bytes(i * 31 % 251 for i in range(3000))


@given(size=st.integers(1, 20_000), entries=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_scatter(size, entries, seed):
    """Every byte has one place, and no two pieces share one."""
    entries = min(entries, size)
    plan = scatter(size, entries, Random(seed))
    assert len(plan.places) == entries
    assert sum(piece for *_, piece in plan.places) == size
    taken = set()
    for block, offset, piece in plan.places:
        assert piece > 0 and offset >= 0 and offset + piece <= plan.blocks[block]
        bytes_of_piece = {(block, offset + i) for i in range(piece)}
        assert not taken & bytes_of_piece
        taken |= bytes_of_piece
    assert all(block % PAGE_BYTES == 0 for block in plan.blocks)


def test_scatter_has_every_kind():
    """Adjacent pieces, pieces that the IOMMU can merge, and unaligned ones."""
    places = scatter(50_000, 60, Random(1)).places
    pairs = list(pairwise(places))
    assert any(a[0] == b[0] and a[1] + a[2] == b[1] for a, b in pairs)
    assert any(a[0] != b[0] and (a[1] + a[2]) % PAGE_BYTES == 0 == b[1] for a, b in pairs)
    assert any(offset % 8 for _, offset, _ in places)


@pytest.mark.parametrize("entries", [1, 7, 100])
def test_right(entries):
    outcome = run(GoldenMachine(), DATA, entries=entries, seed=3)
    assert outcome.data == DATA and outcome.damage == [] and outcome.records == []
    assert outcome.figures["bytes"] == len(DATA)
    assert outcome.figures["segments after merging"] <= 2 * entries
    batches = -(-outcome.figures["descriptors"] // 64)         # a page of descriptors each
    assert outcome.figures["interrupts"] == batches


@pytest.mark.parametrize("step, words", [
    ("map", "Fault record: fault READ_PAGE_FAULT"),
    ("sync_for_device", "Dirty cache line"),
    ("sync_for_cpu", "Stale cache line"),
    ("unmap", "Use after free"),
])
def test_forgotten(step, words):
    outcome = run(GoldenMachine(), DATA, entries=5, seed=3, forget=step)
    assert outcome.data != DATA
    assert any(words in line for line in outcome.damage), outcome.damage
    assert step in FORGET


def test_wrong_step():
    with pytest.raises(ValueError, match=r"^Step to forget must be one of map, .*, not 'sleep'$"):
        run(GoldenMachine(), DATA, entries=1, seed=0, forget="sleep")
