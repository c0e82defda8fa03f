"""What drivers must not use any more, and why.

Source: Linux 2.6 ``Documentation/DMA-mapping.txt``, section on obsolete interfaces.
"""

__all__ = ["DeprecatedAPI", "bus_to_virt", "virt_to_bus"]


class DeprecatedAPI(Exception):
    """The function is gone; the message says what to use."""


def virt_to_bus(address: int) -> int:
    """Refuse: what a device uses is not a function of the CPU's address.

    Raises
    ------
    DeprecatedAPI
        Always.
    """
    raise DeprecatedAPI("virt_to_bus knows no IOMMU, no offset, no cache and no mask of a device: "
                        "use dma_map_single, and the handle that it returns")


def bus_to_virt(address: int) -> int:
    """Refuse: there is no way back from a DMA address.

    Raises
    ------
    DeprecatedAPI
        Always.
    """
    raise DeprecatedAPI("bus_to_virt does not exist: a DMA address may mean different memory for "
                        "each device; keep the pointer that was mapped")
