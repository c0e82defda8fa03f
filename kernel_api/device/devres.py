"""What goes with its device: freed at detach, newest first (R39).

Source: Linux ``Documentation/driver-api/driver-model/devres.rst``.
"""

from collections.abc import Callable

from ..core.bug import WARN
from .device import Device, DevRes

__all__ = ["devm_add", "devm_forget"]


def devm_add(dev: Device, key: object, release: Callable[[], None]) -> None:
    """Have ``release`` called when the device goes."""
    dev.devres.append(DevRes(key, release))


def devm_forget(dev: Device, key: object) -> bool:
    """Do not call it any more. False, with a warning, if nothing is known by ``key``."""
    item = next((item for item in dev.devres if item.key == key), None)
    if not WARN(item is None, "%s: managed resource %r not found", dev.name, key):
        dev.devres.remove(item)
    return item is not None
