"""I/O virtual addresses, against a search that tries every place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api.iommu.iova import IovaDomain

LOW = (1 << 20) - 1                 # last page below 4 GiB
HIGH = (1 << 26) - 1


def take(domain, *sizes, limit=LOW):
    return [domain.alloc_fast(size, limit, flush=True)[0] for size in sizes]


def test_known_sequence():
    assert take(IovaDomain(), 1, 1, 3, 1) == [0xFFFFF, 0xFFFFE, 0xFFFF8, 0xFFFF7]


class Model:
    """Every page number from the top down is tried; the newest range says where to begin."""

    def __init__(self, start):
        self.start, self.taken, self.newest = start, {}, {False: None, True: None}

    def alloc(self, size, limit):
        align = 1
        while align < size:
            align *= 2
        high = limit > LOW
        newest = self.newest[high]
        tries = [range(limit, self.start - 1, -1)]
        if newest is not None and newest <= limit:
            tries = [range(newest - 1, self.start - 1, -1),
                     range(limit, newest + self.taken[newest] - 1, -1)]
        for places in tries:
            for last in places:
                first = last - size + 1
                if (first >= places.stop + 1 and first % align == 0
                        and all(first + size <= at or at + count <= first
                                for at, count in self.taken.items())):
                    self.taken[first] = size
                    self.newest[first > LOW] = first
                    return first
        return None

    def free(self, first):
        size = self.taken.pop(first)
        above = min((at for at in self.taken if at > first), default=None)
        for high in (False, True):
            newest = self.newest[high]
            if newest is not None and first >= newest and (high or first + size <= LOW + 1):
                self.newest[high] = above


script = st.lists(st.one_of(
    st.tuples(st.just("alloc"), st.integers(1, 6), st.sampled_from([0, 0, 0, 5, 12])),
    st.tuples(st.just("free"), st.integers(0, 50), st.just(0))), max_size=60)


@pytest.mark.parametrize("top", [25, LOW, LOW + 40, HIGH])
@given(script)
def test_ranges_against_the_model(top, script):
    start = max(1, top - 24)
    domain, model = IovaDomain(start), Model(start)
    for operation, argument, lower in script:
        if operation == "alloc":
            first = domain.alloc(argument, top - lower)
            assert first == model.alloc(argument, top - lower)
        elif model.taken:
            first = sorted(model.taken)[argument % len(model.taken)]
            domain.free(first)
            model.free(first)
        assert domain.ranges() == sorted(model.taken.items())


fast = st.lists(st.one_of(
    st.tuples(st.just("alloc"), st.integers(1, 70), st.integers(60, 400)),
    st.tuples(st.just("free"), st.integers(0, 50), st.just(0))), max_size=60)


@given(fast)
def test_recycled_ranges_are_aligned_apart_and_within_the_limit(script):
    domain, live = IovaDomain(), {}
    for operation, argument, limit in script:
        if operation == "alloc":
            first, _ = domain.alloc_fast(argument, limit, flush=True)
            if first is None:
                continue
            align = 1 << (argument - 1).bit_length()
            assert first >= 1 and first % align == 0 and first + argument - 1 <= limit
            assert all(first + argument <= at or at + count <= first for at, count in live.items())
            live[first] = argument
        elif live:
            first = sorted(live)[argument % len(live)]
            domain.free_fast(first, live.pop(first))
    for first, size in live.items():
        domain.free_fast(first, size)
    domain.flush_cache()
    assert len(domain) == 0


def test_the_range_freed_last_is_reused_first():
    domain = IovaDomain()
    one, two = take(domain, 2, 2)
    domain.free_fast(one, 2)
    domain.free_fast(two, 2)
    assert domain.alloc_fast(2, LOW, flush=True) == (two, True)
    assert domain.alloc_fast(2, LOW, flush=True) == (one, True)


def test_a_recycled_range_above_the_limit_waits():
    domain = IovaDomain()
    high, low = take(domain, 1, 1)
    domain.free_fast(low, 1)
    domain.free_fast(high, 1)
    assert domain.alloc_fast(1, LOW - 1, flush=True) == (low, True)
    first, _ = domain.alloc_fast(4, 400, flush=True)
    domain.free_fast(first, 4)
    assert first == 396 and domain.alloc_fast(4, 398, flush=True) == (392, False)


@pytest.mark.parametrize("size,rounded", [(1, 1), (3, 4), (31, 32), (32, 32), (33, 33)])
def test_small_sizes_are_rounded(size, rounded):
    assert IovaDomain.rounded(size) == rounded


def test_large_ranges_are_not_recycled():
    domain = IovaDomain()
    (first,) = take(domain, 40)
    domain.free_fast(first, 40)
    assert len(domain) == 0


def test_a_full_space_is_searched_again_without_the_cache():
    domain = IovaDomain()
    held = [domain.alloc_fast(1, 15, flush=True)[0] for _ in range(15)]
    assert domain.alloc_fast(1, 15, flush=True) == (None, False)
    for first in held:
        domain.free_fast(first, 1)
    assert domain.alloc_fast(4, 15, flush=False) == (None, False)
    assert domain.alloc_fast(4, 15, flush=True) == (12, False)


def test_failure_below_4_gib_is_remembered_until_something_is_freed():
    domain = IovaDomain(LOW - 7)
    (first,) = take(domain, 8)
    domain.alloc(2, LOW)
    assert domain._failed32 == 2 and domain.alloc(4, LOW) is None
    domain.free(first)
    assert domain.alloc(8, LOW) == first


def test_the_cache_of_ranges_is_bounded():
    domain = IovaDomain()
    for first in take(domain, *[1] * 500):
        domain.free_fast(first, 1)
    assert 250 < len(domain) <= 381


def test_a_wrong_size_files_the_range_wrongly():
    domain = IovaDomain()
    (first,) = take(domain, 4)
    domain.free_fast(first, 1)
    assert domain.alloc_fast(1, LOW, flush=True) == (first, True)
    assert domain.ranges() == [(first, 4)]


def test_nothing_fits_in_nothing():
    domain = IovaDomain()
    assert domain.alloc(0, LOW) is None and domain.alloc_fast(0, LOW, flush=True)[0] is None
    domain.free(5)
    (first,) = take(domain, 2)
    domain.free_fast(first, 2)
    assert domain.alloc_fast(0, LOW, flush=True) == (None, False)
    with pytest.raises(ValueError, match="First I/O page number must be at least 1, not 0"):
        IovaDomain(0)
