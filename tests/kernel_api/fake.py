"""A machine of flat memory and just enough of three devices, to run drivers on in microseconds.

It is written apart from `kernel_api` and from the golden model, and shares only `rtl.spec` with
them. Where the platform is not coherent there is a cache of unlimited size, so that whatever is not
cleaned or invalidated shows.
"""

from rtl.spec.cache_regs import CACHE_REGISTERS, CacheCommand, CacheMode
from rtl.spec.platform import (
    CACHE_BASE,
    CDMA_BASE,
    IOMMU_BASE,
    WINDOW_BYTES,
    BusError,
    Irq,
    Platform,
)
from tests.kernel_api.fake_cdma import FakeCdma
from tests.kernel_api.fake_iommu import FakeIommu

PAGE = 4096
#: Nobody may count on zeros: this looks like page-table entries.
POWER_ON = (0x8_0000 << 10 | 0xDF).to_bytes(8, "little") * (PAGE // 8)


class Words:
    """Registers as stored words; a subclass gives them behaviour."""

    def __init__(self, regmap):
        self.regmap = regmap
        self.words = {register.offset: register.reset for register in regmap}
        self.at = {register.name: register.offset for register in regmap}

    def get(self, name):
        return self.words[self.at[name]]

    def put(self, name, value):
        self.words[self.at[name]] = value

    def field(self, name, field):
        return self.regmap[name][field].get(self.get(name))

    def set(self, name, **fields):
        self.put(name, self.regmap[name].pack(fields, self.get(name)))

    def wide(self, name):
        return self.get(name) | self.get(f"{name}_msb") << 32

    def read(self, offset):
        return self.words.get(offset, 0)

    def write(self, offset, value):
        self.words[offset] = value


class FakeCache(Words):
    """The cache and its maintenance registers."""

    def __init__(self, machine):
        super().__init__(CACHE_REGISTERS)
        self.machine, self.line = machine, machine.platform.line_bytes
        self.lines = {}                     # line address -> [bytes, dirty]
        self.operations = []
        self.stuck = False
        self.results = self.most = 0        # of the queue: now, and at most
        self.set("cap", version=1, line_bytes_log2=self.line.bit_length() - 1)

    def write(self, offset, value):
        if offset == self.at["status"]:
            self.put("status", self.get("status") & ~value)
            return
        super().write(offset, value)
        if offset == self.at["result"]:
            self.results -= value & 1
            self.set("result", valid=self.results > 0)
        if offset == self.at["cmd"] and not self.stuck:
            self.results += 1
            self.most = max(self.most, self.results)
            self.set("result", valid=1)
            self.carry_out(CacheCommand(self.field("cmd", "mode")))
        if offset == self.at["ctl"] and value & 1 and not self.stuck:
            self.set("ctl", enable=0)
            self.carry_out(CacheMode(self.field("ctl", "mode")))

    def carry_out(self, mode):
        start, end = self.wide("start"), self.wide("end")
        self.operations.append((mode, start, end))
        for at in [at for at in self.lines if start <= at < end]:
            data, dirty = self.lines[at]
            if dirty and mode is not CacheMode.MAKE_INVALIDATE:
                self.machine.bus_write(at, bytes(data))
            self.lines[at][1] = False
            if mode is not CacheMode.CLEAN_SHARED:
                del self.lines[at]

    def line_at(self, addr):
        at = addr & -self.line
        if at not in self.lines:
            self.lines[at] = [bytearray(self.machine.bus_read(at, self.line)), False]
        return self.lines[at]

    def evict(self, addr):
        """What a full cache might do at any time."""
        data, dirty = self.lines.pop(addr & -self.line)
        if dirty:
            self.machine.bus_write(addr & -self.line, bytes(data))

    @property
    def irq(self):
        return bool(self.get("status") & self.get("irq_en"))


class FakeMachine:
    """A `kernel_api.core.machine.Machine`."""

    def __init__(self, *, levels=(1, 2, 3), **platform):
        self.platform = Platform(**platform)
        self.pages = {}
        self._cycles = 0
        self._events = []
        self._handler, self._enabled, self._inside = None, 0, False
        self.extra_lines = 0                # lines that tests hold high
        self.broken = []                    # ranges that answer SLVERR to the bus
        self.cache = FakeCache(self)
        self.iommu = FakeIommu(self, levels)
        self.cdma = FakeCdma(self)
        self.windows = {CACHE_BASE: self.cache, IOMMU_BASE: self.iommu, CDMA_BASE: self.cdma}

    # Memory behind the cache

    def _pieces(self, addr, size):
        base, top = self.platform.memory_base, self.platform.memory_base + self.platform.memory_size
        if not base <= addr <= addr + size <= top:
            raise BusError(addr, "DECERR")
        if any(low < addr + size and addr < high for low, high in self.broken):
            raise BusError(addr, "SLVERR")
        while size:
            count = min(size, PAGE - addr % PAGE)
            yield self.pages.setdefault(addr // PAGE, bytearray(POWER_ON)), addr % PAGE, count
            addr, size = addr + count, size - count

    def bus_read(self, addr, size):
        return b"".join(bytes(page[at:at + count]) for page, at, count in self._pieces(addr, size))

    def bus_write(self, addr, data):
        done = 0
        for page, at, count in self._pieces(addr, len(data)):
            page[at:at + count] = data[done:done + count]
            done += count

    # Time and interrupts

    @property
    def cycles(self):
        return self._cycles

    def later(self, delay, action):
        self._events.append((self._cycles + delay, action))

    def _pass(self, cycles=1):
        self._cycles += cycles
        self._run_events()
        self._interrupt()

    def _run_events(self):
        for event in [event for event in self._events if event[0] <= self._cycles]:
            self._events.remove(event)
            event[1]()

    @property
    def lines(self):
        return (self.extra_lines | self.iommu.irqs | bool(self.cdma.irq) << Irq.CDMA
                | self.cache.irq << Irq.CACHE)

    def _interrupt(self):
        if self._inside or self._handler is None:
            return
        self._inside = True
        try:
            while lines := self.lines & self._enabled:
                self._handler(lines)
        finally:
            self._inside = False

    def wait(self, cycles):
        end = self._cycles + cycles
        while self._cycles < end and not self.lines & self._enabled:
            self._cycles = min([end, *(at for at, _ in self._events if at > self._cycles)])
            self._run_events()
        self._interrupt()

    def barrier(self):
        self._pass(0)

    def on_interrupt(self, handler):
        self._handler = handler

    def enable_interrupts(self, lines):
        self._enabled = lines

    # Accesses

    def _window(self, addr):
        try:
            return self.windows[addr & -WINDOW_BYTES], addr % WINDOW_BYTES
        except KeyError:
            raise BusError(addr, "DECERR") from None

    def readl(self, addr):
        window, offset = self._window(addr)
        value = window.read(offset)
        self._pass()
        return value

    def writel(self, value, addr):
        assert 0 <= value < 1 << 32
        window, offset = self._window(addr)
        window.write(offset, value)
        self._pass()

    def readq(self, addr):
        return self.readl(addr) | self.readl(addr + 4) << 32

    def writeq(self, value, addr):
        self.writel(value >> 32, addr + 4)
        self.writel(value & 0xFFFF_FFFF, addr)

    def load(self, addr, size, *, cached=True):
        assert type(addr) is int
        if not cached or self.platform.coherent:
            data = self.bus_read(addr, size)
        else:
            data = bytes(self.cache.line_at(at)[0][at % self.cache.line]
                         for at in range(addr, addr + size))
        self._pass()
        return data

    def store(self, addr, data, *, cached=True):
        assert type(addr) is int
        if not cached or self.platform.coherent:
            self.bus_write(addr, data)
        else:
            line = self.cache.line
            for at in range(addr & -line, addr + len(data), line):
                entry = self.cache.line_at(at)
                low, high = max(at, addr), min(at + line, addr + len(data))
                entry[0][low - at:high - at] = data[low - addr:high - addr]
                entry[1] = True
        self._pass()
