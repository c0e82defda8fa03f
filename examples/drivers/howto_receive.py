"""The receive buffer of the kernel's DMA-API-HOWTO: mapped once, lent to the CPU by syncs.

The card writes a packet into the buffer and interrupts. The driver looks at the header; if the
packet is wanted it unmaps the buffer, hands it up and maps a new one; if not, it gives the buffer
back to the card.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

SIZE = 512
#: What the card receives: first byte 1 is for us.
PACKETS = [bytes([kind]) + bytes([number]) * (SIZE - 1)
           for number, kind in enumerate((1, 0, 1, 1, 0), start=1)]


class Card:
    """The driver's state: one receive buffer."""

    def __init__(self, kernel):
        self.dev, self.kernel, self.received = kernel.cdma.dev, kernel, []
        self.setup_receive_buffer()

    def setup_receive_buffer(self):
        """Map a new buffer; the card may write it from now on."""
        self.buffer = kmalloc(SIZE, GFP_ATOMIC)
        self.mapping = dma_map_single(self.dev, self.buffer, SIZE, DMA_FROM_DEVICE)
        if dma_mapping_error(self.dev, self.mapping):
            kfree(self.buffer)
            raise MemoryError("no room for a receive buffer")

    def interrupt(self):
        """Look at the header before deciding to copy, or to keep, the packet."""
        dma_sync_single_for_cpu(self.dev, self.mapping, SIZE, DMA_FROM_DEVICE)
        if cpu.load(self.buffer, 1) == b"\x01":
            dma_unmap_single(self.dev, self.mapping, SIZE, DMA_FROM_DEVICE)
            self.received.append(cpu.load(self.buffer, SIZE))       # passed up
            kfree(self.buffer)
            self.setup_receive_buffer()
        else:
            # The CPU must not write to it, so a sync is not needed to give it back; many do.
            dma_sync_single_for_device(self.dev, self.mapping, SIZE, DMA_FROM_DEVICE)

    def remove(self):
        """Unmap the last buffer."""
        dma_unmap_single(self.dev, self.mapping, SIZE, DMA_FROM_DEVICE)
        kfree(self.buffer)


def main(kernel):
    """Receive all packets; return those that were for us."""
    with DeviceEnd(kernel) as device:
        card = Card(kernel)
        for packet in PACKETS:
            device.write(card.mapping, packet)
            card.interrupt()
        card.remove()
        return card.received
