"""A state machine of API calls: legal programs are right everywhere, and each change is reported.

Rules make a legal program, call by call. At its end it runs in cells of the matrix, and must have
one image and no report; then each mutation that fits is run in one cell, and must be reported.
"""

from collections import Counter
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from kernel_api import DMA_BIDIRECTIONAL, DMA_FROM_DEVICE, DMA_TO_DEVICE
from sim.matrix import Cell, Machines, cells, run_cell
from tests.integration.api_buffer import Buffer
from tests.integration.api_program import MUTATIONS, mutants, program

CELLS = list(cells(caches=("coherent", "16", "64", "128")))
TO, FROM, BIDI = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL
DIRECTIONS = st.sampled_from([TO, FROM, BIDI])
NUMBER, VALUE = st.integers(0, 7), st.integers(1, 200)
SIZES = st.one_of(st.integers(1, 40), st.integers(100, 700), st.sampled_from([4096, 5000]))
#: How often each mutation was tried, in all examples.
TRIED = Counter()


class ApiMachine(RuleBasedStateMachine):
    """Makes a program; see above."""

    machines = None
    cells = CELLS

    def __init__(self):
        super().__init__()
        self.calls, self.buffers, self.numbers = [], [], count()
        self.lists = {}

    def call(self, *call):
        self.calls.append(call)

    def those(self, test):
        return [buffer for buffer in self.buffers if test(buffer)]

    @staticmethod
    def _idle(buffer):
        return buffer.kind == "cpu" and buffer.direction is None

    @staticmethod
    def _mapped(buffer):
        return buffer.direction is not None and buffer.list is None

    # Buffers

    @precondition(lambda self: len(self.buffers) < 6)
    @rule(size=SIZES)
    def kmalloc(self, size):
        self.buffers.append(Buffer(next(self.numbers), size, "cpu"))
        self.call("kmalloc", self.buffers[-1].number, size)

    @precondition(lambda self: self.those(self._idle))
    @rule(n=NUMBER, direction=DIRECTIONS)
    def map(self, n, direction):
        idle = self.those(self._idle)
        self.give_to_device(idle[n % len(idle)], direction)

    def give_to_device(self, buffer, direction):
        buffer.direction = direction
        buffer.give("device")
        self.call("map", buffer.number, direction)

    @precondition(lambda self: self.those(self._mapped))
    @rule(n=NUMBER, start=NUMBER, length=NUMBER)
    def sync_for_cpu(self, n, start, length):
        mapped = self.those(self._mapped)
        buffer = mapped[n % len(mapped)]
        if blocks := buffer.run(start, length + 1, ("device",)):
            buffer.give("lent", blocks)
            self.call("sync_cpu", buffer.number, *buffer.part(blocks))

    @precondition(lambda self: self.those(self._mapped))
    @rule(n=NUMBER, start=NUMBER, length=NUMBER)
    def sync_for_device(self, n, start, length):
        mapped = self.those(self._mapped)
        buffer = mapped[n % len(mapped)]
        if blocks := buffer.run(start, length + 1, ("lent", "stored")):
            buffer.give("device", blocks)
            self.call("sync_dev", buffer.number, *buffer.part(blocks))

    @precondition(lambda self: self.those(self._mapped))
    @rule(n=NUMBER, value=VALUE)
    def turn(self, n, value):
        """The CPU's turn with all of a buffer, and then the device's."""
        mapped = self.those(self._mapped)
        self.take_turn(mapped[n % len(mapped)], value)

    @precondition(lambda self: len(self.buffers) < 6)
    @rule(size=SIZES, direction=DIRECTIONS, value=VALUE)
    def map_and_turn(self, size, direction, value):
        """Begin as most drivers do."""
        self.kmalloc(size)
        buffer = self.buffers[-1]
        self.give_to_device(buffer, direction)
        self.take_turn(buffer, value)

    def take_turn(self, buffer, value):
        self.settle(buffer)
        self.call("sync_cpu", buffer.number, 0, buffer.size)
        self.call("cpu_read", buffer.number, 0, buffer.size)
        if buffer.direction != FROM:
            self.call("cpu_write", buffer.number, 0, buffer.size, value)
        self.call("sync_dev", buffer.number, 0, buffer.size)
        if buffer.direction != FROM:
            self.call("dev_read", buffer.number, 0, buffer.size)

    @precondition(lambda self: self.those(self._mapped))
    @rule(n=NUMBER)
    def unmap(self, n):
        mapped = self.those(self._mapped)
        self.end(mapped[n % len(mapped)])

    def settle(self, buffer):
        """Give the device what the CPU has been lent."""
        while blocks := buffer.run(0, len(buffer.blocks), ("lent", "stored")):
            buffer.give("device", blocks)
            self.call("sync_dev", buffer.number, *buffer.part(blocks))

    def end(self, buffer):
        """Unmap, after what the CPU stored was given to the device."""
        if "stored" in buffer.blocks:
            self.settle(buffer)
        self.call("unmap", buffer.number)
        buffer.direction = None
        buffer.give("cpu")

    # Accesses

    @precondition(lambda self: self.buffers)
    @rule(n=NUMBER, start=NUMBER, length=NUMBER, skip=st.integers(0, 99))
    def cpu_reads(self, n, start, length, skip):
        buffer = self.buffers[n % len(self.buffers)]
        if blocks := buffer.run(start, length + 1, ("cpu", "lent", "stored", "coherent")):
            self.call("cpu_read", buffer.number, *buffer.part(blocks, skip))

    @precondition(lambda self: self.buffers)
    @rule(n=NUMBER, start=NUMBER, length=NUMBER, skip=st.integers(0, 99), value=VALUE)
    def cpu_writes(self, n, start, length, skip, value):
        buffer = self.buffers[n % len(self.buffers)]
        blocks = buffer.run(start, length + 1, ("cpu", "lent", "stored", "coherent"))
        if blocks and buffer.direction != FROM:
            if buffer.direction is not None:
                buffer.give("stored", blocks)
            self.call("cpu_write", buffer.number, *buffer.part(blocks, skip), value)
            if buffer.kind == "coherent":
                self.call("barrier")

    @precondition(lambda self: self.buffers)
    @rule(n=NUMBER, start=NUMBER, length=NUMBER, skip=st.integers(0, 99))
    def device_reads(self, n, start, length, skip):
        buffer = self.buffers[n % len(self.buffers)]
        blocks = buffer.run(start, length + 1, ("device", "coherent"))
        if blocks and buffer.list is None and buffer.direction != FROM:
            self.call("dev_read", buffer.number, *buffer.part(blocks, skip))

    @precondition(lambda self: self.buffers)
    @rule(n=NUMBER, start=NUMBER, length=NUMBER, skip=st.integers(0, 99), value=VALUE)
    def device_writes(self, n, start, length, skip, value):
        buffer = self.buffers[n % len(self.buffers)]
        blocks = buffer.run(start, length + 1, ("device", "coherent"))
        if blocks and buffer.list is None and buffer.direction != TO:
            self.call("dev_write", buffer.number, *buffer.part(blocks, skip), value)

    # Lists

    @precondition(lambda self: self.those(self._idle))
    @rule(length=st.integers(1, 4), direction=DIRECTIONS)
    def map_sg(self, length, direction):
        number, members = next(self.numbers), self.those(self._idle)[:length]
        for buffer in members:
            buffer.direction, buffer.list = direction, number
            buffer.give("device")
        self.lists[number] = members
        self.call("map_sg", number, tuple(buffer.number for buffer in members), direction)

    def some_list(self, n):
        """Number and buffers of a list."""
        number = list(self.lists)[n % len(self.lists)]
        return number, self.lists[number]

    @precondition(lambda self: self.lists)
    @rule(n=NUMBER, value=VALUE)
    def device_uses_list(self, n, value):
        number, members = self.some_list(n)
        if all(buffer.blocks[0] == "device" for buffer in members):
            if members[0].direction != FROM:
                self.call("sg_read", number)
            if members[0].direction != TO:
                self.call("sg_write", number, value)

    @precondition(lambda self: self.lists)
    @rule(n=NUMBER)
    def sync_sg(self, n):
        number, members = self.some_list(n)
        owned = members[0].blocks[0] == "device"
        for buffer in members:
            buffer.give("lent" if owned else "device")
        self.call("sg_sync_cpu" if owned else "sg_sync_dev", number)

    @precondition(lambda self: self.lists)
    @rule(n=NUMBER)
    def unmap_sg(self, n):
        number, members = self.some_list(n)
        if any(owner != "device" for buffer in members for owner in buffer.blocks):
            self.call("sg_sync_dev", number)
        self.call("unmap_sg", number)
        for buffer in members:
            buffer.direction = buffer.list = None
            buffer.give("cpu")
        del self.lists[number]

    # Coherent memory

    @precondition(lambda self: len(self.buffers) < 6)
    @rule(size=SIZES)
    def coherent(self, size):
        self.buffers.append(Buffer(next(self.numbers), size, "coherent"))
        self.call("coherent", self.buffers[-1].number, size)

    @precondition(lambda self: len(self.buffers) < 6)
    @rule()
    def pool_block(self):
        buffer = Buffer(next(self.numbers), 64, "coherent")
        buffer.pooled = True
        self.buffers.append(buffer)
        self.call("block", buffer.number)

    @precondition(lambda self: self.buffers)
    @rule(n=NUMBER)
    def free(self, n):
        buffer = self.buffers[n % len(self.buffers)]
        if buffer.direction is None:
            self.buffers.remove(buffer)
            self.call("kfree" if buffer.kind == "cpu" else "free_block" if buffer.pooled
                      else "free_coherent", buffer.number)

    # The end

    def teardown(self):
        """Finish the program, and see what it does."""
        while self.lists:
            self.unmap_sg(0)
        for buffer in self.buffers:
            if buffer.direction is not None:
                self.end(buffer)
            self.call("cpu_read", buffer.number, 0, buffer.size)
        while self.buffers:
            self.free(0)
        if self.calls:
            self.check_legal()
            self.check_mutants()

    def check_legal(self):
        """One image, no report."""
        images = []
        for cell in self.cells:
            outcome = run_cell(program(self.calls), cell, machines=self.machines)
            assert not outcome.reports, f"{cell}: {outcome.reports[0]}\n{self.calls}"
            images.append(outcome.image)
            assert outcome.image == images[0], f"{cell}\n{self.calls}"
        assert not isinstance(images[0], str), f"{images[0]}\n{self.calls}"

    def check_mutants(self):
        """Each mutation is reported by one of its checks, in whatever cell it runs."""
        for number, (name, calls, checks) in enumerate(mutants(self.calls)):
            cell = self.cells[(len(self.calls) + number) % len(self.cells)]
            TRIED[name] += 1
            found = run_cell(program(calls), cell, machines=self.machines).checks
            assert checks & set(found), f"{name} in {cell}: {found}\n{calls}"


SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}


class TestQuick(ApiMachine.TestCase):
    """A few programs, on every path and with every line but one."""

    settings = settings(max_examples=12, stateful_step_count=25, **SETTINGS)


@pytest.mark.deep
class TestDeep(ApiMachine.TestCase):
    """Many programs; each mutation was tried in some."""

    settings = settings(max_examples=300, stateful_step_count=40, **SETTINGS)

    def runTest(self):
        TRIED.clear()
        super().runTest()
        assert set(TRIED) == set(MUTATIONS)


class OnRtl(ApiMachine):
    """The same on model and RTL."""

    cells = Cell("strict", "64"), Cell("strict", "64", "rtl"), Cell("swiotlb", "64", "rtl")


class TestRtl(OnRtl.TestCase):
    """A few programs on the RTL."""

    settings = settings(max_examples=2, stateful_step_count=20, **SETTINGS)

    @classmethod
    def setUpClass(cls):
        OnRtl.machines = Machines()

    @classmethod
    def tearDownClass(cls):
        OnRtl.machines.close()


class OnMoreRtl(OnRtl):
    """Also on a coherent one."""

    cells = *OnRtl.cells, Cell("strict", "coherent", "rtl"), Cell("deferred", "128", "rtl")


@pytest.mark.deep
class TestDeepRtl(OnMoreRtl.TestCase):
    """Many programs on the RTL."""

    settings = settings(max_examples=40, stateful_step_count=30, **SETTINGS)
    setUpClass, tearDownClass = TestRtl.setUpClass, TestRtl.tearDownClass
