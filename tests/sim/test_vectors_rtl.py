"""Vectors on the RTL: the same answers on each engine, and what it refuses."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from rtl.axi.signature import Resp
from rtl.params import IommuParams
from rtl.spec.iommu_regs import CAPABILITIES
from sim.golden.memory import Memory
from sim.vectors import Step, details, read_file, read_folder, replay, replay_family
from sim.vectors.golden import rebase
from sim.vectors.responder import respond
from sim.vectors.rtl import RtlTarget
from sim.vectors.simulation import Simulation
from tests.sim.test_vectors import folders

BY_HAND = next(read_file(Path(__file__).parent / "by_hand.jsonl"))
#: The smallest build, with the addresses of the scenario.
BUILD = rebase(BY_HAND, IommuParams(phys_bits=56).capabilities)
INCR, WRAP = 1, 2


@pytest.fixture(scope="module")
def target():
    target = RtlTarget()
    yield target
    target.close()


def test_by_hand(target):
    for _ in range(2):                          # the second time after a reset
        outcome = replay(target, BUILD)
        assert outcome.mismatches == []
        assert outcome.checks > 20


def test_messages(target):
    outcome = replay(target, BY_HAND)           # interrupts of both kinds
    assert (outcome.mismatches, outcome.checks) == ([], 32)


#: Families of which a few scenarios are replayed in each run of the tests; the deep run has all.
SAMPLED = ("debug", "hwad", "interrupts", "invalidation", "msi_flat", "nested", "poison")


@pytest.mark.parametrize("deep", [False, pytest.param(True, marks=pytest.mark.deep)])
def test_conforms(target, deep):
    results = [replay_family(target, "by_hand", [BY_HAND])]
    for folder in folders()[:1]:
        for family, scenarios in read_folder(folder):
            first = scenarios[0].capabilities
            some = [item for item in scenarios if item.capabilities == first][:3]
            if deep or family in SAMPLED:
                results.append(replay_family(target, family, scenarios if deep else some))
    assert results[0].scenarios == 1
    assert not [line for result in results for line in details(result)]


def test_by_hand_on_pysim():
    target = RtlTarget(engine="pysim")
    assert replay(target, BUILD).mismatches == []
    target.close()


def test_every_wrong_expectation_is_noticed(target):
    fields = {"reg_expect": "value", "mem_expect": "value", "wsi_expect": "wires",
              "fault_expect": "record"}
    scenario = replace(BUILD, steps=copy.deepcopy(BUILD.steps))
    wrong = set()
    for index, step in enumerate(scenario.steps):
        if step.op == "translate":
            step.expect.ok = not step.expect.ok
        elif step.op in fields:
            old = getattr(step, fields[step.op])
            setattr(step, fields[step.op], [7, 7, 7, 7] if step.op == "fault_expect" else ~old)
        else:
            continue
        wrong.add(index)
    assert wrong == {mismatch.step for mismatch in replay(target, scenario).mismatches}


def test_memory_types(target):
    """AxCACHE towards memory tells them: the device's own is write-back."""
    step = next(step for step in BUILD.steps if step.op == "translate" and step.expect.ok)
    replay(target, BUILD)
    types = {}
    for cache in (0b1111, 0b0011, 0b0000):
        target._simulation.observed = lambda cache=cache: (True, 0x1000, cache, (0, 0))
        types[cache] = target.translate(step).pbmt
    assert types == {0b1111: 0, 0b0011: 1, 0b0000: 2}
    del target._simulation.observed


def test_refusals(target):
    assert target.refuses(BUILD) == ""
    lacking = CAPABILITIES.pack(BUILD.capabilities, ats=1)
    assert "without ats to be" in target.refuses(replace(BUILD, capabilities=lacking))
    assert target.refuses(replace(BUILD, vector_bits=4)) == ""
    assert target.refuses(replace(BUILD, vector_bits=5)) == (
        "Interrupt vectors must be one of 1, 2, 4, 8, 16, not 32")


def test_corrupt_data_is_told_apart(target):
    """A directory that is poisoned: cause 268, on a build whose bus says so."""
    steps = copy.deepcopy(BUILD.steps)
    first = next(n for n, step in enumerate(steps) if step.op == "translate" and step.expect.ok)
    steps[:first] = [step for step in steps[:first] if step.op != "inject"]
    scenario = rebase(replace(BUILD, steps=[
        Step(op="inject", lo=0x8000_0000, hi=0x8100_0000, access="r", kind="corrupt"),
        *steps[:first + 1]]), BUILD.capabilities)
    causes = [step.expect.cause for step in scenario.steps
              if step.op == "translate" and not step.expect.ok]
    assert 268 in causes
    assert replay(target, scenario).mismatches == []


def test_few_simulations_are_kept(monkeypatch):
    made, closed = [], []

    class Fake:
        def __init__(self, params, make):
            made.append(params.phys_bits)
            self.params = params

        def reset(self, memory):
            pass

        def command(self, op, **inputs):
            return 0, False

        def close(self):
            closed.append(self.params.phys_bits)

    monkeypatch.setattr("sim.vectors.rtl.Simulation", Fake)
    target = RtlTarget(engine="pysim")
    for bits in (40, 41, 40, 42, 43, 44, 45, 46, 47, 40, 48):
        target.reset(replace(BUILD, capabilities=IommuParams(phys_bits=bits).capabilities))
    assert made == [40, 41, 42, 43, 44, 45, 46, 47, 48]
    assert closed == [41]
    target.close()
    assert sorted(closed) == sorted(made)


def test_a_hang_is_told(monkeypatch):
    async def deaf(self, ctx):
        pass

    monkeypatch.setattr("sim.vectors.rig.HANG_CYCLES", 300)
    monkeypatch.setattr("sim.vectors.simulation.HANG_CYCLES", 300)
    monkeypatch.setattr(Simulation, "_answer", deaf)
    target = RtlTarget()
    last = replay(target, BUILD).mismatches[-1]
    assert (last.what, last.got) == ("answer", "no end after 300 cycles")
    assert last.step < len(BUILD.steps) - 1             # it was not replayed to its end
    target.close()


def burst(memory, *, write=0, addr=0x1000, beats=1, size=3, burst=INCR, lock=0, data=0, strb=0,
          poison=False):
    return respond(memory, write, addr, beats - 1, size, burst, lock, data, strb, poison=poison)


def test_responder_reads():
    memory = Memory(0x1000, 0x1000)
    memory.poke(0x1000, bytes(range(64)))
    words = [int.from_bytes(bytes(range(n, n + 8)), "little") for n in range(0, 64, 8)]
    assert burst(memory, addr=0x1008, beats=2)["reply"] == words[1] | words[2] << 64
    wrapped = burst(memory, addr=0x1018, beats=4, burst=WRAP)["reply"]
    assert [wrapped >> 64 * n & 2**64 - 1 for n in range(4)] == [words[n] for n in (3, 0, 1, 2)]
    assert burst(memory, addr=0x100C, size=2)["reply"] == words[1]
    assert burst(memory, lock=1)["resp"] == Resp.EXOKAY.value
    assert burst(memory, addr=0x1FF8, beats=2)["resp"] == Resp.DECERR.value << 2
    memory.inject(0x1040, 0x1080, "r")
    assert burst(memory, addr=0x1040)["resp"] == Resp.SLVERR.value
    memory.clear_injected()
    memory.inject(0x1040, 0x1080, "r", poison=True)
    assert burst(memory, addr=0x1038, beats=2) == {
        "reply": words[7], "resp": Resp.SLVERR.value << 2, "poison": 2}
    assert burst(memory, addr=0x1038, beats=2, poison=True)["resp"] == 0


def test_responder_writes():
    memory = Memory(0x1000, 0x1000)
    seen = []
    memory.write = lambda addr, data: seen.append((addr, data.hex()))
    data = int.from_bytes(bytes(range(16)), "little")
    assert burst(memory, write=1, beats=2, data=data, strb=0xF0_0F)["resp"] == 0
    assert seen == [(0x1000, "00010203"), (0x100C, "0c0d0e0f")]
    seen.clear()
    burst(memory, write=1, addr=0x1008, data=data, strb=0b1110_0111)
    assert seen == [(0x1008, "000102"), (0x100D, "050607")]
    assert burst(memory, write=1, lock=1)["resp"] == Resp.EXOKAY.value
    del memory.write
    memory.inject(0x1008, 0x1010, "w")
    assert burst(memory, write=1, beats=2, data=data, strb=0xFFFF, lock=1)["resp"] == (
        Resp.SLVERR.value)
    assert memory.peek(0x1000, 16) == bytes(range(8)) + bytes(8)
