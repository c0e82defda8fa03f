"""The contract: formats that hardware, driver and golden model agree upon. No Amaranth."""
