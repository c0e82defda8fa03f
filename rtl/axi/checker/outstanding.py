"""Accesses that await their answers."""

from amaranth import *
from amaranth.lib import data, memory
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
    depth : int, power of two
        Accesses of one ID that may be outstanding.
    rule, where : str
        For messages.
    push : Value
        An access of ID ``push_id`` begins, of which ``entry`` is known.
    push_id, pop_id : Value
        IDs of accesses and of answers.
    entry : Value
        As ``layout`` has it.

    Attributes
    ----------
    ids : int
        IDs that are followed.
    followed : Value
        Whether ``pop_id`` is one of them.
    known : Value
        Whether an access of ``pop_id`` is outstanding.
    oldest : View
        What is known of the oldest one.
    """

    def __init__(self, m: Module, layout: data.StructLayout, *, depth: int, rule: str, where: str,
                 push: Value, push_id: Value, entry: Value, pop_id: Value):
        self.ids = min(1 << len(pop_id), MAX_IDS)
        id_bits, name = exact_log2(self.ids), rule.lower()
        self._m, self._pop_id = m, pop_id[:id_bits]
        push &= push_id[id_bits:] == 0
        push_id = push_id[:id_bits]

        # Indices are registers, which cost a simulator nothing at rest; one bit more than a place
        # needs tells a full queue from an empty one. Entries are many: they are a memory.
        self._bits = exact_log2(depth) + 1
        self._heads = Signal(self._bits * self.ids, name=f"{name}_heads")
        self._tails = Signal(self._bits * self.ids, name=f"{name}_tails")
        m.submodules[f"{name}_entries"] = entries = memory.Memory(
            shape=layout, depth=depth * self.ids, init=[])
        head, tail = self._head(self._pop_id), self._tail(push_id)

        # Modules of their own: each is evaluated only when what it depends on moves.
        m.submodules[f"{name}_look"] = look = Module()
        read = entries.read_port(domain="comb")
        look.d.comb += read.addr.eq(Cat(head[:-1], self._pop_id))
        m.submodules[f"{name}_store"] = store = Module()
        write = entries.write_port()
        store.d.comb += write.en.eq(push)
        with store.If(push):
            store.d.comb += [write.addr.eq(Cat(tail[:-1], push_id)), write.data.eq(entry)]

        with m.If(push):
            claim(m, (tail - self._head(push_id))[:self._bits] != depth,
                  f"{rule}_DEPTH at {where}: more than {depth} outstanding of one ID, "
                  "the checker needs more depth")
            m.d.sync += tail.eq(tail + 1)

        self.followed = pop_id[id_bits:] == 0
        self.known = head != self._tail(self._pop_id)
        self.oldest = read.data

    def _head(self, axi_id: Value) -> Value:
        return self._heads.word_select(axi_id, self._bits)

    def _tail(self, axi_id: Value) -> Value:
        return self._tails.word_select(axi_id, self._bits)

    def pop(self):
        """End the oldest access of ``pop_id``, where the statement is active."""
        head = self._head(self._pop_id)
        self._m.d.sync += head.eq(head + 1)
