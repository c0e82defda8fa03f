"""One driver program, two machines, equal results."""

import numpy as np
import pytest

from kernel_api import PAGE_SHIFT, boot
from rtl.spec.platform import Platform
from rtl.spec.queues import FAULT_BYTES
from sim.golden.machine import GoldenMachine
from sim.machine import RtlMachine
from sim.matrix import Machines

#: Enough of the fault queue to hold all records of a program.
FAULT_QUEUE_BYTES = 64 * FAULT_BYTES


@pytest.fixture(scope="session")
def rtl_machine():
    """The RTL, elaborated once; reset before each program."""
    with RtlMachine() as machine:
        yield machine


@pytest.fixture(scope="session")
def machines():
    """Machines of cells, each RTL elaborated once."""
    with Machines() as kept:
        yield kept


@pytest.fixture(scope="session")
def streaming_rtl():
    """The RTL with a stream engine, elaborated once."""
    with RtlMachine(Platform(streams=1)) as machine:
        yield machine


@pytest.fixture(params=["golden", "rtl"])
def streaming_machine(request):
    """Each machine with a stream engine; the RTL reset before each program."""
    if request.param == "golden":
        return GoldenMachine(Platform(streams=1))
    machine = request.getfixturevalue("streaming_rtl")
    machine.reset()
    return machine


@pytest.fixture
def on_both(rtl_machine):
    """Run ``program(kernel)`` on both machines and compare everything that software can see.

    Compared: what the program returns, fault records, kernel messages without their times, costs
    of the calls, interrupts, lines cleaned and invalidated, and, once the cache was written back,
    all of memory. Returns what the program returned.
    """
    def both(program, **options):
        rtl_machine.reset()
        return compare(program, rtl_machine, GoldenMachine(rtl_machine.platform), **options)

    return both


def compare(program, rtl, golden, *, refusals=False):
    """Run on the two machines, assert that they agree, return what the program returned.

    With ``refusals``, the IOMMU refuses accesses of a transfer. The engine then has a few more
    bursts under way, whose records follow the first; only that one is comparable, and what follows
    from their number is not.
    """
    seen_rtl, seen_golden = (observe(program, machine) for machine in (rtl, golden))
    image_rtl, image_golden = seen_rtl.pop("image"), seen_golden.pop("image")
    if refusals:
        for seen in (seen_rtl, seen_golden):
            assert seen["records"]
            del seen["records"][1:], seen["log"], seen["stats"]
        for image in (image_rtl, image_golden):
            image[seen_rtl["fault_queue"] + FAULT_BYTES:][:FAULT_QUEUE_BYTES] = 0
    assert seen_rtl == seen_golden
    wrong = np.flatnonzero(image_rtl != image_golden)
    if wrong.size:
        first = int(wrong[0])
        raise AssertionError(f"memory differs in {wrong.size} bytes, from "
                             f"{rtl.platform.memory_base + first:#x} on: RTL "
                             f"{image_rtl[first:first + 16].tobytes().hex()}, golden model "
                             f"{image_golden[first:first + 16].tobytes().hex()}")
    return seen_rtl["result"]


def observe(program, machine) -> dict:
    """What software can see of a run."""
    with boot(machine) as kernel:
        result = program(kernel)
        cache = kernel.cache.regs
        seen = {
            "result": result,
            "records": [str(record) for record in kernel.iommu.faults],
            "log": [message.text for message in kernel.log.records],
            "stats": kernel.stats.snapshot(),
            "fault_queue": (kernel.iommu.regs.fqb.read("ppn") << PAGE_SHIFT)
            - machine.platform.memory_base,
            "cache": {name: getattr(cache, name).read("count")
                      for name in ("cleaned", "invalidated")},
        }
        kernel.cache.wback_inv_all()
        seen["image"] = np.array(machine.image())
    return seen
