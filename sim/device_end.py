"""The device at the other end of a driver program: it reads and writes where it is told.

It is made of the machine's DMA engine and of coherent memory of its own, so it works on every
machine; to the IOMMU it is the engine's device, ``kernel.cdma.dev``.
"""

from kernel_api import GFP_KERNEL, DmaAddr, Kernel, dma_alloc_coherent, dma_free_coherent, wmb

__all__ = ["DeviceEnd"]

#: Memory of its own; what is longer goes through it piece by piece.
_BYTES = 8 << 10


class DeviceEnd:
    """A device that does DMA.

    Parameters
    ----------
    kernel : Kernel
        On whose machine it is.
    """

    def __init__(self, kernel: Kernel):
        self._kernel, self.dev = kernel, kernel.cdma.dev
        self._va, self._dma = dma_alloc_coherent(self.dev, _BYTES, GFP_KERNEL)

    def read(self, dma: DmaAddr, size: int) -> bytes | str:
        """Read ``size`` bytes; ``"refused"`` if the bus does not answer."""
        data = b""
        for at in range(0, size, _BYTES):
            part = min(_BYTES, size - at)
            if self._kernel.cdma.copy([(dma + at, self._dma, part)]):
                return "refused"
            data += self._kernel.cpu.load(self._va, part)
        return data

    def write(self, dma: DmaAddr, data: bytes) -> bool:
        """Write ``data``. False if the bus refuses; what was written before that, is."""
        for at in range(0, len(data), _BYTES):
            part = data[at:at + _BYTES]
            self._kernel.cpu.store(self._va, part)
            wmb()
            if self._kernel.cdma.copy([(self._dma, dma + at, len(part))]):
                return False
        return True

    def release(self) -> None:
        """Give the memory back."""
        dma_free_coherent(self.dev, _BYTES, self._va, self._dma)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.release()
