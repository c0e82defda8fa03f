"""Compiled models on disk, in a folder of the user, by a hash of what they follow from.

Entries are written beside their place and then moved there, so that any number of processes may
build and read at once. ``AMARANTH_ENGINE_CACHE=off`` turns the cache off; any other value of it
is the folder. ``AMARANTH_ENGINE_CACHE_LIMIT`` is how many MiB may stay. Entries are as trustworthy
as the folder they are in, like those of Python's own.
"""

import hashlib
import os
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

__all__ = ["Cache", "cache"]

_CHECK = hashlib.sha256().digest_size


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "amaranth-engine"


def _limit() -> int:
    named = os.environ.get("AMARANTH_ENGINE_CACHE_LIMIT", "256")
    if not named.isdecimal():
        warnings.warn(f"AMARANTH_ENGINE_CACHE_LIMIT must be a number of MiB, not {named!r}; it is "
                      f"taken as 256", RuntimeWarning, stacklevel=3)
        named = "256"
    return int(named) << 20


class Cache:
    """A folder of entries.

    Parameters
    ----------
    folder : Path, optional
        By default ``amaranth-engine`` in ``$XDG_CACHE_HOME`` or ``~/.cache``.
    limit : int, optional
        Bytes that may stay; the entries used longest ago go first. By default
        ``$AMARANTH_ENGINE_CACHE_LIMIT`` MiB, or 256 MiB.
    enabled : bool
        Whether anything is read or written.
    """

    def __init__(self, folder=None, *, limit=None, enabled=True):
        named = os.environ.get("AMARANTH_ENGINE_CACHE")
        self.folder = Path(folder or (named if named not in (None, "", "off") else _folder()))
        self.limit = _limit() if limit is None else limit
        self.enabled = enabled and named != "off"

    def _path(self, key):
        return self.folder / f"{key}.model"

    def get(self, key: str) -> bytes | None:
        """Return an entry, or None. A broken one is removed, with a `RuntimeWarning`."""
        if not self.enabled:
            return None
        path = self._path(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        if hashlib.sha256(data[_CHECK:]).digest() == data[:_CHECK]:
            return data[_CHECK:]
        self.drop(key)
        return None

    def drop(self, key: str):
        """Remove an entry that cannot be used, and say so."""
        path = self._path(key)
        warnings.warn(f"Cache entry {path} is broken; it is made anew", RuntimeWarning,
                      stacklevel=2)
        with suppress(OSError):
            path.unlink()

    def put(self, key: str, data: bytes):
        """Write an entry; a folder that cannot be written to is no error."""
        if not self.enabled or len(data) > self.limit:
            return
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                file.write(hashlib.sha256(data).digest())
                file.write(data)
            os.replace(file.name, self._path(key))
            self._shrink()

    def _shrink(self):
        entries = []
        for path in self.folder.iterdir():
            with suppress(OSError):             # another process may have removed it
                state = path.stat()
                entries.append((state.st_mtime, state.st_size, path))
        size = sum(entry[1] for entry in entries)
        for _, length, path in sorted(entries):
            if size <= self.limit:
                break
            with suppress(OSError):
                path.unlink()
            size -= length


#: The cache that all engines use; its attributes may be set.
cache = Cache()
