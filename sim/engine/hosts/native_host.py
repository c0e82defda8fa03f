"""Runs a model as a shared library made by a C compiler."""

import ctypes
import mmap
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from ..errors import EngineError
from . import c

__all__ = ["NativeHost", "compiler", "require"]

_FLAGS = ("-O1", "-fno-strict-aliasing", "-fwrapv", "-shared", "-fPIC", "-w")


def compiler() -> list[str] | None:
    """Return the command of a C compiler: ``$CC``, gcc, clang, cc, or ziglang; None if none."""
    named = os.environ.get("CC")
    if named:
        return named.split()
    for name in ("gcc", "clang", "cc"):
        if which(name):
            return [name]
    return [sys.executable, "-m", "ziglang", "cc"] if find_spec("ziglang") else None


def require() -> list[str]:
    """Return the command of a C compiler, or raise an `EngineError` that says how to get one."""
    command = compiler()
    if command is None:
        raise EngineError("Engine 'native' needs a C compiler: gcc, clang, or the package "
                          "ziglang; or use engine 'wasm'")
    return command


@cache
def _version(command):
    done = subprocess.run([*command, "--version"], capture_output=True)
    return repr((command, _FLAGS)).encode() + done.stdout


def compile_library(text: str) -> bytes:
    """Compile C to a shared library and return its bytes."""
    command = require()
    with tempfile.TemporaryDirectory() as folder:
        unit, library = Path(folder, "model.c"), Path(folder, "model.so")
        unit.write_text(text)
        done = subprocess.run([*command, *_FLAGS, str(unit), "-o", str(library)],
                              capture_output=True, text=True)
        if done.returncode:
            raise EngineError(f"C compiler {' '.join(command)!r} failed: {done.stderr[-2000:]}")
        return library.read_bytes()


class NativeHost:
    """A model as machine code of a C compiler; parameters and attributes are as in `WasmHost`."""

    def __init__(self, code, size, exports):
        self._block = mmap.mmap(-1, size)
        whole = ctypes.c_uint8.from_buffer(self._block)
        self.base = ctypes.addressof(whole)
        library = self._load(code)
        self.functions = {name: self._callable(library, name, count)
                          for name, count in exports.items()}
        self.anchor = self._block, whole, library

    @staticmethod
    def version() -> bytes:
        """Return what compiled code depends on besides the plan."""
        return _version(tuple(require()))

    @staticmethod
    def compile(plan, exports) -> bytes:
        """Compile a plan to a shared library."""
        return compile_library(c.source(plan.table, plan.kernel, list(exports)))

    @staticmethod
    def _load(data):
        with tempfile.NamedTemporaryFile(suffix=".so", delete=False) as file:
            file.write(data)
        try:
            return ctypes.CDLL(file.name)
        finally:
            os.unlink(file.name)

    def _callable(self, library, name, count):
        function = library[name]
        function.argtypes = [ctypes.c_void_p] + [ctypes.c_uint64] * count
        function.restype = ctypes.c_uint64
        base = self.base
        if count == 0:
            return lambda: function(base)
        if count == 1:
            return lambda argument: function(base, argument)
        return lambda *arguments: function(base, *arguments)
