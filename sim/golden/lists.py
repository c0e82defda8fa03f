"""What the engines that go through lists of descriptors have in common."""

from collections.abc import Callable
from typing import TypeVar

from rtl.spec.platform import BusError

__all__ = ["WORD", "Failed", "access_data", "access_descriptor"]

_T = TypeVar("_T")
WORD = (1 << 32) - 1


class Failed(Exception):
    """A transfer stops: error bit of the status register, and the access: address, what it was."""

    def __init__(self, bit: str, addr: int = 0, *, write: bool = False, refused: bool = False):
        super().__init__(bit)
        self.bit, self.addr, self.write, self.refused = bit, addr, write, refused

    @property
    def errors(self) -> set[str]:
        """Bits of the status register."""
        return {self.bit, *["err_write"] * self.write, *["err_refused"] * self.refused}


def access_data(addr: int, access: Callable[[], _T], *, write: bool = False) -> _T:
    """Do an access to data.

    Raises
    ------
    Failed
        With the error of the bus.
    """
    return _access("dma", addr, access, write)


def access_descriptor(addr: int, access: Callable[[], _T], *, write: bool = False) -> _T:
    """Do an access to a descriptor.

    Raises
    ------
    Failed
        With the error of the bus.
    """
    return _access("sg", addr, access, write)


def _access(kind: str, addr: int, access: Callable[[], _T], write: bool) -> _T:
    try:
        return access()
    except BusError as error:
        bit = "dec_err" if error.resp == "DECERR" else "slv_err"
        raise Failed(f"{kind}_{bit}", addr, write=write, refused=error.refused) from None
