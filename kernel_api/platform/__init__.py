"""What lies between Python and the machine: loads, stores, registers, interrupts."""
