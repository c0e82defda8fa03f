"""Cutting a list into several, mapped or not.

Source: Linux ``lib/sg_split.c`` (behaviour).
"""

from collections.abc import Sequence

from ..core.errno import EINVAL
from .scatterlist import Scatterlist, Sgl, entries_of, sg_init_table, sg_nents, sg_set_page

__all__ = ["sg_split"]

#: Of an entry: its index, and the bytes of it that a part gets, from where on.
_Cut = tuple[int, int, int]


def _cut(lengths: Sequence[int], skip: int, sizes: Sequence[int]) -> list[list[_Cut]] | None:
    """Give each part its bytes of the entries, in order. None if there are too few bytes."""
    parts, index, start = [], 0, skip
    for size in sizes:
        part: list[_Cut] = []
        while size:
            while index < len(lengths) and start >= lengths[index]:
                start, index = start - lengths[index], index + 1
            if index == len(lengths):
                return None
            count = min(size, lengths[index] - start)
            part.append((index, start, count))
            start, size = start + count, size - count
        if not part:
            return None
        parts.append(part)
    return parts


def sg_split(in_: Sgl, in_mapped_nents: int, skip: int, nb_splits: int,
             split_sizes: Sequence[int], gfp: int) -> tuple[int, list[list[Scatterlist]],
                                                            list[int]]:
    """Cut a list into ``nb_splits`` lists of ``split_sizes`` bytes, from byte ``skip`` on.

    Parameters
    ----------
    in_ : list of Scatterlist
        What is cut; it stays as it is.
    in_mapped_nents : int
        What ``dma_map_sg`` returned for the list: then the device's side is cut, too. Or 0.
    skip, nb_splits, split_sizes : int, int, sequence of int
        Bytes before the first part; parts; bytes of each.
    gfp : int
        How memory for the lists may be allocated.

    Returns
    -------
    tuple of int, list, list
        0, the lists, and how many segments of each the device has (all 0 if it is not mapped).
        ``-EINVAL`` and nothing if the list is too short or a size is 0.
    """
    entries, sizes = entries_of(in_, sg_nents(in_)), split_sizes[:nb_splits]
    parts = _cut([sg.length for sg in entries], skip, sizes)
    mapped = _cut([sg.dma_length for sg in entries[:in_mapped_nents]], skip, sizes) \
        if in_mapped_nents else [[] for _ in sizes]
    if parts is None or mapped is None or not parts:
        return -EINVAL, [], []
    out = []
    for part, segments in zip(parts, mapped, strict=True):
        sgl = [Scatterlist() for _ in range(max(len(part), len(segments)))]
        sg_init_table(sgl, len(part))
        for sg, (index, start, count) in zip(sgl, part, strict=False):
            sg_set_page(sg, entries[index].page, count, entries[index].offset + start)
        for sg, (index, start, count) in zip(sgl, segments, strict=False):
            sg.dma_address, sg.dma_length = entries[index].dma_address + start, count
            sg.bus_address = entries[index].bus_address
        out.append(sgl)
    return 0, out, [len(segments) for segments in mapped]
