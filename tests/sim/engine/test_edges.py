"""Clocked cells that feed each other see what was there before the edge, in whatever order."""

from itertools import pairwise

import pytest
from amaranth.hdl import *
from amaranth.lib import memory

from tests.sim.engine.compare import clocked, same

DOMAINS = ("first", "second")


def design(*domains):
    """Return a module with a counter of three bits in the first domain."""
    m = Module()
    for name in domains:
        m.domains += ClockDomain(name, reset_less=True)
    count = Signal(3)
    m.d[domains[0]] += count.eq(count + 1)
    return m, count


def store(m, name, init):
    m.submodules[name] = made = memory.Memory(shape=3, depth=8, init=init)
    return made


def run(make, m, domains, *values):
    """Return the values as they are after each of 11 edges, which all clocks have together."""
    waited = "sync" if "sync" in domains else domains[0]

    async def testbench(ctx, seen):
        for _ in range(11):
            await ctx.tick(waited)
            seen.append(tuple(map(ctx.get, values)))

    return clocked(make, m, testbench, domains=domains)


@pytest.mark.parametrize("source", ["read port", "read port of another clock",
                                    "register of another clock"])
@pytest.mark.parametrize("driven", ["data", "addr", "en"])
@pytest.mark.parametrize("domains", [DOMAINS, DOMAINS[::-1]], ids=lambda names: names[0])
def test_inputs_of_a_write_port(source, driven, domains):
    def scenario(make):
        m, count = design(*domains)
        rows = [5, 2, 7, 1, 6, 3, 0, 4]
        read = store(m, "shown", rows).read_port(domain=domains[0])
        target = store(m, "target", [0] * 8)
        write = target.write_port(domain=domains[source != "read port"], granularity=1)
        m.d.comb += [read.addr.eq(count), write.addr.eq(count), write.data.eq(count + 3),
                     write.en.eq(~0)]
        m.d.comb += getattr(write, driven).eq(count if source[:3] == "reg" else read.data)
        return run(make, m, domains, *target.data)

    assert len(set(same(scenario))) > 2


def test_the_last_of_two_write_ports_wins():
    """Although the first one changes the row at each edge, and what the last one does stays."""
    def scenario(make):
        m, count = design("sync")
        rows = store(m, "rows", [0] * 8)
        early, late = (rows.write_port(granularity=1) for _ in range(2))
        m.d.comb += [early.en.eq(0b111), early.data.eq(count), late.en.eq(0b001), late.data.eq(1)]
        return run(make, m, ["sync"], *rows.data)

    assert [seen[0] for seen in same(scenario)][:4] == [1, 1, 3, 3]


@pytest.mark.parametrize("domains", [DOMAINS, DOMAINS[::-1]], ids=lambda names: names[0])
def test_read_port_that_another_one_addresses(domains):
    def scenario(make):
        m, count = design(*domains)
        one, two = (store(m, name, [5, 2, 7, 1, 6, 3, 0, 4]) for name in domains)
        ahead = one.read_port(domain=domains[0])
        behind = two.read_port(domain=domains[1])
        m.d.comb += [ahead.addr.eq(count), behind.addr.eq(ahead.data)]
        return run(make, m, domains, ahead.data, behind.data)

    assert len(set(same(scenario))) > 4


def test_many_read_ports_that_address_each_other():
    """More than the engine takes care of at a time, which is 64."""
    def scenario(make):
        m, count = design("sync")
        rows = store(m, "rows", [1, 2, 3, 4, 5, 6, 7, 0])
        ports = [rows.read_port() for _ in range(140)]
        m.d.comb += ports[0].addr.eq(count)
        m.d.comb += [behind.addr.eq(ahead.data) for ahead, behind in pairwise(ports)]
        return run(make, m, ["sync"], *(port.data for port in ports[60:70]))

    same(scenario)


@pytest.mark.parametrize("domains", [("sync", "apart"), ("apart", "sync")], ids=lambda n: n[0])
def test_asynchronous_reset_that_ends_at_an_edge(domains):
    """What it resets still holds at that edge, whichever is updated first."""
    def scenario(make):
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        m.domains.apart = apart = ClockDomain(async_reset=True)
        count, ahead, behind, reset = Signal(3), Signal(3), Signal(3), apart.rst
        statements = {"sync": [count.eq(count + 1), reset.eq(count[1])],
                      "apart": [ahead.eq(ahead + 1), behind.eq(ahead)]}
        for name in domains:
            m.d[name] += statements[name]
        return run(make, m, domains, count, reset, ahead, behind)

    assert len(set(same(scenario))) > 4
