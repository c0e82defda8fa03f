"""Register files generated from a register map, and interrupt collection."""
