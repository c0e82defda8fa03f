"""What is raised where the functions return an error."""

from ..core.errno import errno_name

__all__ = ["AllocationError", "DmaError", "IovaError", "MappingError", "MaskError"]


class DmaError(Exception):
    """A call of the DMA API failed.

    Parameters
    ----------
    text : str
        What failed.
    errno : int
        Negative error number.
    """

    def __init__(self, text: str, errno: int):
        super().__init__(f"{text}: {errno_name(errno)}")
        self.errno = errno


class MaskError(DmaError):
    """The device, or what is between it and memory, cannot have the mask."""


class MappingError(DmaError):
    """Memory could not be mapped: try again later, or do without."""


class AllocationError(DmaError, MemoryError):
    """There is no memory, or none that the device reaches."""


class IovaError(DmaError):
    """There are no I/O virtual addresses, or memory does not fit them."""
