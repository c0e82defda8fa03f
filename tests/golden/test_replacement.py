"""Tree pseudo-LRU."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.golden.replacement import TreePlru

ALL = [True] * 8


def test_by_hand():
    order = TreePlru(4)
    for way, victim in [(0, 2), (2, 1), (1, 3), (3, 0), (3, 0), (0, 2), (2, 1)]:
        order.touch(way)
        assert order.victim([True] * 4) == victim


def test_invalid_way_goes_first():
    order = TreePlru(4)
    order.touch(1)
    assert order.victim([True, False, True, False]) == 1
    assert order.victim([True, True, True, False]) == 3


@pytest.mark.parametrize("ways", [1, 2, 4, 8])
@given(data=st.data())
def test_properties(ways, data):
    order = TreePlru(ways)
    for way in data.draw(st.lists(st.integers(0, ways - 1), max_size=40)):
        order.touch(way)
        if ways > 1:
            victim = order.victim([True] * ways)
            assert victim // (ways // 2) != way // (ways // 2)     # the half not just used
    seen = set()
    for _ in range(ways):                                          # each way in turn
        victim = order.victim([True] * ways)
        order.touch(victim)
        seen.add(victim)
    assert seen == set(range(ways))
