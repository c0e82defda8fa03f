"""The ring of kernel messages.

Source: Linux ``include/linux/kern_levels.h`` (levels).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["KERN_ALERT", "KERN_CRIT", "KERN_DEBUG", "KERN_EMERG", "KERN_ERR", "KERN_INFO",
           "KERN_NOTICE", "KERN_WARNING", "Log", "LogRecord"]

_SOH = "\x01"
KERN_EMERG, KERN_ALERT, KERN_CRIT, KERN_ERR = (_SOH + digit for digit in "0123")
KERN_WARNING, KERN_NOTICE, KERN_INFO, KERN_DEBUG = (_SOH + digit for digit in "4567")


@dataclass(frozen=True)
class LogRecord:
    """One message.

    Parameters
    ----------
    cycle : int
        Clock cycle at which it was written.
    level : int
        0 (emergency) to 7 (debug).
    text : str
        The message, without level.
    """

    cycle: int
    level: int
    text: str

    def __str__(self):
        return f"[{self.cycle:>12}] {self.text}"


class Log:
    """A ring of messages; the oldest make room.

    Parameters
    ----------
    clock : callable
        Gives the current cycle.
    capacity : int
        Messages kept.
    """

    def __init__(self, clock: Callable[[], int], capacity: int = 4096):
        self._clock = clock
        self.records: deque[LogRecord] = deque(maxlen=capacity)

    def write(self, message: str) -> None:
        """Append a message; it may begin with a ``KERN_`` prefix, else it is a notice."""
        level = 5
        if message[:1] == _SOH and message[1:2] in set("01234567"):
            level, message = int(message[1]), message[2:]
        self.records.append(LogRecord(self._clock(), level, message.removesuffix("\n")))

    def matching(self, part: str, *, level: int = 7) -> list[LogRecord]:
        """Messages that contain ``part`` and are at least as grave as ``level``."""
        return [record for record in self.records
                if part in record.text and record.level <= level]
