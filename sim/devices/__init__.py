"""Models of devices that driver programs are written for: registers, interrupts, DMA."""
