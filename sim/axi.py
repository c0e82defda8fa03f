"""AXI4 manager and memory for the testbenches of single components."""

from collections import deque
from random import Random

from rtl.axi.signature import CACHE_WRITE_BACK, Burst, Resp

from .streams import get, put

__all__ = ["Manager", "Memory", "beat_addresses"]


def beat_addresses(addr: int, length: int, size: int, burst: Burst) -> list[int]:
    """Byte address of each beat, aligned to the beat except the first.

    ``length`` is AxLEN (beats - 1), ``size`` is AxSIZE (log2 of bytes a beat).
    """
    step, beats = 1 << size, length + 1
    if burst is Burst.FIXED:
        return [addr] * beats
    aligned = addr & -step
    if burst is Burst.WRAP:
        low = addr // (step * beats) * (step * beats)
        return [low + (aligned - low + i * step) % (step * beats) for i in range(beats)]
    return [addr, *(aligned + i * step for i in range(1, beats))]


class Memory:
    """AXI4 subordinate over ``size`` bytes from ``base``, at most one beat a cycle each way.

    The first beat of a read comes ``latency`` cycles after its address is taken, B as many after
    the last beat of data. Responses of one ID stay in order; with ``reorder``, those of different
    IDs do not. Accesses outside the memory are answered DECERR.

    Parameters
    ----------
    bus : interface of ``axi.Signature``
        Port to serve.
    base, size : int
        Range, in bytes.
    latency : int, at least 1
        Cycles.
    stall : float
        Probability, each cycle and channel, of not being ready or not giving a response.
    reorder : bool
        Whether responses of different IDs pass each other at random.
    seed : int
        For ``stall`` and ``reorder``.
    most : int
        Reads that are taken before the first of them is answered.
    exclusive : bool
        Whether there is a monitor for each ID: an exclusive read is answered EXOKAY, and so is the
        exclusive write behind it, unless another write came between: then OKAY, and nothing is
        written. Without, exclusive accesses are ordinary ones.
    one_way : "", "r" or "w"
        Refuse addresses and data of writes while a read is outstanding ("r"), or addresses of reads
        while a write is ("w"). Nothing in the protocol forbids that.

    Attributes
    ----------
    silent : set of int
        IDs that get no response for now; those of others pass them.
    data : bytearray
        Contents. Filled from ``image`` at the start of each run.
    image : bytearray
        Contents at the start of the run.
    log : list of (cycle, "r" or "w", address, beats, payload)
        Every burst whose address was taken, in order.
    """

    def __init__(self, bus, *, base: int = 0, size: int = 1 << 16, latency: int = 1,
                 stall: float = 0.0, reorder: bool = False, seed: int = 0, one_way: str = "",
                 most: int = 1 << 16, exclusive: bool = False):
        self._bus, self.base, self.image, self._one_way = bus, base, bytearray(size), one_way
        self._latency, self._stall, self._reorder, self._seed = latency, stall, reorder, seed
        self._failures, self.silent, self._most = [], set(), most
        self._exclusive, self._held = exclusive, {}
        self.data, self.log, self.cycle = bytearray(size), [], 0

    def fail(self, low: int, high: int, access: str = "rw", resp: Resp = Resp.SLVERR, *,
             refused: bool = False):
        """Answer beats in ``[low, high)`` with ``resp``; a write there changes nothing.

        With ``refused``, as an IOMMU does it.
        """
        answer = {"resp": resp, **({"refused": 1} if refused else {})}
        self._failures.append((low, high, access, answer))

    def heal(self):
        """Forget all of :meth:`fail`."""
        self._failures.clear()

    def read(self, addr: int, size: int) -> bytes:
        """Contents, by back door."""
        return bytes(self.data[addr - self.base:addr - self.base + size])

    def write(self, addr: int, data: bytes):
        """Set contents, by back door, now and at the start of each run."""
        for memory in (self.data, self.image):
            memory[addr - self.base:addr - self.base + len(data)] = data

    def attach(self, bench):
        """Serve the port while ``bench`` runs. Returns itself."""
        bench.background(self._serve)
        return self

    def _answer(self, addr: int, step: int, access: str) -> dict[str, int | Resp]:
        """Fields of the response to an access."""
        if not self.base <= addr < self.base + len(self.data):
            return {"resp": Resp.DECERR}
        low = addr & -step
        return next((answer for lo, hi, kind, answer in self._failures
                     if access in kind and low < hi and low + step > lo), {"resp": Resp.OKAY})

    async def _serve(self, ctx):
        bus, random = self._bus, Random(self._seed)
        width = len(bus.w.p.strb)
        self.data, self.log, self.cycle = bytearray(self.image), [], 0
        reads, writes, beats, replies = [], deque(), deque(), []
        self._held = {}                     # first and past-the-end byte of each ID's location
        r_beat = b_beat = None

        def flows():
            return random.random() >= self._stall

        def pick(queue):
            """Index of a due entry that may go next: the oldest, or the oldest of any ID."""
            seen, due = set(), []
            for index, (when, axid, *_) in enumerate(queue):
                if axid in self.silent:
                    continue
                if axid not in seen and when <= self.cycle + 1:
                    due.append(index)
                seen.add(axid)
                if not self._reorder:
                    break
            return random.choice(due) if due else None

        ar_ready = aw_ready = w_ready = 0
        while True:
            ar_ready, aw_ready, w_ready = int(flows()), int(flows()), int(flows())
            if self._one_way == "r" and (reads or r_beat):
                aw_ready = w_ready = 0
            elif self._one_way == "w" and (writes or beats or replies or b_beat):
                ar_ready = 0
            if len(reads) >= self._most:
                ar_ready = 0
            ctx.set(bus.ar.ready, ar_ready)
            ctx.set(bus.aw.ready, aw_ready)
            ctx.set(bus.w.ready, w_ready)
            if r_beat is None and flows() and (index := pick(reads)) is not None:
                _, axid, queue, lock = reads[index]
                addr, step = queue.popleft()
                answer, low = self._answer(addr, step, "r"), addr & -width
                outside = answer["resp"] is Resp.DECERR
                word = bytes(width) if outside else self.read(low, width)
                if lock and answer["resp"] is Resp.OKAY:
                    answer = {"resp": Resp.EXOKAY}
                r_beat = {"id": axid, "data": int.from_bytes(word, "little"),
                          "last": not queue, **answer}
                if not queue:
                    del reads[index]
                ctx.set(bus.r.payload, r_beat)
            ctx.set(bus.r.valid, r_beat is not None)
            if b_beat is None and flows() and (index := pick(replies)) is not None:
                _, axid, answer = replies.pop(index)
                b_beat = {"id": axid, **answer}
                ctx.set(bus.b.payload, b_beat)
            ctx.set(bus.b.valid, b_beat is not None)

            _, _, arv, arp, awv, awp, wv, wp, r_ready, b_ready = await ctx.tick().sample(
                bus.ar.valid, bus.ar.payload, bus.aw.valid, bus.aw.payload, bus.w.valid,
                bus.w.payload, bus.r.ready, bus.b.ready)
            self.cycle += 1
            if r_beat is not None and r_ready:
                r_beat = None
            if b_beat is not None and b_ready:
                b_beat = None
            if arv and ar_ready:
                self.log.append((self.cycle, "r", arp.addr, arp.len + 1, arp))
                steps = [(a, 1 << arp.size) for a in
                         beat_addresses(arp.addr, arp.len, arp.size, arp.burst)]
                lock = self._exclusive and arp.lock
                if lock:
                    self._held[arp.id] = arp.addr, arp.addr + (arp.len + 1 << arp.size)
                reads.append((self.cycle + self._latency, arp.id, deque(steps), lock))
            if awv and aw_ready:
                self.log.append((self.cycle, "w", awp.addr, awp.len + 1, awp))
                writes.append(awp)
            if wv and w_ready:
                beats.append(wp)
            self._commit(writes, beats, replies, width)

    def _commit(self, writes, beats, replies, width):
        """Carry out each burst whose data is complete."""
        while writes and len(beats) > writes[0].len:
            aw = writes.popleft()
            steps = beat_addresses(aw.addr, aw.len, aw.size, aw.burst)
            lock = self._exclusive and aw.lock
            missed = lock and self._held.get(aw.id) != (aw.addr, aw.addr + (aw.len + 1 << aw.size))
            worst = {"resp": Resp.EXOKAY if lock and not missed else Resp.OKAY}
            if not missed:
                self._held = {axid: (low, high) for axid, (low, high) in self._held.items()
                              if not any(low < at + (1 << aw.size) and at < high for at in steps)}
            for i, addr in enumerate(steps):
                beat, answer = beats.popleft(), self._answer(addr, 1 << aw.size, "w")
                assert beat.last == (i == aw.len), f"WLAST wrong in burst at {aw.addr:#x}"
                if answer["resp"] is not Resp.OKAY:
                    worst = answer
                if missed or answer["resp"] is not Resp.OKAY:
                    continue
                low = (addr & -width) - self.base
                word = beat.data.to_bytes(width, "little")
                for lane in range(width):
                    if beat.strb >> lane & 1:
                        self.data[low + lane] = word[lane]
            replies.append((self.cycle + self._latency, aw.id, worst))


class Manager:
    """Issue one burst at a time on ``bus`` from the testbench that owns ``ctx``."""

    def __init__(self, ctx, bus, **attributes):
        self._ctx, self._bus = ctx, bus
        self._width = len(bus.w.p.strb)
        self._attributes = {"burst": Burst.INCR, "cache": CACHE_WRITE_BACK, **attributes}

    def _address(self, addr: int, beats: int, attributes) -> dict:
        return {"addr": addr, "len": beats - 1, "size": self._width.bit_length() - 1,
                **self._attributes, **attributes}

    async def read(self, addr: int, beats: int = 1, **attributes) -> tuple[list[int], list[Resp]]:
        """Read one burst; return data and response of each beat."""
        await put(self._ctx, self._bus.ar, self._address(addr, beats, attributes))
        got = [await get(self._ctx, self._bus.r) for _ in range(beats)]
        assert [beat.last for beat in got] == [0] * (beats - 1) + [1]
        return [beat.data for beat in got], [beat.resp for beat in got]

    async def write(self, addr: int, data: list[int], strb: list[int] | None = None,
                    **attributes) -> Resp:
        """Write one burst of the words ``data``; return its response."""
        strb = strb or [(1 << self._width) - 1] * len(data)
        await put(self._ctx, self._bus.aw, self._address(addr, len(data), attributes))
        for i, (word, lanes) in enumerate(zip(data, strb, strict=True)):
            await put(self._ctx, self._bus.w,
                      {"data": word, "strb": lanes, "last": i == len(data) - 1})
        return (await get(self._ctx, self._bus.b)).resp
