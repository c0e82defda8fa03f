"""Cache and golden model, the same accesses and commands on both, with errors of the bus.

Accesses of one port are offered without a gap, so that many are under way at once; the model does
them one after the other, and every response, datum, result and status must be the same.
"""

import pytest

from rtl.params import CacheParams

from .pair import Pair

SHAPES = {
    "small": CacheParams(phys_bits=32, size_bytes=1024, ways=2, line_bytes=32, allocate=True),
    "blocking": CacheParams(phys_bits=32, size_bytes=512, ways=1, line_bytes=16, misses=1),
    "many": CacheParams(phys_bits=56, size_bytes=2048, ways=8, line_bytes=64, misses=8,
                        allocate=True, overtake=True),
    "narrow": CacheParams(phys_bits=34, data_width=32, size_bytes=2048, ways=4, line_bytes=128,
                          misses=2, snoop=2, snoop_id_width=4, overtake=True, guards=1),
    "random": CacheParams(phys_bits=40, size_bytes=1024, ways=4, line_bytes=32, random=True,
                          allocate=True),
    "all": CacheParams(phys_bits=37, data_width=128, size_bytes=2048, ways=4, line_bytes=64,
                       misses=8, random=True, allocate=True, overtake=True, prefetch=4, snoop=3,
                       snoop_id_width=4),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_lockstep(shape):
    Pair(SHAPES[shape], 0).run(1200)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(1, 13))
@pytest.mark.parametrize("shape", SHAPES)
def test_long_lockstep(shape, seed):
    """More than a million accesses in all."""
    Pair(SHAPES[shape], seed).run(15_000)
