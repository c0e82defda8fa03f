"""What runs beside the design in compiled code; `compile.kernel` reads it as source."""
