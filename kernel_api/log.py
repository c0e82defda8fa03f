"""The ring of kernel messages: ``printk`` and its shorthands, ``dmesg``.

Source: Linux ``include/linux/kern_levels.h`` (levels).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .current import current_kernel

if TYPE_CHECKING:
    from .device import Device

__all__ = ["KERN_ALERT", "KERN_CRIT", "KERN_DEBUG", "KERN_EMERG", "KERN_ERR", "KERN_INFO",
           "KERN_NOTICE", "KERN_WARNING", "Log", "LogRecord", "dev_err", "dev_info", "dev_warn",
           "dmesg", "pr_err", "pr_info", "pr_warn", "printk"]

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


def printk(fmt: str, *args: object) -> int:
    """Write ``fmt % args`` to the log; begin ``fmt`` with a level: ``printk(KERN_ERR + "x")``.

    Returns
    -------
    int
        Characters written.
    """
    text = fmt % args if args else fmt
    current_kernel().log.write(text)
    return len(text)


def pr_err(fmt: str, *args: object) -> int:
    """Write an error message."""
    return printk(KERN_ERR + fmt, *args)


def pr_warn(fmt: str, *args: object) -> int:
    """Write a warning."""
    return printk(KERN_WARNING + fmt, *args)


def pr_info(fmt: str, *args: object) -> int:
    """Write an informational message."""
    return printk(KERN_INFO + fmt, *args)


def _dev_printk(level: str, dev: "Device", fmt: str, args: tuple[object, ...]) -> None:
    dev.kernel.log.write(f"{level}{dev.name}: {fmt % args if args else fmt}")


def dev_err(dev: "Device", fmt: str, *args: object) -> None:
    """Write an error message of a device."""
    _dev_printk(KERN_ERR, dev, fmt, args)


def dev_warn(dev: "Device", fmt: str, *args: object) -> None:
    """Write a warning of a device."""
    _dev_printk(KERN_WARNING, dev, fmt, args)


def dev_info(dev: "Device", fmt: str, *args: object) -> None:
    """Write an informational message of a device."""
    _dev_printk(KERN_INFO, dev, fmt, args)


def dmesg() -> str:
    """All messages, one a line, with the cycle in brackets."""
    return "\n".join(map(str, current_kernel().log.records))
