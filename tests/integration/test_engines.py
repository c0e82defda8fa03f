"""The whole system on each engine: random programs, and everything the same at the same cycles."""

import pytest
from amaranth.hdl import MemoryData
from amaranth.hdl._mem import MemoryInstance
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.spec.cache_regs import CACHE_REGISTERS, CacheMode
from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import DdtpMode
from rtl.spec.platform import CACHE_BASE, CDMA_BASE, IOMMU_BASE, MEMORY_BASE, BusError
from sim.engine.hosts.native_host import compiler
from sim.machine import RtlMachine
from tests.sim.engine.compare import changes

AREA = 0x3000           # bytes of memory that programs work on: three times the cache's ways
ROWS = 4096             # memories of up to this many rows are compared row by row
STATUS = CDMA_REGISTERS["sr"]


class Driver:
    """Carries out a program, and notes what software sees and when."""

    def __init__(self, machine):
        self.machine, self.seen = machine, []

    def run(self, program) -> list:
        for name, *arguments in program:
            try:
                self.seen.append(getattr(self, name)(*arguments))
            except BusError as error:
                self.seen.append(str(error))
            self.seen.append(self.machine.cycles)
        return self.seen

    def write(self, base, regmap, name, **fields):
        self.machine.writel(regmap[name].pack(fields), base + regmap[name].offset)

    def memory(self, cycles, jitter, reads):
        self.machine.set_memory("latency", cycles=cycles, jitter=jitter)
        self.machine.set_memory("limit", reads=reads, writes=16)

    def store(self, at, size, cached):
        self.machine.store(MEMORY_BASE + at, bytes((at + 7 * i) % 256 for i in range(size)),
                           cached=cached)

    def load(self, at, size, cached):
        return self.machine.load(MEMORY_BASE + at, size, cached=cached)

    def maintain(self, mode, at, size):
        for name, value in (("start", at), ("end", at + size)):
            self.write(CACHE_BASE, CACHE_REGISTERS, name, addr=MEMORY_BASE + value)
        self.write(CACHE_BASE, CACHE_REGISTERS, "ctl", enable=1, mode=mode)
        self.machine.wait(60)

    def directory(self, mode):
        self.write(IOMMU_BASE, IOMMU_REGISTERS, "ddtp", mode=mode)

    def copy(self, source, target, size):
        """Copy by DMA; an engine that stopped with an error is reset."""
        for name, value in (("sa", source), ("da", target)):
            self.write(CDMA_BASE, CDMA_REGISTERS, name, addr=MEMORY_BASE + value)
        self.write(CDMA_BASE, CDMA_REGISTERS, "btt", bytes=size)
        while not STATUS["idle"].get(status := self.machine.readl(CDMA_BASE + STATUS.offset)):
            self.machine.wait(20)
        if any(STATUS[name].get(status) for name in ("dma_int_err", "dma_slv_err", "dma_dec_err")):
            self.write(CDMA_BASE, CDMA_REGISTERS, "cr", reset=1)
            self.machine.wait(20)
        return status

    def inject(self, at, size, access):
        self.machine.inject(MEMORY_BASE + at, MEMORY_BASE + at + size, access)

    def nowhere(self):
        self.machine.readl(0x1006_0000)

    def wait(self, cycles):
        self.machine.wait(cycles)


places, sizes = st.integers(0, AREA - 600), st.integers(1, 600)
STEPS = st.one_of(
    st.tuples(st.just("memory"), st.integers(1, 20), st.sampled_from([0, 3]), st.integers(1, 4)),
    st.tuples(st.just("store"), places, sizes, st.booleans()),
    st.tuples(st.just("load"), places, sizes, st.booleans()),
    st.tuples(st.just("maintain"), st.sampled_from(CacheMode), places, sizes),
    st.tuples(st.just("directory"), st.sampled_from([DdtpMode.BARE, DdtpMode.OFF])),
    st.tuples(st.just("copy"), places, places, sizes),
    st.tuples(st.just("copy"), places, places, sizes),
    st.tuples(st.just("inject"), places, sizes, st.sampled_from(["r", "w", "rw", ""])),
    st.tuples(st.just("nowhere")),
    st.tuples(st.just("wait"), st.integers(1, 40)))
#: Something of everything, whatever is drawn.
START = [("memory", 5, 3, 2), ("store", 3, 300, True), ("directory", DdtpMode.BARE),
         ("maintain", CacheMode.CLEAN_SHARED, 0, 320), ("copy", 3, 0x1005, 290),
         ("load", 0x1005, 290, True)]


def everything(machine) -> dict:
    """Value of every signal of the design, and of every row of its small memories."""
    found, get = {}, machine._ctx.get
    for fragment, info in machine._simulator._design.fragments.items():
        path = ".".join(info.name)
        for signal, name in info.signal_names.items():
            found[f"{path}.{name}"] = get(signal.as_value() if hasattr(signal, "as_value")
                                          else signal)
        if isinstance(fragment, MemoryInstance):
            data: MemoryData = fragment._data
            if data.depth <= ROWS:
                found[path] = [get(data[row]) for row in range(data.depth)]
    return found


@pytest.fixture(scope="module")
def machine():
    """Make a machine on an engine, elaborated once."""
    made = {}

    def get(engine):
        if engine not in made:
            made[engine] = RtlMachine(engine=engine)
        return made[engine]

    yield get
    for one in made.values():
        one.close()


def compare(get, program, engines):
    results = {}
    for engine in ("pysim", *engines):
        machine = get(engine)
        assert machine.engine == engine
        machine.reset()
        seen = Driver(machine).run(program)
        results[engine] = seen, everything(machine), machine.image().tobytes()
    for engine in engines:
        for one, other in zip(results[engine], results["pysim"], strict=True):
            if one != other and isinstance(one, dict):
                assert {name: (one[name], other[name]) for name in other
                        if one[name] != other[name]} == {}
            assert one == other
    return results["pysim"]


@settings(max_examples=2)
@given(program=st.lists(STEPS, min_size=3, max_size=8))
def test_random_programs(machine, program):
    seen, signals, _ = compare(machine, [*START, *program], ["wasm"])
    assert bytes((3 + 7 * i) % 256 for i in range(290)) in seen     # the first copy was right
    assert len(signals) > 1000


@pytest.mark.deep
@settings(max_examples=60)
@given(program=st.lists(STEPS, min_size=20, max_size=40))
def test_long_random_programs(machine, program):
    compare(machine, program, ["wasm", "native"] if compiler() else ["wasm"])


def test_waveforms(tmp_path):
    """Every change of every variable that both engines list, at its time."""
    shown = {}
    for engine in ("pysim", "wasm"):
        path = tmp_path / f"{engine}.vcd"
        with RtlMachine(engine=engine, vcd=path) as one:
            Driver(one).run([("store", 3, 30, True), ("directory", DdtpMode.BARE),
                             ("maintain", CacheMode.CLEAN_SHARED, 0, 64), ("copy", 3, 0x805, 29),
                             ("load", 0x805, 29, True), ("nowhere",)])
        shown[engine], _ = changes(path.read_text())
    ours, theirs = shown["wasm"], shown["pysim"]
    common = ours.keys() & theirs.keys()
    assert len(common) > 1000
    # Each lists all signals, and the rows of small memories, of which there are two ideas.
    assert not [name for name in ours.keys() ^ theirs.keys() if "(" not in name and "[" not in name]
    assert {name: (ours[name], theirs[name]) for name in common if ours[name] != theirs[name]} == {}
