"""Random designs of memories that feed each other, in several domains with coincident edges."""

from amaranth.hdl import *
from amaranth.lib import memory

from tests.sim.engine.designs import RandomDesign

#: Period and phase: the edges of most coincide with some of ``sync``, rising or falling.
_CLOCKS = ((1, 0.5), (1, 0.5), (1, 1), (1.5, 0.5), (2, 0.5), (0.5, 0.25), (0.75, 0.2))


class ChainedDesign(RandomDesign):
    """Memories whose ports are wired to what other memories show, and to registers of any domain.

    Parameters
    ----------
    seed : int
        Decides everything.
    size : int
        Number of registers; half as many memories.
    """

    domains = ("sync", "near", "far")

    def _build(self, m, size):
        r = self.random
        self.clocks = {"sync": (1, 0.5), "near": r.choice(_CLOCKS), "far": r.choice(_CLOCKS)}
        for name in self.domains:
            m.domains += ClockDomain(name, clk_edge=r.choice(("pos", "pos", "neg")),
                                     reset_less=name == "far")
        self._apart(m)
        self._clocked = [*self.registers, *self.inputs]
        self._open = []                 # what is to be driven, and by what at random
        for n in range(size // 2 + 2):
            self._store(m, n)
        for n in range(size // 4):
            self._logic(m, n)
        for signal, source in self._open:
            m.d.comb += signal.eq(source())
        for register in self.registers:
            if not register.reset_less and r.random() < 0.3:
                self._register(m, register, "apart")
            else:
                self._register(m, register, self._domain())
                self.steady.append(register)

    def _apart(self, m):
        """Add a domain for registers only, with an asynchronous reset that others drive.

        A testbench that waits for it would sample before logic settles, with pysim.
        """
        m.domains.apart = apart = ClockDomain(async_reset=True)
        m.d[self._domain()] += apart.rst.eq(self._any().any())
        self.clocks["apart"] = self.random.choice(_CLOCKS)

    def _domain(self):
        return self.random.choice(self.domains)

    def _stored(self):
        return self.random.choice(self._clocked)

    def _source(self):
        """Return what drives a port: mostly the plain output of something clocked."""
        return self._stored() if self.random.random() < 0.8 else self.expression(2)

    def _store(self, m, n):
        """Add a memory with several ports."""
        r, domain = self.random, self._domain()
        width, depth = r.choice((3, 4, 8, 16, 70)), r.choice((2, 8, 10))
        store = memory.Memory(shape=unsigned(width), depth=depth,
                              init=[r.getrandbits(width) for _ in range(depth)])
        m.submodules[f"memory{n}"] = store
        self.memories.append(store)
        writes = [store.write_port(domain=domain, granularity=r.choice((None, 1, width)))
                  for _ in range(r.choice((1, 1, 2)))]
        self._reader(m, store, domain, [write for write in writes if r.random() < 0.3])
        if r.random() < 0.5:
            self._reader(m, store, self._domain())
        self._open += [(signal, self._source) for write in writes
                       for signal in (write.addr, write.data, write.en)]
        now = store.read_port(domain="comb")
        self._open.append((now.addr, self._stored))
        self.combinational.append(now.data)

    def _reader(self, m, store, domain, transparent_for=()):
        read, enable = store.read_port(domain=domain, transparent_for=transparent_for), Signal()
        # Amaranth's simulator resets a read port that is not enabled; hardware does not.
        m.d.comb += read.en.eq(enable | ResetSignal(domain, allow_reset_less=True))
        self._open += [(read.addr, self._source), (enable, self._source)]
        self._clocked.append(read.data)
        self.combinational.append(read.data)
