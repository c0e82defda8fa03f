"""The controls of dma-debug: its files in debugfs, and what drivers may call.

Source: Linux ``Documentation/core-api/dma-api.rst``, part III (names and meaning of the files).
"""

from ..core.bug import BUG
from ..core.current import current_kernel
from ..core.printk import printk
from ..device.device import Device

__all__ = ["debug_dma_dump_mappings", "debugfs_read", "debugfs_write", "dma_debug_add_bus"]

_FILES = ("all_errors", "disabled", "driver_filter", "dump", "error_count", "min_free_entries",
          "nr_total_entries", "num_errors", "num_free_entries")
_WRITABLE = {"all_errors": lambda text: bool(int(text)), "num_errors": int,
             "driver_filter": str.strip}


def _name(path: str) -> str:
    folder, _, name = path.rpartition("/")
    if folder != "dma-api" or name not in _FILES:
        BUG(f"{path}: no such file")
    return name


def debugfs_read(path: str) -> str:
    """Text of a file: ``"dma-api/error_count"``. Raises :exc:`KernelBug` if there is none."""
    debug, name = current_kernel().debug, _name(path)
    if debug is None:
        return "Y\n" if name == "disabled" else "\n"
    value = debug.dump() if name == "dump" else getattr(debug, name)
    if name == "disabled":
        value = "Y" if value else "N"
    return f"{int(value) if isinstance(value, bool) else value}\n"


def debugfs_write(path: str, text: str) -> None:
    """Write a file: ``all_errors``, ``num_errors`` or ``driver_filter``.

    Raises
    ------
    KernelBug
        If there is no such file, or it cannot be written.
    """
    debug, name = current_kernel().debug, _name(path)
    if name not in _WRITABLE:
        BUG(f"{path}: permission denied")
    if debug is not None:
        setattr(debug, name, _WRITABLE[name](text))


def debug_dma_dump_mappings(dev: Device | None) -> None:
    """Log the live mappings of a device, or all, one a line. Nothing without ``check``."""
    debug = current_kernel().debug
    for line in debug.dump(dev).splitlines() if debug else ():
        printk("%s", line)


def dma_debug_add_bus(bus: str) -> None:
    """Have drivers of a bus watched when they go (D26): here those of every bus are."""
