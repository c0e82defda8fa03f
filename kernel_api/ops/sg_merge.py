"""How the entries of a list lie in I/O virtual memory, and which become one segment.

Source: section 4.3 of the DMA API study; rules R103 to R106.
"""

__all__ = ["join_segments", "layout_spans"]

_MASK64 = (1 << 64) - 1


def layout_spans(pieces: list[tuple[int, int]], granule: int, boundary: int) -> list[int]:
    """Bytes of I/O virtual memory that each entry takes, padding after it included.

    An entry that would cross a segment boundary moves up to it: the entry before grows by the gap.

    Parameters
    ----------
    pieces : list of (int, int)
        Offset of each entry in its page, and its length, in bytes.
    granule : int
        Page size.
    boundary : int
        A segment lies within one block of ``boundary + 1`` bytes.
    """
    spans: list[int] = []
    total = 0
    for offset, length in pieces:
        span = offset + length + granule - 1 & -granule
        gap = -total & boundary & _MASK64
        if spans and 0 < gap < span:
            spans[-1] += gap
            total += gap
        spans.append(span)
        total += span
    return spans


def join_segments(base: int, pieces: list[tuple[int, int]], spans: list[int], boundary: int,
                  max_segment: int) -> list[tuple[int, int]]:
    """Segments that the device sees: address and length.

    An entry is joined to the segment before it if that one ends where its span ends, the entry
    begins with its page, no segment boundary lies between, and the sum is not too long.

    Parameters
    ----------
    base : int
        Address of the first span.
    pieces, spans : list
        As for :func:`layout_spans`.
    boundary : int
        As for :func:`layout_spans`.
    max_segment : int
        Longest segment, in bytes.
    """
    segments: list[tuple[int, int]] = []
    is_open = False
    for (offset, length), span in zip(pieces, spans, strict=True):
        start, size = segments[-1] if segments else (0, 0)
        if is_open and not offset and base & boundary and size + length <= max_segment:
            segments[-1] = start, size + length
        else:
            segments.append((base + offset, length))
        is_open = offset + length == span
        base += span
    return segments
