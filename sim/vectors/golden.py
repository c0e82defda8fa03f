"""The golden model as a target, and the vectors for capabilities that they were not made for."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

from rtl.spec.iommu_regs import IOMMU_REGISTERS
from sim.golden.iommu import Access, Iommu, Request
from sim.golden.iommu.types import Features

from .format import Scenario, Step
from .memory import ScenarioMemory
from .replay import Answer, Replay

__all__ = ["GoldenTarget", "rebase"]

_FCTL = IOMMU_REGISTERS["fctl"].offset
_EXPECTATIONS = ("fault_expect", "msi_expect", "msi_none")


class GoldenTarget:
    """The golden IOMMU, configured for each scenario anew.

    Parameters
    ----------
    cache : bool
        Whether it keeps translations until they are invalidated.
    max_log2sz : int
        log2 of the entries of its longest queue.
    """

    patience = 0

    def __init__(self, *, cache: bool = True, max_log2sz: int = 16):
        self._cache, self._max_log2sz = cache, max_log2sz

    def refuses(self, scenario: Scenario) -> str:
        """Why the model cannot be configured for the scenario."""
        try:
            Features(scenario.capabilities)
        except ValueError as error:
            return str(error)
        return ""

    def reset(self, scenario: Scenario) -> None:
        """Make a new IOMMU and its memory."""
        self.memory = ScenarioMemory(scenario)
        self.iommu = Iommu(self.memory, scenario.capabilities, cache=self._cache,
                           vectors=1 << max(2, scenario.vector_bits), max_log2sz=self._max_log2sz)
        self.iommu.write(_FCTL, scenario.fctl)

    def idle(self) -> None:
        """Nothing is ever under way."""

    def read(self, offset: int, size: int) -> int:
        """Read a register."""
        return self.iommu.read(offset, size)

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register."""
        self.iommu.write(offset, value, size)

    def peek(self, addr: int) -> int:
        """Read a 64-bit word of memory."""
        return self.memory.peek_word(addr)

    def poke(self, addr: int, value: int) -> None:
        """Write a 64-bit word of memory."""
        self.memory.poke_word(addr, value)

    def translate(self, step: Step) -> Answer:
        """Ask the model."""
        result = self.iommu.translate(Request(
            step.did, step.iova, Access(step.access), step.pid, step.priv,
            step.type == "translated", getattr(step, "data", None)))
        self.answer = Answer(result.ok, result.addr, result.pbmt, int(result.cause),
                             result.reported, result.qos)
        return self.answer

    def watch(self, note: Callable[[tuple[int, int], int, bool], None] | None) -> None:
        """Call ``note`` of own accesses, with identifiers and address, and whether they write."""
        self.iommu.port.note = note

    def inject(self, lo: int, hi: int, access: str, *, poison: bool) -> None:
        """Refuse or poison accesses."""
        self.memory.inject(lo, hi, access, poison=poison)

    def clear_injected(self) -> None:
        """Forget every injected range."""
        self.memory.clear_injected()

    def wires(self) -> int:
        """Levels of the wires."""
        return self.iommu.wires

    def messages(self) -> list[tuple[int, int]]:
        """Messages since the last call."""
        return self.memory.take_messages()


def rebase(scenario: Scenario, capabilities: int, *, max_log2sz: int = 16) -> Scenario:
    """Return the same stimuli for other capabilities, with what the golden model then answers.

    The vectors demand exact capabilities, which an implementation seldom has. With this, it can be
    compared with the golden model on all of them. ``fctl`` is adapted, too: wires if there are no
    messages, and messages if there are no wires. The scenario ends where a model that keeps
    translations and one that does not first disagree, because the specification then allows both:
    this happens when an invalidation is an illegal command without the capability that it needs.
    """
    igs = Features(capabilities).igs
    fctl = {0: scenario.fctl & ~2, 1: scenario.fctl | 2, 2: scenario.fctl}[igs]
    scenario = replace(scenario, capabilities=capabilities, fctl=fctl,
                       name=f"{scenario.name}_as_{capabilities:#x}")
    targets = [GoldenTarget(cache=cache, max_log2sz=max_log2sz) for cache in (True, False)]
    runs = [Replay(target, scenario) for target in targets]
    steps: list[Step] = []
    for index, step in enumerate(scenario.steps):
        if step.op not in _EXPECTATIONS:
            cached, uncached = (_executed(run, target, index, step)
                                for run, target in zip(runs, targets, strict=True))
            if cached != uncached:
                break
            steps += cached
    return replace(scenario, steps=steps)


def _executed(run: Replay, target: GoldenTarget, index: int, step: Step) -> list[Step]:
    """Execute a step. Returns it with what happened, and the records and messages that came."""
    run.run(index, step)
    steps = [_expected(target, step)]
    while record := run.next_record():
        steps.append(Step(op="fault_expect", record=[record[0], None, *record[2:]]))
    while message := run.next_message():
        steps.append(Step(op="msi_expect", addr=message[0], data=message[1]))
    return steps


def _expected(target: GoldenTarget, step: Step) -> Step:
    """Step with the expectation that the model has just met."""
    fields = vars(step)
    match step.op:
        case "reg_expect" | "reg_wait":
            return Step(**fields | {"value": target.read(step.offset, step.size) & step.mask})
        case "mem_expect":
            return Step(**fields | {"value": target.peek(step.addr)})
        case "wsi_expect":
            return Step(**fields | {"wires": target.wires()})
        case "translate":
            answer = target.answer
            expect = SimpleNamespace(ok=answer.ok, pa=answer.addr, pbmt=answer.pbmt,
                                     cause=answer.cause, reported=answer.reported)
            return Step(**fields | {"expect": expect})
    return step
