"""Messages to the current kernel: ``printk`` and its shorthands, ``dmesg``."""

from .current import current_kernel
from .log import KERN_ERR, KERN_INFO, KERN_WARNING

__all__ = ["dmesg", "pr_err", "pr_info", "pr_warn", "printk"]


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


def dmesg() -> str:
    """All messages, one a line, with the cycle in brackets."""
    return "\n".join(map(str, current_kernel().log.records))
