"""Messages that begin with the name of a device."""

from ..core.log import KERN_ERR, KERN_INFO, KERN_WARNING
from .device import Device

__all__ = ["dev_err", "dev_info", "dev_warn"]


def _dev_printk(level: str, dev: Device, fmt: str, args: tuple[object, ...]) -> None:
    dev.kernel.log.write(f"{level}{dev.name}: {fmt % args if args else fmt}")


def dev_err(dev: Device, fmt: str, *args: object) -> None:
    """Write an error message of a device."""
    _dev_printk(KERN_ERR, dev, fmt, args)


def dev_warn(dev: Device, fmt: str, *args: object) -> None:
    """Write a warning of a device."""
    _dev_printk(KERN_WARNING, dev, fmt, args)


def dev_info(dev: Device, fmt: str, *args: object) -> None:
    """Write an informational message of a device."""
    _dev_printk(KERN_INFO, dev, fmt, args)
