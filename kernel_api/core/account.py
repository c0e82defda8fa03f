"""What each call of a program costs: cycles, and what the counters say.

The public functions are passed through :func:`accounted`; those that the kernel calls itself are
not, so that a call's costs are all that came of it, and are counted once.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from .current import kernel_or_none
from .kernel import Kernel
from .stats import Stats

__all__ = ["Account", "Accounts", "accounted"]

Function = TypeVar("Function", bound=Callable)


@dataclass
class Account:
    """What the calls of one function cost.

    Parameters
    ----------
    calls, cycles : int
        How many, and how long they took together.
    stats : Stats
        What they did.
    """

    calls: int = 0
    cycles: int = 0
    stats: Stats = field(default_factory=Stats)


class Accounts:
    """Accounts of all functions; calls from within a call, by a handler, are accounted apart.

    Parameters
    ----------
    kernel : Kernel
        Whose calls.

    Attributes
    ----------
    functions : dict
        Name to :class:`Account`.
    """

    def __init__(self, kernel: Kernel):
        self._kernel, self.functions = kernel, {}
        self._name: str | None = None
        self._since = self._now()

    def _now(self) -> tuple[int, Stats]:
        return self._kernel.machine.cycles, self._kernel.stats.snapshot()

    def switch(self, name: str | None) -> str | None:
        """Account what comes to ``name`` from now on; None: to nobody. Returns who had it."""
        cycles, stats = self._now()
        if self._name is not None:
            account = self.functions[self._name]
            account.cycles += cycles - self._since[0]
            account.stats += stats - self._since[1]
        previous, self._name, self._since = self._name, name, (cycles, stats)
        return previous

    def call(self, function: Callable, args: tuple, keywords: dict) -> object:
        """Call a function at its own expense."""
        name = function.__name__
        self.functions.setdefault(name, Account()).calls += 1
        previous = self.switch(name)
        try:
            return function(*args, **keywords)
        finally:
            self.switch(previous)


_accounted: dict[Callable, Callable] = {}


def accounted(function: Function) -> Function:
    """Let a function account for its calls, if the kernel that runs keeps accounts.

    What is no function, or a generator, stays as it is; one function has one stand-in, whatever
    names it has.
    """
    if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
        return function
    if function in _accounted:
        return _accounted[function]

    @functools.wraps(function)
    def call(*args: object, **keywords: object) -> object:
        kernel = kernel_or_none()
        if kernel is None or kernel.accounts is None:
            return function(*args, **keywords)
        return kernel.accounts.call(function, args, keywords)

    _accounted[function] = call
    return call
