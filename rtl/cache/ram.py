"""Block RAM without logic around it."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Ram"]


class Ram(wiring.Component):
    """Memory with one port to read and one to write, in synchronous block RAM.

    The word comes in the cycle after ``read`` and stays until the next one. A word must not be read
    in the cycle in which it is written: what comes is then undefined. Without that promise,
    synthesis puts registers and multiplexers around the RAM to define it.

    Parameters
    ----------
    width, depth : int
        Bits of a word, number of words.
    granularity : int
        Bits that one bit of ``write`` covers.

    Members
    -------
    read : ``In(1)``, read_at : ``In(range(depth))``
        Read a word.
    data : ``Out(width)``
        The word.
    write : ``In(width // granularity)``, write_at : ``In(range(depth))``, new : ``In(width)``
        Write parts of a word.

    Raises
    ------
    ValueError
        If ``width`` is not a multiple of ``granularity``.
    """

    def __init__(self, *, width: int, depth: int, granularity: int):
        if width % granularity:
            raise ValueError(f"Width {width} must be a multiple of the granularity {granularity}")
        self.width, self.depth, self.granularity = width, depth, granularity
        super().__init__({
            "read": In(1), "read_at": In(range(depth)), "data": Out(width),
            "write": In(width // granularity), "write_at": In(range(depth)), "new": In(width),
        })

    def elaborate(self, platform):
        m = Module()
        # Synthesis joins the asynchronous port and the register to a synchronous port.
        m.submodules.store = store = memory.Memory(
            shape=self.width, depth=self.depth, init=[], attrs={"no_rw_check": 1})
        writer = store.write_port(granularity=self.granularity)
        reader = store.read_port(domain="comb")
        word = Signal(self.width, reset_less=True)
        m.d.comb += [
            writer.en.eq(self.write),
            writer.addr.eq(self.write_at),
            writer.data.eq(self.new),
            reader.addr.eq(self.read_at),
            self.data.eq(word),
        ]
        with m.If(self.read):
            m.d.sync += word.eq(reader.data)
        return m
