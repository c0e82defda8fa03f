"""What the kernel does about misuse: it stops (BUG) or complains and goes on (WARN)."""

from .current import current_kernel
from .log import KERN_WARNING

__all__ = ["BUG", "BUG_ON", "WARN", "WARN_ON", "KernelBug"]


class KernelBug(Exception):
    """The kernel cannot go on: where Linux would oops, Python raises."""


def BUG(text: str) -> None:
    """Stop.

    Raises
    ------
    KernelBug
        Always.
    """
    raise KernelBug(text)


def BUG_ON(condition: object, text: str = "BUG_ON") -> None:
    """Stop if ``condition`` holds. Raises :exc:`KernelBug` then."""
    if condition:
        BUG(text)


def WARN(condition: object, fmt: str, *args: object) -> bool:
    """Log ``fmt % args`` if ``condition`` holds, and go on. Returns whether it held."""
    if condition:
        text = fmt % args if args else fmt
        current_kernel().log.write(f"{KERN_WARNING}WARNING: {text}")
    return bool(condition)


def WARN_ON(condition: object, text: str = "WARN_ON") -> bool:
    """Log ``text`` if ``condition`` holds, and go on. Returns whether it held."""
    return WARN(condition, "%s", text)
