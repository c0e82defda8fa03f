"""The performance monitor."""

from collections.abc import Callable
from dataclasses import dataclass

from rtl.spec.hpm import IOHPMEVT, HpmEvent

__all__ = ["Monitor", "Who"]

_INHIBIT, _OVERFLOWS, _CYCLES, _COUNTS, _SELECTS = 0x5C, 0x58, 0x60, 0x68, 0x160
_OF = IOHPMEVT.mask("of")               # at the same place in iohpmcycles
_WORD = 0xFFFF_FFFF


@dataclass(frozen=True)
class Who:
    """By what an event can be told; None for what it has not."""

    device_id: int
    process_id: int | None = None
    gscid: int | None = None
    pscid: int | None = None


class Monitor:
    """Counters, with the rules for what a write to them keeps.

    Parameters
    ----------
    counters, bits : int
        Event counters, and their width; no counters and no cycles without any.
    overflowed : callable
        Called when an overflow sets an overflow bit.

    Attributes
    ----------
    who : Who
        Whom the next events concern.

    Source
    ------
    RISC-V IOMMU Architecture Specification, sections on ``iocountovf`` to ``iohpmevt``.
    """

    def __init__(self, counters: int = 0, bits: int = 48,
                 overflowed: Callable[[], None] = lambda: None):
        self._limit, self._cycle_limit = 1 << bits, 1 << min(bits, 63)
        self._overflowed, self._inhibit, self._cycles = overflowed, 0, 0
        self._counts, self._selects = [0] * counters, [0] * counters
        self.who = Who(0)

    def seen(self, event: HpmEvent) -> None:
        """Count an event that concerns ``who``."""
        for k, select in enumerate(self._selects):
            if not self._inhibit >> k + 1 & 1 and self._matches(select, event):
                self._counts[k] += 1
                if self._counts[k] == self._limit:
                    self._counts[k] = 0
                    self._selects[k] |= _OF
                    if not select & _OF:
                        self._overflowed()

    def advance(self, cycles: int) -> None:
        """Let cycles pass."""
        if not self._counts or self._inhibit & 1:
            return
        over, count = divmod((self._cycles & ~_OF) + cycles, self._cycle_limit)
        before = self._cycles & _OF
        self._cycles = count | before | (_OF if over else 0)
        if over and not before:
            self._overflowed()

    def read(self, offset: int) -> int | None:
        """Read a word; None where there is no register of the monitor."""
        if offset == _OVERFLOWS and self._counts:
            words = [self._cycles, *self._selects]
            return sum((word & _OF > 0) << n for n, word in enumerate(words))
        if offset == _INHIBIT and self._counts:
            return self._inhibit
        word, shift = self._place(offset)
        return None if word is None else word[0] >> shift & _WORD

    def write(self, offset: int, value: int) -> bool:
        """Write a word; each half takes effect by itself. False where there is no register."""
        if offset == _INHIBIT and self._counts:
            self._inhibit = value & (2 << len(self._counts)) - 1
            return True
        word, shift = self._place(offset)
        if word is None:
            return offset == _OVERFLOWS and bool(self._counts)
        old, keep = word[0], word[1]
        new = (old & ~(_WORD << shift) | value << shift) & keep
        if offset >= _SELECTS and IOHPMEVT.get(new, "event") > max(HpmEvent):
            new = IOHPMEVT.pack(new, event=IOHPMEVT.get(old, "event"))
        word[2](new)
        return True

    def _place(self, offset: int) -> tuple[tuple | None, int]:
        """Value of a register of two words, bits that it keeps, how to set it; and a shift."""
        number, shift = divmod(offset - _CYCLES, 8)
        if not self._counts or offset < _CYCLES:
            return None, 0
        if number == 0:
            return (self._cycles, self._cycle_limit - 1 | _OF, self._set_cycles), 8 * shift
        if number <= len(self._counts):
            return (self._counts[number - 1], self._limit - 1,
                    lambda value: self._counts.__setitem__(number - 1, value)), 8 * shift
        number, shift = divmod(offset - _SELECTS, 8)
        if 0 <= number < len(self._selects):
            return (self._selects[number], (1 << 64) - 1,
                    lambda value: self._selects.__setitem__(number, value)), 8 * shift
        return None, 0

    def _set_cycles(self, value: int) -> None:
        self._cycles = value

    def _matches(self, select: int, event: HpmEvent) -> bool:
        """Whether a selector chooses an event about ``who``."""
        field, who = IOHPMEVT.unpack(select), self.who
        if field["event"] != event:
            return False
        spaces = field["idt"]
        whole, part = (who.gscid, who.pscid) if spaces else (who.device_id, who.process_id)
        number = field["did_gscid"]
        ignored = number ^ number + 1 if field["dmask"] else 0
        return ((not field["dv_gscv"] or
                 (whole is not None and not (whole ^ number) & ~ignored)) and
                (not field["pv_pscv"] or part == field["pid_pscid"]))
