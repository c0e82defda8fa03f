"""The IOMMU as drivers of address spaces see it: domains, and mappings made by hand.

The DMA API does all of this by itself; these functions are for those who want to do it otherwise.

Source: Linux ``include/linux/iommu.h`` (names, arguments, return values).
"""

from ..core.addresses import PAGE_SIZE, PhysAddr
from ..core.errno import EINVAL, ENODEV
from ..device.device import Device
from .domain import BlockedDomain, IommuDomain, PagingDomain

__all__ = ["iommu_attach_device", "iommu_detach_device", "iommu_domain_free",
           "iommu_get_domain_for_dev", "iommu_iova_to_phys", "iommu_map",
           "iommu_paging_domain_alloc", "iommu_unmap"]


def iommu_get_domain_for_dev(dev: Device) -> IommuDomain | None:
    """Domain in which a device is, or None without IOMMU."""
    return dev.iommu_domain


def iommu_paging_domain_alloc(dev: Device) -> PagingDomain | int:
    """Make an empty address space for devices like ``dev``; ``-ENODEV`` without IOMMU."""
    iommu = dev.kernel.iommu
    return iommu.paging_domain() if iommu else -ENODEV


def iommu_domain_free(domain: PagingDomain) -> None:
    """Free an address space in which no device is. Raises :exc:`KernelBug` if one is."""
    domain.iommu.free_domain(domain)


def iommu_attach_device(domain: IommuDomain, dev: Device) -> int:
    """Move a device to an address space. 0 or a negative error number."""
    iommu = dev.kernel.iommu
    return iommu.attach(dev, domain) if iommu else -ENODEV


def iommu_detach_device(domain: IommuDomain, dev: Device) -> None:
    """Take a device out of an address space: all its accesses fault from now on."""
    if dev.iommu_domain is domain:
        dev.kernel.iommu.attach(dev, BlockedDomain())


def iommu_map(domain: PagingDomain, iova: int, paddr: PhysAddr, size: int, prot: int,
              gfp: int) -> int:
    """Map pages. 0; ``-EINVAL`` if not page aligned; after ``-EEXIST``, ``-ENOMEM`` none is."""
    if (iova | int(PhysAddr.check(paddr)) | size) % PAGE_SIZE or size <= 0:
        return -EINVAL
    return domain.map(iova, paddr, size, prot)


def iommu_unmap(domain: PagingDomain, iova: int, size: int) -> int:
    """Unmap pages, up to the first hole. Returns bytes unmapped."""
    return domain.unmap(iova, size)


def iommu_iova_to_phys(domain: PagingDomain, iova: int) -> PhysAddr | None:
    """Physical address to which ``iova`` leads, or None."""
    return domain.to_phys(iova)
