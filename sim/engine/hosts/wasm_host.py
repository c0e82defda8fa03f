"""Runs a model in wasmtime: WebAssembly from Python, compiled to machine code by Cranelift."""

import atexit
import ctypes
import os
import weakref
from importlib import metadata
from importlib.util import find_spec

from ..errors import EngineError
from . import wasm

__all__ = ["WasmHost", "available", "require"]

_engines = {}
_stores = weakref.WeakSet()


@atexit.register
def _leave_to_the_system():
    """Keep what is alive at exit from being taken apart after wasmtime itself."""
    for one in (*_stores, *_engines.values()):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))


def available() -> bool:
    """Tell whether wasmtime can be imported."""
    return find_spec("wasmtime") is not None


def require():
    """Return the module wasmtime, or raise an `EngineError` that says how to get it."""
    try:
        import wasmtime
    except ImportError as error:
        raise EngineError("Engine 'wasm' needs the package wasmtime; install it with "
                          "`pip install wasmtime`, or use engine 'pysim'") from error
    return wasmtime


def _engine(wasmtime):
    """Return this process's compiler. Its threads would not survive a fork, so it has none."""
    pid = os.getpid()
    if pid not in _engines:
        config = wasmtime.Config()
        config.cranelift_opt_level = "speed"
        config.parallel_compilation = False
        _engines.clear()
        _engines[pid] = wasmtime.Engine(config)
    return _engines[pid]


def _plain(store, function):
    def call(*arguments):
        return function(store, *arguments)

    return call


def _quick(store, function, count):
    """Call past the checks of wasmtime's Python layer: about 1 us instead of 26."""
    from wasmtime import _bindings as raw

    size = max(1, count)
    slots = (raw.wasmtime_val_raw_t * size)()
    trap = (ctypes.c_uint64 * 1)()
    values = memoryview(slots).cast("B").cast("Q")      # two words a slot
    pointer = ctypes.c_void_p
    unchecked = ctypes.PYFUNCTYPE(pointer, pointer, pointer, pointer, ctypes.c_size_t, pointer)(
        ctypes.cast(raw.dll.wasmtime_func_call_unchecked, pointer).value)
    fixed = (ctypes.cast(store._context(), pointer).value, ctypes.addressof(function._func),
             ctypes.addressof(slots), size, ctypes.addressof(trap))

    def call_one(argument):
        values[0] = argument
        if unchecked(*fixed) or trap[0]:
            raise EngineError("Compiled model stopped with a trap")
        return values[0]

    def call(*arguments):
        for n, argument in enumerate(arguments):
            values[2 * n] = argument
        return call_one(values[0])

    found = call_one if count == 1 else call
    found.keep = function
    return found


class WasmHost:
    """A model in the memory of a WebAssembly instance.

    Parameters
    ----------
    code : bytes
        What `compile` returned.
    size : int
        Bytes of memory.
    exports : dict
        Function to the number of its parameters.

    Attributes
    ----------
    base : int
        Address of the model's memory in this process.
    functions : dict
        Exported functions.
    anchor : object
        The memory lives as long as this.
    """

    def __init__(self, code, size, exports):
        wasmtime = require()
        engine = _engine(wasmtime)
        self._store = store = wasmtime.Store(engine)
        _stores.add(store)
        module = wasmtime.Module.deserialize(engine, code)
        instance = wasmtime.Instance(store, module, [])
        found = instance.exports(store)
        self.base = ctypes.addressof(found["memory"].data_ptr(store).contents)
        self.anchor = store, instance, found
        self.functions = {name: self._callable(found[name], count)
                          for name, count in exports.items()}

    @staticmethod
    def version() -> bytes:
        """Return what compiled code depends on besides the plan."""
        require()
        return f"wasmtime {metadata.version('wasmtime')}".encode()

    @staticmethod
    def compile(plan, exports) -> bytes:
        """Compile a plan to machine code in wasmtime's own form."""
        wasmtime = require()
        code = wasm.module(plan.table, plan.kernel, list(exports), -(-plan.size // 65536))
        return bytes(wasmtime.Module(_engine(wasmtime), code).serialize())

    def _callable(self, function, count):
        try:
            return _quick(self._store, function, count)
        except (ImportError, AttributeError):       # another release of wasmtime
            return _plain(self._store, function)
