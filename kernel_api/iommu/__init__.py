"""Address spaces of an IOMMU: addresses, page tables, invalidation."""
