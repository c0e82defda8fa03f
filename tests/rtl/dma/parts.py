"""What stands around a single part of the engine in its tests."""

from collections import deque
from random import Random

from amaranth.back import rtlil
from amaranth.hdl import Module

from rtl.axi.signature import Resp


def pages(addr: int, size: int, page: int, bus: int) -> list[dict]:
    """Bursts that cover ``size`` bytes from ``addr``, byte by byte: one for each page touched."""
    touched: dict[int, list[int]] = {}
    for at in range(addr, addr + size):
        touched.setdefault(at // page, []).append(at)
    cut = list(touched.values())
    return [{"addr": part[0], "end": part[-1] % page, "len": part[-1] // bus - part[0] // bus,
             "first": k == 0, "last": k == len(cut) - 1} for k, part in enumerate(cut)]


def place(src: int, dst: int, size: int, bus: int) -> dict:
    """How the beats of a copy become rows, from how many beats hold how many of the bytes."""
    rotate = (dst - src) % bus
    # In the first beat, are there bytes of the first row? In the last, of the last row alone?
    return {"rotate": rotate, "primes": src % bus + rotate >= bus,
            "spills": (src + size - 1) % bus + rotate >= bus}


class Reads:
    """Answer the reads of a ``ReadSignature``: ``answer(addr)`` gives data and response.

    ``log`` has address and beats of each burst; ``most`` is how many were outstanding at once.
    """

    def __init__(self, port, answer, *, latency: int = 1, stall: float = 0.0, seed: int = 0):
        self.port, self.answer = port, answer
        self.latency, self.stall, self.seed = latency, stall, seed
        self.log, self.most = [], 0

    async def serve(self, ctx):
        port, random = self.port, Random(self.seed)
        width = len(port.r.p.data) // 8
        due, cycle, outstanding = deque(), 0, 0
        self.log, self.most = [], 0
        while True:
            ready = random.random() >= self.stall
            ctx.set(port.ar.ready, ready)
            beat = bool(due) and due[0][0] <= cycle and random.random() >= self.stall
            if beat:
                _, addr, last = due.popleft()
                word, resp = self.answer(addr)
                ctx.set(port.r.payload, {"data": word, "resp": resp, "last": last})
                outstanding -= last
            ctx.set(port.r.valid, beat)
            _, _, valid, ar = await ctx.tick().sample(port.ar.valid, port.ar.payload)
            cycle += 1
            if valid and ready:
                self.log.append((ar.addr, ar.len + 1))
                outstanding += 1
                self.most = max(self.most, outstanding)
                due.extend((cycle + self.latency - 1, ar.addr + k * width, k == ar.len)
                           for k in range(ar.len + 1))


class Writes:
    """Take the writes of a ``WriteSignature`` into ``data`` (address to byte).

    ``answer(addr)`` gives the response of a burst. ``log`` has address, beats and strobes of each;
    ``most`` is how many were outstanding at once.
    """

    def __init__(self, port, answer=lambda addr: Resp.OKAY, *, latency: int = 1,
                 stall: float = 0.0, seed: int = 0):
        self.port, self.answer = port, answer
        self.latency, self.stall, self.seed = latency, stall, seed
        self.data, self.log, self.most = {}, [], 0

    async def serve(self, ctx):
        port, random = self.port, Random(self.seed)
        bursts, beats, due, cycle, outstanding = deque(), [], deque(), 0, 0
        self.data, self.log, self.most = {}, [], 0
        while True:
            aw_ready, w_ready = (random.random() >= self.stall for _ in range(2))
            ctx.set(port.aw.ready, aw_ready)
            ctx.set(port.w.ready, w_ready)
            answer = bool(due) and due[0][0] <= cycle and random.random() >= self.stall
            if answer:
                ctx.set(port.b.payload, {"resp": due.popleft()[1]})
                outstanding -= 1
            ctx.set(port.b.valid, answer)
            _, _, av, aw, wv, w = await ctx.tick().sample(
                port.aw.valid, port.aw.payload, port.w.valid, port.w.payload)
            cycle += 1
            if av and aw_ready:
                bursts.append(aw)
                outstanding += 1
                self.most = max(self.most, outstanding)
            if wv and w_ready:
                beats.append(w)
            while bursts and len(beats) > bursts[0].len:
                aw = bursts.popleft()
                mine, beats = beats[:aw.len + 1], beats[aw.len + 1:]
                assert [beat.last for beat in mine] == [0] * aw.len + [1]
                self._store(aw, mine)
                due.append((cycle + self.latency - 1, self.answer(aw.addr)))

    def _store(self, aw, mine):
        count, width = 0, len(self.port.w.p.strb)
        for k, beat in enumerate(mine):
            for lane in range(width):
                if beat.strb >> lane & 1:
                    count += 1
                    self.data[aw.addr + k * width + lane] = beat.data >> 8 * lane & 0xFF
        self.log.append((aw.addr, aw.len + 1, count))


def netlist(dut):
    """Convert a part whose ports include constants, which a top must not have."""
    top = Module()
    top.submodules.dut = dut
    rtlil.convert(top, ports=[])
