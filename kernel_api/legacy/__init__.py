"""Names that the kernel had once."""
