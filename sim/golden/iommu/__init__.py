"""The RISC-V IOMMU, from its specification."""

from .iommu import Iommu
from .types import Access, Request, Result

__all__ = ["Access", "Iommu", "Request", "Result"]
