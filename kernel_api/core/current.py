"""The kernel on which functions without a device act."""

from contextvars import ContextVar

from .kernel import Kernel

__all__ = ["current_kernel", "set_current_kernel"]

_current: ContextVar[Kernel | None] = ContextVar("current_kernel", default=None)


def current_kernel() -> Kernel:
    """Kernel that :func:`kernel_api.boot` made last in this context, or whose ``with`` we are in.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    kernel = _current.get()
    if kernel is None:
        raise RuntimeError("A kernel must be running: call boot(machine) first")
    return kernel


def kernel_or_none() -> Kernel | None:
    """Give the current kernel, or None."""
    return _current.get()


def set_current_kernel(kernel: Kernel | None) -> Kernel | None:
    """Make ``kernel`` the current one. Returns the one that was."""
    previous = _current.get()
    _current.set(kernel)
    return previous
