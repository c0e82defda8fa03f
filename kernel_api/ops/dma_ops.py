"""Which way of mapping a device has: ``struct dma_map_ops``, for each device its own (R131).

Source: Linux ``include/linux/dma-map-ops.h`` (names, arguments).
"""

from ..device.device import Device, DmaOps

__all__ = ["get_dma_ops", "set_dma_ops"]


def get_dma_ops(dev: Device) -> DmaOps | None:
    """Give the table of a device; None: its mappings are direct."""
    return None if dev.dma_ops is dev.kernel.direct_ops else dev.dma_ops


def set_dma_ops(dev: Device, dma_ops: DmaOps | None) -> None:
    """Let a device have another table, before anything is mapped; None: direct mappings."""
    dev.dma_ops = dma_ops or dev.kernel.direct_ops
