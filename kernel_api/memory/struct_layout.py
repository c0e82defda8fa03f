"""Where the members of a C structure lie, and how a buffer in one keeps its lines to itself.

A buffer that a device writes must not share a line with other members (R67, R96). In C the macros
``__dma_from_device_group_begin`` and ``..._end`` stand between members; so they do here::

    layout = struct_layout(("lock", 4), __dma_from_device_group_begin(), ("rx", 60),
                           __dma_from_device_group_end(), ("count", 8))
    va = kmalloc(layout.size, GFP_KERNEL)
    rx = va + layout.offset("rx")

Source: Linux ``Documentation/core-api/dma-api-howto.rst`` (names).
"""

from dataclasses import dataclass

from .slab import ARCH_DMA_MINALIGN

__all__ = ["StructLayout", "__dma_from_device_group_begin", "__dma_from_device_group_end",
           "struct_layout"]


@dataclass(frozen=True)
class _Edge:
    """A place where the next member begins a new line."""

    group: str


@dataclass(frozen=True)
class StructLayout:
    """Members of a structure.

    Parameters
    ----------
    offsets, sizes : dict
        Of each member, in bytes.
    size, align : int
        Of the whole structure.
    """

    offsets: dict[str, int]
    sizes: dict[str, int]
    size: int
    align: int

    def offset(self, name: str) -> int:
        """Where a member lies."""
        return self.offsets[name]


def __dma_from_device_group_begin(group: str = "") -> _Edge:
    """Begin members that a device writes: on a line of their own."""
    return _Edge(group)


def __dma_from_device_group_end(group: str = "") -> _Edge:
    """End them: what follows lies in another line."""
    return _Edge(group)


def struct_layout(*members: tuple[str, int] | tuple[str, int, int] | _Edge) -> StructLayout:
    """Lay members out as C does.

    Parameters
    ----------
    members
        Name and bytes, and alignment unless it is the largest power of two, up to 8, that divides
        the bytes; or one of the macros.

    Raises
    ------
    ValueError
        If a name comes twice.
    """
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    at, largest = 0, 1
    for member in members:
        if isinstance(member, _Edge):
            name, size, align = "", 0, ARCH_DMA_MINALIGN
        else:
            name, size, align = (*member, min(8, member[1] & -member[1]))[:3]
            if name in offsets:
                raise ValueError(f"Member must have a name of its own, not {name!r} again")
        at, largest = -(-at // align) * align, max(largest, align)
        if name:
            offsets[name], sizes[name] = at, size
        at += size
    return StructLayout(offsets, sizes, -(-at // largest) * largest, largest)
