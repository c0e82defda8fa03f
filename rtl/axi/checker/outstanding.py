"""Accesses that await their answers."""

from amaranth import *
from amaranth.lib import data
from amaranth.utils import exact_log2

from .channel import claim

__all__ = ["MAX_IDS", "Outstanding"]

#: IDs that are followed; an access with a higher one is not checked against its answer.
MAX_IDS = 64


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
        # One bit more than an index: a full queue differs from an empty one.
        self._place_bits = exact_log2(depth) + 1
        self._row_bits = layout.size * depth
        name = rule.lower()
        self._heads = Signal(self._place_bits * self.ids, name=f"{name}_heads")
        self._tails = Signal(self._place_bits * self.ids, name=f"{name}_tails")
        self._rows = Signal(self._row_bits * self.ids, name=f"{name}_rows")

    def _head(self, axi_id: Value) -> Value:
        return self._heads.word_select(axi_id, self._place_bits)

    def _tail(self, axi_id: Value) -> Value:
        return self._tails.word_select(axi_id, self._place_bits)

    def _row(self, axi_id: Value) -> Value:
        return self._rows.word_select(axi_id, self._row_bits)

    def followed(self, axi_id: Value) -> Value:
        """Whether accesses of ``axi_id`` are followed."""
        return axi_id[exact_log2(self.ids):] == 0

    def known(self, axi_id: Value) -> Value:
        """Whether an access of ``axi_id`` is outstanding."""
        return self._head(axi_id) != self._tail(axi_id)

    def oldest(self, axi_id: Value) -> data.View:
        """Entry of the oldest access of ``axi_id``."""
        place = self._head(axi_id)[:-1]
        return self._layout(self._row(axi_id).word_select(place, self._layout.size))

    def push(self, axi_id: Value, entry: Value):
        """Begin an access, if ``axi_id`` is followed."""
        m, tail, row = self._m, self._tail(axi_id), self._row(axi_id)
        place = tail[:-1] * self._layout.size
        ones = Const((1 << self._layout.size) - 1, self._row_bits)
        with m.If(self.followed(axi_id)):
            claim(m, (tail - self._head(axi_id))[:self._place_bits] != self._depth, self._message)
            m.d.sync += tail.eq(tail + 1)
            # The whole row is written: far fewer choices than for each entry by itself.
            m.d.sync += row.eq(row & ~(ones << place) | entry << place)

    def pop(self, axi_id: Value):
        """End the oldest access of ``axi_id``."""
        self._m.d.sync += self._head(axi_id).eq(self._head(axi_id) + 1)
