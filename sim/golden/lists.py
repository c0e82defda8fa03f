"""What the engines that go through lists of descriptors have in common."""

from collections.abc import Callable
from typing import TypeVar

from rtl.spec.platform import BusError

__all__ = ["WORD", "Failed", "access_descriptor", "error_bit"]

_T = TypeVar("_T")
WORD = (1 << 32) - 1


class Failed(Exception):
    """A transfer stops: error bit of the status register, and address of the access."""

    def __init__(self, bit: str, addr: int = 0):
        super().__init__(bit)
        self.bit, self.addr = bit, addr


def access_descriptor(addr: int, access: Callable[[], _T]) -> _T:
    """Do an access to a descriptor.

    Raises
    ------
    Failed
        With the error of the bus.
    """
    try:
        return access()
    except BusError as error:
        raise Failed(f"sg_{error_bit(error)}", addr) from None


def error_bit(error: BusError) -> str:
    """End of the name of the status bit for an error of the bus."""
    return "dec_err" if error.resp == "DECERR" else "slv_err"
