"""Programs of API calls as data: what they do, and how a legal one is made wrong.

A program is a list of calls, each a tuple of a name and arguments: a method of :class:`Runner`.
Buffers, lists, coherent buffers and pool blocks are known by number.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

__all__ = ["BLOCK", "MUTATIONS", "mutants", "program"]

#: Parts of a buffer that may be lent one by one: the longest line.
BLOCK = ARCH_DMA_MINALIGN


def pattern(value, size):
    """Bytes that tell buffers, places and stores apart."""
    return bytes((value * 37 + index) % 251 for index in range(size))


class MapFailed(Exception):
    """The end of a program."""


class Runner:
    """Does the calls of a program on a kernel."""

    def __init__(self, kernel, device):
        self.kernel, self.device, self.dev = kernel, device, device.dev
        self.seen = []
        self.va, self.size, self.dma, self.dir = {}, {}, {}, {}
        self.sgl, self.segments = {}, {}
        self.pool = dma_pool_create("blocks", self.dev, 64, 64, 0)

    def kmalloc(self, n, size):
        self.va[n], self.size[n] = kmalloc(size, GFP_KERNEL), size
        cpu.store(self.va[n], pattern(n, size))

    def kfree(self, n):
        kfree(self.va[n])

    def map(self, n, direction, *, check=True, va=None):
        va = va or self.va[n]
        if n % 2:
            dma = dma_map_page(self.dev, virt_to_page(va), offset_in_page(va), self.size[n],
                               direction)
        else:
            dma = dma_map_single(self.dev, va, self.size[n], direction)
        if check:
            self.seen.append(dma_mapping_error(self.dev, dma))
        if dma == DMA_MAPPING_ERROR:
            raise MapFailed
        self.dma[n], self.dir[n] = dma, direction

    def unmap(self, n, *, size=0, direction=None, dev=None):
        dma_unmap_single(dev or self.dev, self.dma[n], self.size[n] + size,
                         self.dir[n] if direction is None else direction)

    def sync_cpu(self, n, at, size, *, direction=None):
        dma_sync_single_range_for_cpu(self.dev, self.dma[n], at, size,
                                      self.dir[n] if direction is None else direction)

    def sync_dev(self, n, at, size, *, direction=None):
        dma_sync_single_range_for_device(self.dev, self.dma[n], at, size,
                                         self.dir[n] if direction is None else direction)

    def cpu_read(self, n, at, size):
        self.seen.append(cpu.load(self.va[n] + at, size))

    def cpu_write(self, n, at, size, value):
        cpu.store(self.va[n] + at, pattern(value, size))

    def dev_read(self, n, at, size):
        self.seen.append(self.device.read(self.dma[n] + at, size))

    def dev_write(self, n, at, size, value):
        self.seen.append(self.device.write(self.dma[n] + at, pattern(value, size)))

    # Lists: number, and the numbers of their buffers

    def map_sg(self, n, buffers, direction):
        sgl = self.sgl[n] = [Scatterlist() for _ in buffers]
        sg_init_table(sgl, len(sgl))
        for sg, buffer in zip(sgl, buffers, strict=True):
            sg_set_buf(sg, self.va[buffer], self.size[buffer])
        self.dir[n] = direction
        count = dma_map_sg(self.dev, sgl, len(sgl), direction)
        if not count:
            raise MapFailed
        self.segments[n] = [(sg_dma_address(sg), sg_dma_len(sg)) for sg, _ in
                            for_each_sg(sgl, count)]

    def unmap_sg(self, n, *, nents=0, direction=None):
        dma_unmap_sg(self.dev, self.sgl[n], len(self.sgl[n]) + nents,
                     self.dir[n] if direction is None else direction)

    def sg_sync_cpu(self, n, *, nents=0):
        dma_sync_sg_for_cpu(self.dev, self.sgl[n], len(self.sgl[n]) + nents, self.dir[n])

    def sg_sync_dev(self, n, *, nents=0):
        dma_sync_sg_for_device(self.dev, self.sgl[n], len(self.sgl[n]) + nents, self.dir[n])

    def sg_read(self, n):
        self.seen.append(b"".join(self.device.read(dma, size) for dma, size in self.segments[n]))

    def sg_write(self, n, value):
        data = pattern(value, sum(size for _, size in self.segments[n]))
        for dma, size in self.segments[n]:
            self.device.write(dma, data[:size])
            data = data[size:]

    # Coherent buffers, and blocks of a pool

    def coherent(self, n, size):
        self.size[n] = size
        self.va[n], self.dma[n] = dma_alloc_coherent(self.dev, size, GFP_KERNEL)

    def free_coherent(self, n, *, size=0, va=0, ):
        dma_free_coherent(self.dev, self.size[n] + size, self.va[n] + va, self.dma[n])

    def free_coherent_atomic(self, n):
        with atomic_context():
            self.free_coherent(n)

    def block(self, n):
        self.size[n] = 64
        self.va[n], self.dma[n] = dma_pool_zalloc(self.pool, GFP_KERNEL)

    def free_block(self, n):
        dma_pool_free(self.pool, self.va[n], self.dma[n])

    def barrier(self):
        wmb()

    # What only wrong programs do

    def beyond(self, n):
        self.device.read(self.dma[n] + self.size[n] + 8, 16)

    def physical(self, n):
        self.device.read(DmaAddr(0x5_0000), 16)

    def stack(self, n):
        self.map(n, DMA_TO_DEVICE, va=on_stack(self.size[n]))

    def vmalloc(self, n):
        dma_map_single(self.dev, vmalloc(64), 64, DMA_TO_DEVICE)

    def error(self, n):
        dma_unmap_single(self.dev, DMA_MAPPING_ERROR, 64, DMA_TO_DEVICE)

    def shrink(self, n):
        dma_set_mask(self.dev, DMA_BIT_MASK(24))

    def again(self, n):
        dma_map_single(self.dev, self.va[n], self.size[n], DMA_FROM_DEVICE)

    def unmap_each(self, n):
        for dma, size in self.segments[n]:
            dma_unmap_single(self.dev, dma, size, self.dir[n])

    def list_again(self, n):
        dma_map_sg(self.dev, self.sgl[n], len(self.sgl[n]), self.dir[n])

    def other(self, n):
        self.unmap(n, dev=Device("other", 0x99))


def program(calls):
    """Function ``main`` that does the calls, and returns what was seen."""
    def main(kernel):
        with DeviceEnd(kernel) as device:
            runner = Runner(kernel, device)
            try:
                for name, *arguments in calls:
                    last = arguments[-1:]
                    changes = arguments.pop() if last and isinstance(last[0], dict) else {}
                    getattr(runner, name)(*arguments, **changes)
            except MapFailed:
                return "map failed"
            dma_pool_destroy(runner.pool)
            return runner.seen

    return main


# Mutations: each looks at a call, and at those before and after it, and gives the calls that are to
# stand in its place, or None if there is nothing to make wrong here.

def _same(calls, number):
    """Calls of a buffer, until it is synced or unmapped, with their number among all."""
    for call in calls:
        if call[1:2] == (number,):
            if call[0] in ("sync_cpu", "sync_dev", "unmap"):
                return
            yield call


def _overlaps(one, other):
    return one[2] < other[2] + other[3] and other[2] < one[2] + one[3]


def _no_sync_cpu(before, call, after):
    if call[0] != "sync_cpu":
        return None
    direction = next(c[2] for c in reversed(before) if c[:2] == ("map", call[1]))
    names = ("cpu_read", "cpu_write") if direction == DMA_FROM_DEVICE else ("cpu_write",)
    return [] if any(c[0] in names and _overlaps(c, call) for c in _same(after, call[1])) else None


def _no_sync_dev(before, call, after):
    if call[0] != "sync_dev":
        return None
    stores = [c for c in _same(reversed(before), call[1])
              if c[0] == "cpu_write" and _overlaps(c, call)]
    return [] if any(c[0] == "dev_read" and _overlaps(c, store) for store in stores
                     for c in _same(after, call[1])) else None


def _change(name, **changes):
    """Change arguments of a call."""
    return lambda before, call, after: [(*call, changes)] if call[0] == name else None


def _turn(name):
    """Name another direction than that of the map."""
    def change(before, call, after):
        if call[0] != name:
            return None
        mapped = next(c for c in reversed(before) if c[:2] in (("map", call[1]),
                                                              ("map_sg", call[1])))
        wrong = DMA_FROM_DEVICE if mapped[-1] == DMA_TO_DEVICE else DMA_TO_DEVICE
        bidirectional = mapped[-1] == DMA_BIDIRECTIONAL and name.startswith("sync")
        return None if bidirectional else [(*call, {"direction": wrong})]
    return change


def _add(where, name, *, first=False, **keywords):
    """Put another call of the same buffer behind a call, or before it."""
    def change(before, call, after):
        if call[0] != where:
            return None
        more = (name, call[1], keywords) if keywords else (name, call[1])
        return [more, call] if first else [call, more]
    return change


def _access(mutation, directions):
    """Let the CPU access a buffer behind its map."""
    return lambda before, call, after: [call, mutation(call[1])] if call[0] == "map" \
        and call[2] in directions else None


def _drop(name):
    return lambda before, call, after: [] if call[0] == name else None


def _beyond(before, call, after):
    """Where nothing else is mapped, and the page goes on."""
    if call[0] != "map" or any(c[0] == "map" for c in before):
        return None
    size = next(c[2] for c in before if c[:2] == ("kmalloc", call[1]))
    return [call, ("beyond", call[1])] if 0 < size % 4096 < 4000 else None


def _list_of_several(name, nents):
    def change(before, call, after):
        if call[0] != name:
            return None
        mapped = next(c for c in reversed(before) if c[:2] == ("map_sg", call[1]))
        return [(*call, {"nents": nents})] if len(mapped[2]) > 1 else None
    return change


TO, FROM, BIDI = DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL
#: What is made wrong, and the checks of which one must report it.
MUTATIONS = {
    "no sync for the CPU": (_no_sync_cpu, {"X1", "X2", "X11"}),
    "no sync for the device": (_no_sync_dev, {"X2"}),
    "the CPU writes what the device owns": (
        _access(lambda n: ("cpu_write", n, 0, 1, 9), (TO, FROM, BIDI)), {"X1"}),
    "the CPU reads what the device owns": (
        _access(lambda n: ("cpu_read", n, 0, 1), (FROM,)), {"X1", "X2", "X11"}),
    "no unmap": (_drop("unmap"), {"D26"}),
    "no unmap of a list": (_drop("unmap_sg"), {"D26"}),
    "unmapped twice": (_add("unmap", "unmap"), {"D12"}),
    "wrong size": (_change("unmap", size=1), {"D13"}),
    "wrong direction": (_turn("unmap"), {"D17"}),
    "wrong direction of a list": (_turn("unmap_sg"), {"D17"}),
    "wrong device": (_add("unmap", "other", first=True), {"D12"}),
    "wrong function": (
        lambda before, call, after: [("unmap_each", call[1])] if call[0] == "unmap_sg" else None,
        {"D14"}),
    "wrong nents": (_list_of_several("unmap_sg", -1), {"D16"}),
    "wrong nents for the CPU": (_list_of_several("sg_sync_cpu", -1), {"D25"}),
    "wrong nents for the device": (_list_of_several("sg_sync_dev", -1), {"D25"}),
    "wrong direction for the CPU": (_turn("sync_cpu"), {"D22", "D23"}),
    "wrong direction for the device": (_turn("sync_dev"), {"D22", "D24"}),
    "synced when unmapped": (
        lambda before, call, after: [call, ("sync_cpu", call[1], 0, 1)]
        if call[0] == "unmap" else None, {"D20"}),
    "used by the device when unmapped": (
        lambda before, call, after: [call, ("dev_read", call[1], 0, 1)]
        if call[0] == "unmap" else None, {"X3", "X5"}),
    "beyond the mapping": (_beyond, {"X3", "X5"}),
    "not checked": (_change("map", check=False), {"D18"}),
    "mapped twice": (_add("map", "again"), {"D7", "X4"}),
    "list mapped twice": (_add("map_sg", "list_again"), {"X14"}),
    "on the stack": (_add("kmalloc", "stack"), {"D3"}),
    "not linear": (_add("kmalloc", "vmalloc"), {"D2"}),
    "an error unmapped": (_add("map", "error"), {"D11"}),
    "mask shrunk": (_add("map", "shrink"), {"X10"}),
    "never mapped": (_add("kmalloc", "physical"), {"X3"}),
    "coherent: wrong size": (_change("free_coherent", size=4096), {"D13"}),
    "coherent: wrong address": (_change("free_coherent", va=64), {"D15"}),
    "coherent: not freed": (_drop("free_coherent"), {"D26"}),
    "coherent: freed where nothing may sleep": (
        lambda before, call, after: [("free_coherent_atomic", call[1])]
        if call[0] == "free_coherent" else None, {"X9"}),
    "pool block freed too early": (
        lambda before, call, after: [call, ("dev_write", call[1], 0, 16, 3)]
        if call[0] == "free_block" else None, {"X15"}),
}


def mutants(calls):
    """Each way to make a program wrong: name, calls, checks. The first place of each is taken."""
    for name, (mutate, checks) in MUTATIONS.items():
        for index, call in enumerate(calls):
            changed = mutate(calls[:index], call, calls[index + 1:])
            if changed is not None:
                yield name, [*calls[:index], *changed, *calls[index + 1:]], checks
                break
