"""Amaranth's own simulator, with waveforms that leave out the rows of large memories."""

import copy
from contextlib import contextmanager

from amaranth.hdl import MemoryData
from amaranth.hdl._mem import MemoryInstance
from amaranth.sim.pysim import PySimEngine

__all__ = ["TRACED_ROWS", "QuietPySimEngine"]

#: A memory with more rows than this is not traced, as in the compiled engine.
TRACED_ROWS = 256


class QuietPySimEngine(PySimEngine):
    """For ``Simulator(engine=...)``: a waveform of a system with megabytes of memory stays usable.

    The simulator lists each row of each memory as a variable of its own. Here, memories of more
    than :data:`TRACED_ROWS` rows are left out; everything else is as in the base class.
    """

    @contextmanager
    def write_vcd(self, **kwargs):
        """Capture waveforms, see :meth:`amaranth.sim.Simulator.write_vcd`."""
        whole, self._design = self._design, copy.copy(self._design)
        self._design.fragments = {
            fragment: info for fragment, info in whole.fragments.items()
            if not (isinstance(fragment, MemoryInstance) and _depth(fragment) > TRACED_ROWS)}
        try:
            with super().write_vcd(**kwargs):
                self._design = whole
                yield
        finally:
            self._design = whole


def _depth(instance: MemoryInstance) -> int:
    data: MemoryData = instance._data
    return data.depth
