"""The RTL beside the golden model, which keeps nothing, while tables and contexts change."""

import pytest

from sim.vectors.golden import GoldenTarget
from sim.vectors.rtl import RtlTarget
from tests.integration.lockstep import Lockstep

#: Builds: the smallest, that of Linux, one with everything.
BUILDS = {
    "least": {},
    "host": {"sv48": 1, "sv57": 1, "svpbmt": 1, "nl": 1, "s": 1},
    "update": {"sv48": 1, "amo_hwad": 1, "pd8": 1},
    "either": {"sv39x4": 1, "pd8": 1, "amo_hwad": 1, "end": 1},
    "qos": {"qosid": 1, "sv39x4": 1, "pd8": 1, "amo_hwad": 1},
    "narrow": {"sv32": 1, "sv32x4": 1, "sv39x4": 1, "pd8": 1, "amo_hwad": 1, "end": 1},
    "narrow host": {"sv32": 1, "sv48": 1, "s": 1},
    "narrow guest": {"sv32": 1, "sv32x4": 1, "svpbmt": 1},
    "full": {"sv48": 1, "sv39x4": 1, "sv48x4": 1, "pd8": 1, "svpbmt": 1, "s": 1},
}


def run(build, seeds, rounds):
    """Returns the accesses that were compared."""
    rtl, accesses = RtlTarget(), 0
    try:
        for seed in seeds:
            world = Lockstep((GoldenTarget(cache=False), rtl), seed=seed, **BUILDS[build])
            world.run(rounds)
            accesses += world.accesses
            assert not world.has("qosid") or world.tagged > 20 * rounds
    finally:
        rtl.close()
    return accesses


@pytest.mark.parametrize("build", BUILDS)
def test_agrees(build):
    assert run(build, range(3), rounds=12) > 500


@pytest.mark.deep
@pytest.mark.parametrize("build", BUILDS)
def test_agrees_for_long(build):
    """Together a million accesses."""
    assert run(build, range(100, 250), rounds=50) > 250_000
