"""The cache: what it holds, what memory holds, and what it counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl.spec.cache_regs import CACHE_REGISTERS, CacheEdge, CacheMode
from rtl.spec.platform import BusError
from sim.golden.bus import CoherentMemory
from sim.golden.cache import Cache
from sim.golden.memory import Memory

BASE = 0x8000_0000
LINE, WAYS, SETS = 64, 2, 4
STRIDE = LINE * SETS                    # to the next line of the same set
COUNTERS = ("read_hits", "read_misses", "write_hits", "write_misses", "evictions", "cleaned",
            "invalidated")


class Cached:
    def __init__(self, **geometry):
        self.memory = Memory(BASE, 0x10000)
        self.cache = Cache(self.memory, **{"size_bytes": LINE * WAYS * SETS, "ways": WAYS,
                                           "line_bytes": LINE, **geometry})

    def read(self, name):
        return self.cache.read(CACHE_REGISTERS[name].offset)

    def write(self, name, value):
        self.cache.write(CACHE_REGISTERS[name].offset, value)

    def maintain(self, mode, start=0, end=0, whole=0):
        for name, addr in ("start", start), ("end", end):
            self.write(f"{name}_msb", addr >> 32)
            self.write(name, addr & 0xFFFF_FFFF)
        self.write("ctl", 1 | mode << 1 | whole << 3)
        assert self.read("ctl") == mode << 1 | whole << 3          # done

    def push(self, mode, start=0, end=0, whole=0, **fields):
        for name, addr in ("start", start), ("end", end):
            self.write(f"{name}_msb", addr >> 32)
            self.write(name, addr & 0xFFFF_FFFF)
        self.write("cmd", CACHE_REGISTERS["cmd"].pack({"mode": mode, "whole": whole, **fields}))

    def counts(self):
        return {name: self.read(name) for name in COUNTERS if self.read(name)}

    def state(self, addr):
        valid, dirty, _ = self.cache.line(addr)
        return "dirty" if dirty else "clean" if valid else "absent"


@pytest.fixture
def cached():
    return Cached()


def test_geometry(cached):
    assert cached.read("cap") == 1 | 6 << 8 | 2 << 12 | 2 << 16 | 4 << 24 | 4 << 28
    assert (Cached(size_bytes=16384, ways=4, misses=1, commands=8).read("cap")
            == 1 | 6 << 8 | 4 << 12 | 6 << 16 | 1 << 24 | 8 << 28)
    assert cached.cache.read(0x14) == cached.cache.read(0x100) == 0


def test_hits_misses_and_write_back(cached):
    assert cached.cache.load(BASE + 4, 4) == bytes(4)
    cached.cache.store(BASE + 8, b"abc")
    assert cached.cache.load(BASE + 8, 3) == b"abc"
    assert cached.memory.peek(BASE + 8, 3) == bytes(3)
    cached.cache.store(BASE + STRIDE, b"d")
    assert cached.counts() == dict(read_hits=1, read_misses=1, write_hits=1, write_misses=1)
    cached.cache.load(BASE + 2 * STRIDE, 1)             # the least recently used is BASE
    assert [cached.state(BASE + n * STRIDE) for n in range(3)] == ["absent", "dirty", "clean"]
    assert cached.memory.peek(BASE + 8, 3) == b"abc"
    assert cached.read("evictions") == 1
    cached.cache.load(BASE, 1)                          # evicts BASE + STRIDE
    cached.cache.load(BASE + STRIDE, 1)                 # evicts a clean line: no write-back
    assert cached.read("evictions") == 2


def test_stale_line_reads_stale(cached):
    cached.cache.load(BASE, 1)
    cached.memory.write(BASE, b"device")
    assert cached.cache.load(BASE, 6) == bytes(6)
    cached.maintain(CacheMode.CLEAN_SHARED, BASE, BASE + 64)
    assert cached.cache.load(BASE, 6) == bytes(6)       # cleaning is not enough
    cached.maintain(CacheMode.MAKE_INVALIDATE, BASE, BASE + 64)
    assert cached.cache.load(BASE, 6) == b"device"


def test_dirty_line_hides_and_then_overwrites_what_a_device_wrote(cached):
    cached.cache.store(BASE, b"cpu")
    cached.memory.write(BASE, b"device")
    cached.maintain(CacheMode.CLEAN_INVALIDATE, BASE, BASE + 1)
    assert cached.memory.peek(BASE, 6) == b"cpu\0\0\0"


@pytest.mark.parametrize("mode, states, memory, cleaned, invalidated", [
    (CacheMode.CLEAN_SHARED, ["clean"] * 3, b"123", 3, 0),
    (CacheMode.CLEAN_INVALIDATE, ["absent"] * 3, b"123", 3, 3),
    (CacheMode.MAKE_INVALIDATE, ["absent"] * 3, b"1\0" b"3", 2, 3)])
def test_range_with_partial_ends(cached, mode, states, memory, cleaned, invalidated):
    for n in range(5):
        cached.cache.store(BASE + n * LINE + 32, b"01234"[n:n + 1])
    cached.maintain(mode, BASE + LINE + 1, BASE + 3 * LINE + 63)
    assert [cached.state(BASE + n * LINE) for n in range(5)] == ["dirty", *states, "dirty"]
    got = b"".join(cached.memory.peek(BASE + n * LINE + 32, 1) for n in range(5))
    assert got == b"\0" + memory + b"\0"
    assert (cached.read("cleaned"), cached.read("invalidated")) == (cleaned, invalidated)


def test_clean_lines_are_not_written(cached):
    cached.cache.load(BASE, 1)
    cached.memory.inject(BASE, BASE + 64, "w")
    cached.maintain(CacheMode.CLEAN_INVALIDATE, BASE, BASE + 64)
    assert (cached.read("cleaned"), cached.read("invalidated"), cached.read("status")) == (0, 1, 0)


def test_empty_range_within_a_line(cached):
    cached.cache.store(BASE, b"x")
    cached.maintain(CacheMode.CLEAN_SHARED, BASE + 5, BASE + 5)
    assert cached.state(BASE) == "dirty"


@pytest.mark.parametrize("end", [BASE, BASE + 1, BASE + 64, BASE + 0x10000, 1 << 56])
def test_ends(cached, end):
    cached.cache.store(BASE, b"x")
    cached.maintain(CacheMode.CLEAN_SHARED, BASE, end)
    assert cached.state(BASE) == ("dirty" if end == BASE else "clean")


def test_queue(cached):
    """Results come in order; a command begins when there is room for its result."""
    cached.write("irq_en", 0b1000)
    for n in range(9):
        cached.cache.store(BASE + n % 4 * LINE, b"x")
        cached.push(CacheMode.CLEAN_SHARED, BASE, BASE + 4 * LINE, tag=n, notify=n == 1)
    assert cached.read("queue") == 4 and cached.read("status") == 4         # the last was refused
    cached.write("status", 4)
    assert not cached.cache.irq                         # the first result does not notify
    got = []
    while cached.read("result") & 1:
        got.append((cached.read("result") >> 8, cached.read("result_lines")))
        cached.write("result", 0)
        cached.write("result", 1)
        assert cached.cache.irq == (len(got) == 1)
        cached.write("status", 8)
    assert got == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 4), (5, 0), (6, 0), (7, 0)]
    cached.write("result", 1)                           # nothing there
    assert cached.read("queue") == cached.read("result") == cached.read("result_addr") == 0


@pytest.mark.parametrize("edge, refused, states, memory", [
    (CacheEdge.FLUSH, 0, ["absent"] * 3, b"1\0" b"3"),
    (CacheEdge.ROUND_OUT, 0, ["absent"] * 3, b"\0\0\0"),
    (CacheEdge.LEAVE, 0, ["dirty", "absent", "dirty"], b"\0\0\0"),
    (CacheEdge.REFUSE, 1, ["dirty"] * 3, b"\0\0\0")])
def test_edges(cached, edge, refused, states, memory):
    for n in range(3):
        cached.cache.store(BASE + n * LINE + 32, b"123"[n:n + 1])
    cached.push(CacheMode.MAKE_INVALIDATE, BASE + 1, BASE + 3 * LINE - 1, edge=edge)
    assert cached.read("result") == 1 | refused << 1
    assert [cached.state(BASE + n * LINE) for n in range(3)] == states
    assert b"".join(cached.memory.peek(BASE + n * LINE + 32, 1) for n in range(3)) == memory
    cached.write("result", 1)
    cached.push(CacheMode.MAKE_INVALIDATE, BASE, BASE + 3 * LINE, edge=edge)
    assert cached.read("result") == 1 and cached.state(BASE) == "absent"


def test_guard_window(cached):
    assert cached.read("cap2") == 2 and Cached(guards=0).read("cap2") == 0
    for name, value in (("guard1_last_msb", 0), ("guard1_last", BASE + 0x1FFF), ("guard1_msb", 0),
                        ("guard1", BASE + 0x1000 + 0xFFF)):
        cached.write(name, value)
    assert (cached.read("guard1"), cached.read("guard1_last")) == (BASE + 0x1001, BASE + 0x1000)
    for addr, state in ((BASE + 0xFFF, "dirty"), (BASE + 0x1000, "absent"),
                        (BASE + 0x1FFF, "absent"), (BASE + 0x2000, "dirty")):
        cached.cache.load(addr, 1)
        cached.cache.store(addr, b"x")
        assert cached.state(addr) == state
        assert cached.memory.peek(addr, 1) == (b"x" if state == "absent" else b"\0")
    cached.write("guard1", 0)
    cached.cache.store(BASE + 0x1000, b"y")
    assert cached.state(BASE + 0x1000) == "dirty"


def test_first_bad_address(cached):
    for n in range(4):
        cached.cache.store(BASE + n * LINE, b"x")
    cached.memory.inject(BASE + LINE, BASE + 3 * LINE, "w")
    cached.push(CacheMode.CLEAN_INVALIDATE, whole=1, tag=9)
    assert cached.read("result") == 1 | 4 | 9 << 8
    assert cached.read("result_lines") == 2
    assert cached.read("result_addr_msb") << 32 | cached.read("result_addr") == BASE + LINE
    assert [cached.state(BASE + n * LINE) for n in range(4)] == ["absent", "dirty", "dirty",
                                                                "absent"]


def test_whole(cached):
    for n in range(SETS * WAYS):
        cached.cache.store(BASE + n * LINE, b"x")
    cached.maintain(CacheMode.MAKE_INVALIDATE, 5, 0, whole=1)      # START and END do not matter
    assert cached.counts() == dict(write_misses=8, invalidated=8)
    assert cached.memory.image().tobytes() == bytes(0x10000)


@pytest.mark.parametrize("mode, start, end", [(3, 0, 64), (0, 64, 63)])
def test_refused_commands(cached, mode, start, end):
    cached.write("irq_en", 0b011)
    cached.maintain(mode, start, end)
    assert (cached.read("status"), cached.cache.irq) == (4, False)
    cached.write("irq_en", 0xFFFF_FFFF)
    assert (cached.read("irq_en"), cached.cache.irq) == (15, True)
    cached.write("status", 4)
    assert (cached.read("status"), cached.cache.irq) == (0, False)


def test_command_without_enable_does_nothing(cached):
    cached.cache.store(BASE, b"x")
    cached.write("ctl", CacheMode.CLEAN_INVALIDATE << 1 | 8)
    assert (cached.state(BASE), cached.read("ctl")) == ("dirty", 8)


def test_refill_error(cached):
    cached.memory.inject(BASE + LINE + 60, BASE + LINE + 61, "r")
    for access in (lambda: cached.cache.load(BASE + LINE + 54, 3),
                   lambda: cached.cache.load(BASE + LINE + 63, 1)):
        with pytest.raises(BusError, match="SLVERR at 0x80000078"):
            access()                                    # the bus word that failed
    cached.memory.poke(BASE + LINE + 53, b"good")
    assert cached.cache.load(BASE + LINE + 53, 3) == b"goo"
    with pytest.raises(BusError, match="SLVERR at 0x80000040"):
        cached.cache.store(BASE + LINE, b"x")
    assert cached.state(BASE + LINE) == "absent"
    assert (cached.read("status"), cached.read("err_addr")) == (1, BASE + LINE)
    for n in range(2):
        cached.cache.store(BASE + n * STRIDE, b"x")
    with pytest.raises(BusError, match="DECERR"):
        cached.cache.load(0, 1)                         # took the place of BASE, in vain
    assert (cached.state(BASE), cached.memory.peek(BASE, 1)) == ("absent", b"x")
    assert cached.read("err_addr") == BASE + LINE       # the first


def test_write_back_error_keeps_the_line_dirty(cached):
    cached.cache.store(BASE, b"keep")
    cached.cache.store(BASE + LINE, b"other")
    cached.memory.inject(BASE, BASE + LINE, "w")
    cached.maintain(CacheMode.CLEAN_INVALIDATE, BASE, BASE + 2 * LINE)
    assert (cached.state(BASE), cached.state(BASE + LINE)) == ("dirty", "absent")
    assert (cached.read("status"), cached.read("err_addr"), cached.read("cleaned")) == (2, BASE, 1)
    cached.cache.load(BASE + STRIDE, 1)
    cached.memory.poke(BASE + 2 * STRIDE, b"there")
    with pytest.raises(BusError, match="SLVERR"):
        cached.cache.store(BASE + 2 * STRIDE, b"x")     # needs the place of BASE
    assert cached.state(BASE + 2 * STRIDE) == "absent"
    assert cached.memory.peek(BASE + 2 * STRIDE, 5) == b"there"
    assert cached.cache.load(BASE, 4) == b"keep"
    with pytest.raises(BusError, match="SLVERR"):
        cached.cache.load_uncached(BASE, 4)
    with pytest.raises(BusError, match="SLVERR"):
        cached.cache.snoop(BASE, 4, write=True)
    cached.memory.clear_injected()
    cached.maintain(CacheMode.CLEAN_INVALIDATE, BASE, BASE + LINE)
    assert cached.memory.peek(BASE, 4) == b"keep"


def test_a_load_is_served_though_nothing_makes_room(cached):
    """Its word came; only the line is not kept."""
    cached.cache.store(BASE, b"keep")
    cached.cache.load(BASE + STRIDE, 1)
    cached.memory.inject(BASE, BASE + LINE, "w")
    cached.memory.poke(BASE + 2 * STRIDE, b"there")
    assert cached.cache.load(BASE + 2 * STRIDE, 5) == b"there"
    assert (cached.state(BASE), cached.state(BASE + 2 * STRIDE)) == ("dirty", "absent")
    assert (cached.read("status"), cached.read("err_addr")) == (2, BASE)


def test_uncached_accesses_write_back_and_drop(cached):
    cached.cache.store(BASE, b"dirty")
    assert cached.cache.load_uncached(BASE + 1, 3) == b"irt"
    assert cached.state(BASE) == "absent"
    cached.cache.store(BASE, b"DIRTY")
    cached.cache.store_uncached(BASE + 1, b"xxx")
    assert cached.memory.peek(BASE, 5) == b"DxxxY"
    assert cached.state(BASE) == "absent"
    assert cached.counts() == dict(write_misses=2)


def test_snoop(cached):
    cached.cache.store(BASE + 60, b"abcd")
    cached.cache.snoop(BASE + 32, 8, write=False)
    assert (cached.memory.peek(BASE + 60, 4), cached.state(BASE)) == (b"abcd", "clean")
    cached.cache.snoop(BASE + 63, 1, write=True)
    assert cached.state(BASE) == "absent"
    cached.cache.store(BASE, b"efgh")
    cached.cache.snoop(BASE, LINE, write=True)          # the device writes all of it
    assert (cached.memory.peek(BASE, 4), cached.state(BASE)) == (bytes(4), "absent")
    assert (cached.read("snoop_hits"), cached.read("snoop_misses")) == (3, 0)


def test_coherent_device(cached):
    device = CoherentMemory(cached.memory, cached.cache)
    cached.cache.store(BASE + 60, b"ab")
    cached.cache.store(BASE + LINE, b"cd")
    assert device.read(BASE + 60, 6) == b"ab\0\0cd"
    cached.cache.store(BASE + 60, b"AB")
    device.write(BASE + 61, b"xyz12")
    assert cached.cache.load(BASE + 60, 4) == b"Axyz"
    assert cached.cache.load(BASE + LINE, 4) == b"12\0\0"
    cached.cache.store(BASE, b"keep")
    cached.memory.inject(BASE, BASE + LINE, "w")
    with pytest.raises(BusError, match="SLVERR"):
        device.write(BASE + 62, b"wxyz")                # the part in the other line is done
    cached.memory.clear_injected()
    assert cached.cache.load(BASE + 60, 4) + cached.cache.load(BASE + LINE, 2) == b"Axyzyz"


OPERATIONS = st.lists(st.one_of(
    st.tuples(st.just("load"), st.integers(0, 31), st.integers(0, 63)),
    st.tuples(st.just("store"), st.integers(0, 31), st.integers(0, 63)),
    st.tuples(st.just("uncached"), st.integers(0, 31), st.integers(0, 63)),
    st.tuples(st.just("clean"), st.integers(0, 31), st.integers(1, 700)),
    st.tuples(st.just("flush"), st.integers(0, 31), st.integers(1, 700))), max_size=60)


@given(operations=OPERATIONS, ways=st.sampled_from([1, 2, 4]), line=st.sampled_from([16, 64]))
def test_cpu_alone_never_notices_the_cache(operations, ways, line):
    cached = Cached(size_bytes=512, ways=ways, line_bytes=line)
    expected = bytearray(0x1000)
    for count, (what, block, offset) in enumerate(operations):
        addr = block * 64 + offset
        match what:
            case "load":
                assert cached.cache.load(BASE + addr, 1) == expected[addr:addr + 1]
            case "store":
                expected[addr] = count + 1
                cached.cache.store(BASE + addr, bytes([count + 1]))
            case "uncached":
                assert cached.cache.load_uncached(BASE + addr, 1) == expected[addr:addr + 1]
            case "clean":
                cached.maintain(CacheMode.CLEAN_SHARED, BASE + block * 64, BASE + addr)
                assert cached.memory.peek(BASE + block * 64, offset) == (
                    expected[block * 64:addr])
            case "flush":
                cached.maintain(CacheMode.CLEAN_INVALIDATE, BASE + block * 64, BASE + addr)
                assert not cached.cache.line(BASE + block * 64)[0]
    cached.maintain(CacheMode.CLEAN_SHARED, whole=1)
    assert cached.memory.peek(BASE, 0x1000) == expected
