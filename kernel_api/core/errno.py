"""Error numbers, positive as in the kernel's headers: functions return them negated.

Source: Linux ``include/uapi/asm-generic/errno-base.h`` and ``errno.h`` (numbers).
"""

__all__ = [
    "EBUSY",
    "EEXIST",
    "EFAULT",
    "EINVAL",
    "EIO",
    "ENODEV",
    "ENOENT",
    "ENOMEM",
    "ENOSPC",
    "ENXIO",
    "EOPNOTSUPP",
    "EPERM",
    "ERANGE",
    "EREMOTEIO",
    "ETIMEDOUT",
    "errno_name",
]

EPERM = 1
ENOENT = 2
EIO = 5
ENXIO = 6
ENOMEM = 12
EFAULT = 14
EBUSY = 16
EEXIST = 17
ENODEV = 19
EINVAL = 22
ENOSPC = 28
ERANGE = 34
EOPNOTSUPP = 95
ETIMEDOUT = 110
EREMOTEIO = 121

_NAMES = {value: name for name, value in globals().items() if name.startswith("E")}


def errno_name(rc: int) -> str:
    """Name of a return value: ``errno_name(-5)`` is ``"-EIO"``; other numbers as they are."""
    return f"-{_NAMES[-rc]}" if -rc in _NAMES else str(rc)
