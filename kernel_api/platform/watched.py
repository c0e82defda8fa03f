"""A machine whose register writes are told to those who watch."""


from ..core.kernel import Kernel
from ..core.machine import Machine
from ..core.tell import tell

__all__ = ["Watched"]


class Watched:
    """A :class:`kernel_api.core.machine.Machine` around another one.

    Parameters
    ----------
    machine : Machine
        The machine.
    kernel : Kernel
        Whose watchers are told.
    """

    def __init__(self, machine: Machine, kernel: Kernel):
        self._machine, self._kernel = machine, kernel

    def __getattr__(self, name: str) -> object:
        return getattr(self._machine, name)

    def writel(self, value: int, addr: int) -> None:
        """Tell, and write the 32-bit register at ``addr``."""
        tell(self._kernel, "register_write", addr)
        self._machine.writel(value, addr)

    def writeq(self, value: int, addr: int) -> None:
        """Tell, and write the 64-bit register at ``addr``."""
        tell(self._kernel, "register_write", addr)
        self._machine.writeq(value, addr)
