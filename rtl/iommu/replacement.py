"""Which entry of a set to give up."""

from amaranth import *

__all__ = ["TreePlru"]


class TreePlru:
    """Tree pseudo-least-recently-used replacement, as functions on values.

    Each inner node of a binary tree over the ways holds one bit that points to the half used longer
    ago. The state may live in flip-flops or, one word for each set, in a memory. Any number of ways
    will do: the left half of a node has the larger power of two. Combinational; depth is
    ``log2(ways)``.

    Parameters
    ----------
    ways : int
        Entries to choose from; at least 1.

    Attributes
    ----------
    bits : int
        Width of the state, ``ways - 1``. Any value is a valid state.

    Raises
    ------
    TypeError
        If ``ways`` is not an integer.
    ValueError
        If ``ways`` is less than 1.
    """

    def __init__(self, ways: int):
        if not isinstance(ways, int):
            raise TypeError(f"Number of ways must be an integer, not {ways!r}")
        if ways < 1:
            raise ValueError(f"Number of ways must be at least 1, not {ways!r}")
        self.ways, self.bits = ways, ways - 1
        self._nodes = list(self._split(0, ways))

    def _split(self, low: int, high: int):
        """Nodes ``(low, middle, high)`` in depth-first order; the index is the bit of the state."""
        if high - low > 1:
            middle = low + (1 << (high - low - 1).bit_length() - 1)
            yield low, middle, high
            yield from self._split(low, middle)
            yield from self._split(middle, high)

    def victim(self, state: Value) -> Value:
        """Way to replace, one-hot."""
        ways = [Const(1, 1)] * self.ways
        for bit, (low, middle, high) in enumerate(self._nodes):
            for way in range(low, high):
                ways[way] = ways[way] & (state[bit] if way >= middle else ~state[bit])
        return Cat(ways)

    def touch(self, state: Value, used: Value) -> Value:
        """State after a use of the ways in ``used``, a bit each; unchanged if that is zero.

        Where both halves of a node are used at once, the right one counts.
        """
        return Cat((state[bit] | used[low:middle].any()) & ~used[middle:high].any()
                   for bit, (low, middle, high) in enumerate(self._nodes))
