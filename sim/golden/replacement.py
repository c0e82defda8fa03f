"""Which way of a set to give up."""

from collections.abc import Sequence

__all__ = ["TreePlru"]


class TreePlru:
    """Tree pseudo-LRU of one set.

    The ways are the leaves of a binary tree; each inner node has a bit that points to the half that
    was used less recently: 0 the lower ways, 1 the higher ways. Using a way makes every node on its
    path point away from it. All bits are 0 at first.

    Parameters
    ----------
    ways : int, power of two
        Ways.
    """

    def __init__(self, ways: int):
        self._ways = ways
        self._node = [0] * ways         # node n has children 2n and 2n + 1; the root is 1

    def touch(self, way: int) -> None:
        """Use ``way``."""
        node, half = 1, self._ways // 2
        while half:
            upper = bool(way & half)
            self._node[node] = int(not upper)
            node, half = 2 * node + upper, half // 2

    def victim(self, valid: Sequence[bool]) -> int:
        """Lowest way that is not valid, else the one that the tree points to."""
        for way, used in enumerate(valid):
            if not used:
                return way
        node = 1
        while node < self._ways:
            node = 2 * node + self._node[node]
        return node - self._ways
