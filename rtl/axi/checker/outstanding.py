"""Accesses that await their answers."""

from amaranth import *
from amaranth.lib import data, memory
from amaranth.utils import exact_log2

from .channel import claim

__all__ = ["MAX_IDS", "Outstanding", "Table"]

#: IDs that are followed; an access with a higher one is not checked against its answer.
MAX_IDS = 64


class Table:
    """A small memory, read in the same cycle: to a simulator one row costs as little as one signal.

    Parameters
    ----------
    m : Module
        Where to add it.
    name : str
        Name of the memory.
    shape : Shape
        Shape of a row.
    depth : int
        Rows.
    """

    def __init__(self, m: Module, name: str, shape: Shape, depth: int):
        self._m = m
        m.submodules[name] = self._rows = memory.Memory(shape=shape, depth=depth, init=[])
        self._port = self._rows.write_port()

    def read(self, index: Value) -> Value:
        """Row ``index``."""
        port = self._rows.read_port(domain="comb")
        self._m.d.comb += port.addr.eq(index)
        return port.data

    def write(self, index: Value, row: Value):
        """Write a row where the statement is active; to be called once."""
        self._m.d.comb += [self._port.addr.eq(index), self._port.data.eq(row), self._port.en.eq(1)]


class Outstanding:
    """For each ID a queue of what the answers must agree with; logic is added to ``m``.

    Rule: ``<rule>_DEPTH``, more accesses are outstanding than can be followed. That is no fault of
    the bus; the checker needs a larger ``depth``.

    Parameters
    ----------
    m : Module
        Where to add the logic.
    layout : data.StructLayout
        What to know of an access.
    id_width : int
        Width of IDs, in bits.
    depth : int, power of two
        Accesses of one ID that may be outstanding.
    rule, where : str
        For messages.
    """

    def __init__(self, m: Module, layout: data.StructLayout, *, id_width: int, depth: int,
                 rule: str, where: str):
        self._m, self._layout, self._depth = m, layout, depth
        self._message = (f"{rule}_DEPTH at {where}: more than {depth} outstanding of one ID, "
                         "the checker needs more depth")
        self.ids = min(1 << id_width, MAX_IDS)
        self._id_bits = exact_log2(self.ids)
        name = rule.lower()
        # One bit more than an index: a full queue differs from an empty one.
        place = unsigned(exact_log2(depth) + 1)
        self._heads = Table(m, f"{name}_heads", place, self.ids)
        self._tails = Table(m, f"{name}_tails", place, self.ids)
        self._entries = Table(m, f"{name}_entries", unsigned(layout.size), self.ids * depth)

    def followed(self, axi_id: Value) -> Value:
        """Whether accesses of ``axi_id`` are followed."""
        return axi_id[self._id_bits:] == 0

    def look(self, axi_id: Value) -> tuple[Value, data.View]:
        """Whether an access of ``axi_id`` is outstanding, and the entry of the oldest."""
        axi_id = axi_id[:self._id_bits]
        head = self._heads.read(axi_id)
        entry = self._entries.read(Cat(head[:-1], axi_id))
        return head != self._tails.read(axi_id), self._layout(entry)

    def push(self, axi_id: Value, entry: Value):
        """Begin an access, if ``axi_id`` is followed."""
        m, index = self._m, axi_id[:self._id_bits]
        tail, head = self._tails.read(index), self._heads.read(index)
        with m.If(self.followed(axi_id)):
            claim(m, (tail - head)[:len(tail)] != self._depth, self._message)
            self._tails.write(index, tail + 1)
            self._entries.write(Cat(tail[:-1], index), entry)

    def pop(self, axi_id: Value):
        """End the oldest access of ``axi_id``."""
        index = axi_id[:self._id_bits]
        self._heads.write(index, self._heads.read(index) + 1)
