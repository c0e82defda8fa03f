"""A network card: descriptors in coherent memory, packets both ways, small ones from a pool.

A transmit whose map fails drops the packet and reports success, as network drivers must.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

#: Packets up to so many bytes are copied to a block of a pool, and not mapped.
SMALL = 64
RING, ENTRY = 8, 16


class NetworkCard:
    """The driver: a ring of descriptors (address, length, valid) and what they were made of."""

    def __init__(self, device):
        self.device, self.dev, self.dropped = device, device.dev, 0
        self.ring, self.ring_dma = dma_alloc_coherent(self.dev, RING * ENTRY, GFP_KERNEL)
        self.pool = dma_pool_create("small packets", self.dev, SMALL, 8, 0)
        self.used = 0

    def transmit(self, packet):
        """Send a packet, always "successfully"; a packet that cannot be mapped is dropped."""
        buf = None
        if len(packet) <= SMALL:
            block, dma = dma_pool_alloc(self.pool, GFP_ATOMIC)
            if block is None:
                self.dropped += 1
                return b""
            cpu.store(block, packet)
        else:
            cpu.store(buf := kmalloc(len(packet), GFP_ATOMIC), packet)
            dma = dma_map_single(self.dev, buf, len(packet), DMA_TO_DEVICE)
            if dma_mapping_error(self.dev, dma):
                kfree(buf)
                self.dropped += 1
                return b""
        entry = self.used % RING * ENTRY
        cpu.store_le(self.ring + entry, int(dma), 8)
        cpu.store_le(self.ring + entry + 8, len(packet), 4)
        wmb()                                   # address and length before the valid bit
        cpu.store_le(self.ring + entry + 12, 1, 4)
        wmb()                                   # the valid bit before the doorbell
        self.used += 1
        sent = self.wire(entry)
        if buf is None:
            dma_pool_free(self.pool, block, dma)
        else:
            dma_unmap_single(self.dev, dma, len(packet), DMA_TO_DEVICE)
            kfree(buf)
        return sent

    def wire(self, entry):
        """Be the card: fetch the descriptor, and then the packet."""
        words = self.device.read(self.ring_dma + entry, ENTRY)
        addr, length = int.from_bytes(words[:8], "little"), int.from_bytes(words[8:12], "little")
        return self.device.read(DmaAddr(addr), length) if words[12] else b"not valid"

    def remove(self):
        """Give everything back."""
        dma_pool_destroy(self.pool)
        dma_free_coherent(self.dev, RING * ENTRY, self.ring, self.ring_dma)


def main(kernel):
    """Send packets of many lengths; return what went over the wire."""
    with DeviceEnd(kernel) as device:
        card = NetworkCard(device)
        sent = [card.transmit(bytes(range(length % 251)) + bytes([length % 256]) * 3)
                for length in (20, 60, 61, 62, 100, 250, 5, 33, 199, 64)]
        card.remove()
        return sent, card.dropped
