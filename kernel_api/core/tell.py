"""Telling those who watch what happens."""

from .kernel import Kernel

__all__ = ["tell"]


def tell(kernel: Kernel, what: str, *args: object, **keywords: object) -> None:
    """Call a method of every :class:`kernel_api.device.checker.Checker`."""
    for checker in kernel.checkers:
        getattr(checker, what)(*args, **keywords)
