"""A device that does everything that AXI permits, and gets only what it was given."""

import pytest

from rtl.params import IommuParams

from .hostile_software import besiege

#: Builds, and whether the hostile device belongs to a virtual machine that makes its own tables.
BUILDS = {
    "host": ({}, {}),
    "small": ({"tlb_entries": 1, "context_entries": 1, "in_flight": 2}, {}),
    "machine": ({"sv39x4": True, "pd8": True, "svpbmt": True}, {"guest": True}),
    "update": ({"sv39x4": True, "pd8": True, "amo_hwad": True}, {"guest": True, "update": True}),
}


def siege(build, changes, seed):
    """Make ``changes``; nothing may be read or changed that must not be."""
    params, options = BUILDS[build]

    async def scene(software):
        for _ in range(changes):
            await software.change()

    return besiege(IommuParams(**params), scene, seed=seed, **options)


@pytest.mark.parametrize("build", BUILDS)
def test_nothing_is_read_or_changed(build):
    counts = siege(build, changes=40, seed=1)
    assert counts["rounds"] >= 80 and counts["refused"] > 3000 and counts["passed"] > 300


def test_bursts_that_leave_their_page_are_refused():
    """AXI4 forbids them; a build that looks does not rely on it."""
    async def scene(software):
        for _ in range(30):
            await software.change()

    counts = besiege(IommuParams(burst_check=True), scene, illegal=True)
    assert counts["passed"] > 200


@pytest.mark.deep
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("seed", range(2, 5))
def test_nothing_is_read_or_changed_for_long(build, seed):
    counts = siege(build, changes=2500, seed=seed)
    assert counts["refused"] > 10_000 and counts["passed"] > 5_000


#: Channels that a device stops for ever, and what must go on nevertheless.
HOLDS = {"ar": "b", "r": "b", "aw": "r", "w": "r", "b": "r"}


@pytest.mark.parametrize("held", HOLDS)
def test_a_channel_that_stops_for_ever_stops_only_its_own_direction(held):
    """Reads pass while writes wait for data that never comes, and the other way round."""
    params, options = BUILDS["machine"]

    async def scene(software):
        for _ in range(3):
            await software.change()
        ctx, traffic = software.ctx, software.siege.traffic
        ctx.set(traffic.hold, 1 << ["ar", "aw", "w", "r", "b"].index(held))
        await ctx.tick().repeat(2000)   # until all that waits behind it is full
        answers = traffic.answers[HOLDS[held] == "b"]
        before = ctx.get(answers)
        for _ in range(40):
            await ctx.tick().repeat(500)
            if ctx.get(answers) > before + 20:
                break
        else:
            raise AssertionError("the other direction has stopped, too")
        ctx.set(traffic.hold, 0)
        await software.change()

    besiege(IommuParams(**params), scene, **options)
