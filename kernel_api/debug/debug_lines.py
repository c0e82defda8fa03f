"""Which cache lines are the first of a mapping that a device may write (D7, D8, D28)."""

from collections.abc import Iterator

from ..core.attrs import (
    DMA_ATTR_DEBUGGING_IGNORE_CACHELINES,
    DMA_ATTR_REQUIRE_COHERENT,
    DMA_ATTR_SKIP_CPU_SYNC,
    DMA_TO_DEVICE,
)
from ..core.kernel import Kernel
from ..device.mappings import Kind, Mapping

__all__ = ["ActiveLines"]

#: More mappings of one line are not counted.
_MOST = 7


class ActiveLines:
    """Lines, and the mappings that begin there."""

    def __init__(self, kernel: Kernel):
        self._kernel = kernel
        self._lines: dict[int, list[Mapping]] = {}

    def _line(self, mapping: Mapping) -> int | None:
        if mapping.direction == DMA_TO_DEVICE or mapping.phys is None \
                or mapping.kind is Kind.COHERENT:
            return None
        return int(mapping.phys) // self._kernel.platform.line_bytes

    def insert(self, mapping: Mapping) -> Iterator[tuple[str, str]]:
        """Add a mapping. Yields checks that fail, and their texts."""
        line = self._line(mapping)
        if line is None:
            return
        others = self._lines.setdefault(line, [])
        others.append(mapping)
        if len(others) > _MOST + 1:
            yield "D8", f"exceeded {_MOST} overlapping mappings of cacheline {line:#x}"
        elif len(others) > 1 and not self._exempt(mapping, others[:-1]):
            yield "D7", (f"cacheline tracking EEXIST, overlapping mappings aren't supported "
                         f"[cacheline={line:#x}]")

    def _exempt(self, mapping: Mapping, others: list[Mapping]) -> bool:
        options, platform = self._kernel.options, self._kernel.platform
        pair = DMA_ATTR_DEBUGGING_IGNORE_CACHELINES | DMA_ATTR_REQUIRE_COHERENT
        return (bool(mapping.attrs & DMA_ATTR_SKIP_CPU_SYNC) or platform.coherent
                or (options.kmalloc_minalign or platform.line_bytes) < platform.line_bytes
                or all(mapping.attrs & other.attrs & pair for other in others))

    def remove(self, mapping: Mapping) -> bool:
        """Take a mapping out. False if it is not there."""
        line = self._line(mapping)
        if line is None:
            return True
        others = self._lines.get(line, [])
        if mapping not in others:
            return False
        others.remove(mapping)
        if not others:
            del self._lines[line]
        return True
