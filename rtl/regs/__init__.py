"""Register files generated from a register map."""
