"""Replay a scenario on an implementation, whatever it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import PAGE_BYTES
from rtl.spec.queues import FAULT_BYTES

from .format import Scenario, Step

__all__ = ["Answer", "HangError", "Mismatch", "Outcome", "Replay", "Target", "replay"]

_ONES = (1 << 64) - 1
_CQH, _CQT, _FQB, _FQT, _CQCSR, _FQCSR = (
    IOMMU_REGISTERS[name].offset for name in ("cqh", "cqt", "fqb", "fqt", "cqcsr", "fqcsr"))
_CQCSR_ERRORS = 0x700                   # cqmf, cmd_to, cmd_ill


class HangError(Exception):
    """The implementation does not answer."""


@dataclass(frozen=True)
class Answer:
    """What became of a device's access.

    Parameters
    ----------
    ok : bool
        Whether it may go on.
    addr, pbmt : int
        Physical address and memory type, if it may.
    cause : int or None
        Cause of the refusal; None if the implementation does not show it but in its records.
    reported : bool or None
        Whether a record was written; None if that cannot be told.
    qos : tuple of int
        Quality-of-service identifiers, RCID and MCID, that the access carries.
    """

    ok: bool
    addr: int = 0
    pbmt: int = 0
    cause: int | None = None
    reported: bool | None = None
    qos: tuple[int, int] = (0, 0)


class Target(Protocol):
    """An implementation under test, with its memory.

    Each method may raise :exc:`HangError`; then :meth:`reset` comes next.
    """

    #: How often a condition is polled, with :meth:`idle` before each time.
    patience: int

    def refuses(self, scenario: Scenario) -> str:
        """Why the scenario cannot be replayed here: the capabilities that differ, or nothing."""

    def reset(self, scenario: Scenario) -> None:
        """Reset the IOMMU and fill memory."""

    def idle(self) -> None:
        """Let all that is under way come to its end, or some time pass."""

    def read(self, offset: int, size: int) -> int:
        """Read a register of 4 or 8 bytes."""

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register of 4 or 8 bytes."""

    def peek(self, addr: int) -> int:
        """Read a 64-bit word of memory, as software."""

    def poke(self, addr: int, value: int) -> None:
        """Write a 64-bit word of memory, as software."""

    def translate(self, step: Step) -> Answer:
        """Make the access of a ``translate`` step; it must not reach memory."""

    def inject(self, lo: int, hi: int, access: str, *, poison: bool) -> None:
        """Refuse, or poison, the IOMMU's accesses that touch ``[lo, hi)``."""

    def clear_injected(self) -> None:
        """Forget every injected range."""

    def wires(self) -> int:
        """Levels of the interrupt wires."""

    def messages(self) -> list[tuple[int, int]]:
        """Address and data of the interrupt messages since the last call."""


@dataclass(frozen=True)
class Mismatch:
    """A check that failed."""

    scenario: str
    step: int
    op: str
    what: str
    got: int | bool | str
    expected: int | bool | str

    def __str__(self):
        got, expected = (hex(value) if type(value) is int else value
                         for value in (self.got, self.expected))
        return (f"{self.scenario} step {self.step} ({self.op}): {self.what} is {got}, "
                f"must be {expected}")


@dataclass
class Outcome:
    """Result of one scenario."""

    scenario: str
    checks: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)


class Replay:
    """State of the harness while it replays: where it reads records, and messages not yet seen."""

    def __init__(self, target: Target, scenario: Scenario):
        self._target = target
        self.outcome = Outcome(scenario.name)
        self._at = (0, "")              # step under way, for messages
        self._record = 0                # index of the next fault record
        self._messages: list[tuple[int, int]] = []
        self._memory = range(scenario.mem_base, scenario.mem_base + scenario.mem_size)
        target.reset(scenario)

    def run(self, index: int, step: Step) -> None:
        """Execute one step."""
        self._at = index, step.op
        if step.op not in ("translate", "fault_expect"):
            self._target.idle()
        getattr(self, f"_{step.op}")(step)

    def hang(self, error: HangError) -> None:
        """Note that the step under way does not end."""
        self._check("answer", str(error), "there")

    def poll(self, condition: Callable[[], bool]) -> bool:
        """Whether ``condition`` becomes true."""
        for _ in range(self._target.patience):
            if condition():
                return True
            self._target.idle()
        return condition()

    def next_record(self) -> list[int] | None:
        """Dwords of the next fault record, or None if there is none in time."""
        target, index = self._target, self._record
        if not self.poll(lambda: target.read(_FQT, 4) != index):
            return None
        base = target.read(_FQB, 8)
        self._record = (index + 1) % (2 << (base & 0x1F))
        where = (base >> 10 & (1 << 44) - 1) * PAGE_BYTES + index * FAULT_BYTES
        if where not in self._memory:
            return None
        return [target.peek(where + 8 * n) for n in range(4)]

    def next_message(self) -> tuple[int, int] | None:
        """Address and data of the next interrupt message, or None if there is none in time."""
        self.poll(lambda: bool(self._collect()))
        return self._messages.pop(0) if self._messages else None

    def _collect(self) -> list[tuple[int, int]]:
        self._messages += self._target.messages()
        return self._messages

    def _check(self, what: str, got: int | bool | str, expected: int | bool | str) -> None:
        self.outcome.checks += 1
        if got != expected:
            self.outcome.mismatches.append(
                Mismatch(self.outcome.scenario, *self._at, what, got, expected))

    def _reg_write(self, step: Step) -> None:
        if step.offset == _FQCSR and step.value & 1 and not self._target.read(_FQCSR, 4) & 1:
            self._record = 0
        self._target.write(step.offset, step.value, step.size)

    def _reg_expect(self, step: Step) -> None:
        got = self._target.read(step.offset, step.size) & step.mask
        self._check(f"register {step.offset:#05x}", got, step.value & step.mask)

    def _reg_wait(self, step: Step) -> None:
        wanted = step.value & step.mask
        self.poll(lambda: self._target.read(step.offset, step.size) & step.mask == wanted)
        self._reg_expect(step)

    def _mem_write(self, step: Step) -> None:
        self._target.poke(step.addr, step.value)

    def _mem_expect(self, step: Step) -> None:
        mask = getattr(step, "mask", _ONES)
        self._check(f"memory at {step.addr:#x}", self._target.peek(step.addr) & mask,
                    step.value & mask)

    def _wait_commands(self, step: Step) -> None:
        target = self._target
        self._check("command queue done", self.poll(
            lambda: target.read(_CQH, 4) == target.read(_CQT, 4) or
            bool(target.read(_CQCSR, 4) & _CQCSR_ERRORS)), True)

    def _translate(self, step: Step) -> None:
        answer, expect = self._target.translate(step), step.expect
        self._check("passed", answer.ok, expect.ok)
        if answer.ok and expect.ok:
            self._check("address", answer.addr, expect.pa)
            self._check("memory type", answer.pbmt, expect.pbmt)
        elif not answer.ok and not expect.ok:
            if answer.cause is not None:
                self._check("cause", answer.cause, expect.cause)
            if answer.reported is not None:
                self._check("reported", answer.reported, expect.reported)

    def _fault_expect(self, step: Step) -> None:
        got = self.next_record()
        self._check("record", "there" if got else "missing", "there")
        masks = getattr(step, "mask", None) or [_ONES] * 4
        for n, (expected, mask) in enumerate(zip(step.record, masks, strict=True)):
            if got and expected is not None:
                mask = _ONES if mask is None else mask
                self._check(f"dword {n}", got[n] & mask, expected & mask)

    def _inject(self, step: Step) -> None:
        self._target.inject(step.lo, step.hi, step.access,
                            poison=getattr(step, "kind", "error") == "corrupt")

    def _inject_clear(self, step: Step) -> None:
        self._target.clear_injected()

    def _msi_expect(self, step: Step) -> None:
        addr, data = self.next_message() or (0, 0)
        self._check("message address", addr, step.addr)
        self._check("message data", data, step.data)

    def _msi_none(self, step: Step) -> None:
        self._check("messages left", len(self._collect()), 0)

    def _wsi_expect(self, step: Step) -> None:
        self._check("wires", self._target.wires(), step.wires)


def replay(target: Target, scenario: Scenario) -> Outcome:
    """Execute all steps of ``scenario``; a failed check does not end it, but a hang does."""
    try:
        run = Replay(target, scenario)
    except HangError as error:
        found = Mismatch(scenario.name, 0, "reset", "answer", str(error), "there")
        return Outcome(scenario.name, 1, [found])
    for index, step in enumerate(scenario.steps):
        try:
            run.run(index, step)
        except HangError as error:
            run.hang(error)
            break
    return run.outcome
