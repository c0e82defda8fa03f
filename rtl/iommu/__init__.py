"""IOMMU with TLB (RISC-V IOMMU Architecture Specification)."""
