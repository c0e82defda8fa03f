"""The ways to map: directly, through the IOMMU, by way of bounce memory."""
