"""A network card: rings of descriptors in coherent memory, packets both ways by streaming maps.

Small packets go out from blocks of a pool, and come in by a copy, so that no mapping is made for
them. A packet whose map fails is dropped, and the sender is told that all is well; a receive buffer
that cannot be replaced stays in its place, and its packet is dropped. Every packet that comes in is
sent back.

    dmapath run examples/drivers/network.py [CAPTURE.pcap] --matrix
"""

from pathlib import Path

from kernel_api import *
from sim.devices.network import DESCRIPTOR, Event, Flag, NetworkCard, Reg
from sim.devices.pcap import make_packets, read_pcap

RING, BUFFER = 8, 2048
#: Packets up to so many bytes are copied.
SMALL = 64
NETDEV_TX_OK, NETDEV_TX_BUSY = 0, 16


@DEFINE_DMA_UNMAP_ADDR("mapping")
@DEFINE_DMA_UNMAP_LEN("length")
class Slot:
    """What the driver keeps for a descriptor: a buffer, or a block of the pool."""

    def __init__(self):
        self.buf = self.block = None


class Ring:
    """Descriptors in coherent memory."""

    def __init__(self, dev):
        self.dev, self.slots = dev, [Slot() for _ in range(RING)]
        self.va, self.dma = dma_alloc_coherent(dev, RING * DESCRIPTOR.size, GFP_KERNEL)
        self.head = self.tail = 0               # first that is not done yet, first that is free

    @property
    def full(self):
        """Whether no descriptor is free; one stays empty."""
        return (self.tail + 1) % RING == self.head

    def fill(self, dma, size):
        """Hand the next descriptor to the card: its flags last."""
        at = self.va + self.tail * DESCRIPTOR.size
        cpu.store_le(at, int(dma), 8)
        cpu.store_le(at + 8, size, 4)
        dma_wmb()
        cpu.store_le(at + 12, Flag.VALID, 4)
        self.tail = (self.tail + 1) % RING

    def done(self):
        """Slot, bytes and flags of the oldest descriptor, if the card is through with it."""
        if self.head == self.tail:
            return None
        at = self.va + self.head * DESCRIPTOR.size
        flags = cpu.load_le(at + 12, 4)
        if not flags & Flag.DONE:
            return None
        dma_rmb()                               # the rest is valid only then
        slot, self.head = self.slots[self.head], (self.head + 1) % RING
        return slot, cpu.load_le(at + 8, 4), flags

    def free(self):
        """Give the memory back."""
        dma_free_coherent(self.dev, RING * DESCRIPTOR.size, self.va, self.dma)


class Driver:
    """The driver."""

    def __init__(self, card):
        self.card, self.dev, self.regs = card, card.dev, ioremap(card.base)
        self.event, self.dropped, self.received = Completion(), 0, []
        if dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(64)):
            raise OSError("no usable DMA configuration")
        self.tx, self.rx = Ring(self.dev), Ring(self.dev)
        self.pool = dma_pool_create("small packets", self.dev, SMALL, 16, 0)
        request_irq(card.irq, self.interrupt, 0, "network card", self)
        writel(RING, self.regs + Reg.SIZE)
        for ring, reg in ((self.tx, Reg.TX_BASE), (self.rx, Reg.RX_BASE)):
            writel(lower_32_bits(ring.dma), self.regs + reg)
            writel(upper_32_bits(ring.dma), self.regs + reg + 4)
        writel(Event.SENT | Event.RECEIVED | Event.ERROR, self.regs + Reg.ENABLE)
        while not self.rx.full and self.add_receive_buffer():
            pass
        writel(self.rx.tail, self.regs + Reg.RX_TAIL)

    # Out

    def xmit(self, packet):
        """Take a packet to send: from now on it is ours, also if it has to be dropped."""
        if self.tx.full:
            return NETDEV_TX_BUSY
        slot, size = self.tx.slots[self.tx.tail], len(packet)
        if size <= SMALL:
            slot.block, dma = dma_pool_alloc(self.pool, GFP_ATOMIC)
            if slot.block is None:
                self.dropped += 1
                return NETDEV_TX_OK
            cpu.store(slot.block, packet)
        else:
            slot.buf = kmalloc(size, GFP_ATOMIC)
            cpu.store(slot.buf, packet)
            dma = dma_map_single(self.dev, slot.buf, size, DMA_TO_DEVICE)
            if dma_mapping_error(self.dev, dma):
                kfree(slot.buf)
                slot.buf = None
                self.dropped += 1
                return NETDEV_TX_OK
        dma_unmap_addr_set(slot, "mapping", dma)
        dma_unmap_len_set(slot, "length", size)
        self.tx.fill(dma, size)
        writel(self.tx.tail, self.regs + Reg.TX_TAIL)       # writel waits for the stores above
        return NETDEV_TX_OK

    def clean_tx(self):
        """Unmap and free what was sent."""
        while done := self.tx.done():
            self.release(done[0], DMA_TO_DEVICE)

    def release(self, slot, direction):
        """Take a buffer, or a block, from the card."""
        dma = dma_unmap_addr(slot, "mapping")
        if slot.block is not None:
            dma_pool_free(self.pool, slot.block, dma)
        else:
            dma_unmap_single(self.dev, dma, dma_unmap_len(slot, "length"), direction)
            kfree(slot.buf)
        slot.block = slot.buf = None

    # In

    def add_receive_buffer(self):
        """Map a buffer, and give it to the card. Whether that was possible."""
        buf = kmalloc(BUFFER, GFP_ATOMIC)
        dma = dma_map_single(self.dev, buf, BUFFER, DMA_FROM_DEVICE)
        if dma_mapping_error(self.dev, dma):
            kfree(buf)
            return False
        self.give(buf, dma)
        return True

    def give(self, buf, dma):
        """Put a mapped buffer into the ring."""
        slot = self.rx.slots[self.rx.tail]
        slot.buf = buf
        dma_unmap_addr_set(slot, "mapping", dma)
        dma_unmap_len_set(slot, "length", BUFFER)
        self.rx.fill(dma, BUFFER)

    def clean_rx(self):
        """Pass up what came in, and give the card as many buffers."""
        while done := self.rx.done():
            slot, size, flags = done
            buf, slot.buf, dma = slot.buf, None, dma_unmap_addr(slot, "mapping")
            if flags & Flag.ERROR or not 0 < size <= BUFFER:        # never trust a device's number
                self.dropped += 1
                self.give(buf, dma)
            elif size <= SMALL:
                dma_sync_single_for_cpu(self.dev, dma, size, DMA_FROM_DEVICE)
                self.received.append(cpu.load(buf, size))
                dma_sync_single_for_device(self.dev, dma, size, DMA_FROM_DEVICE)
                self.give(buf, dma)
            elif self.add_receive_buffer():
                dma_unmap_single(self.dev, dma, BUFFER, DMA_FROM_DEVICE)
                self.received.append(cpu.load(buf, size))
                kfree(buf)
            else:
                self.dropped += 1
                self.give(buf, dma)
        writel(self.rx.tail, self.regs + Reg.RX_TAIL)

    def interrupt(self, irq, dev_id):
        """Silence the card; the rest is done later, where time is not short."""
        status = readl(self.regs + Reg.STATUS)
        if not status:
            return IRQ_NONE
        writel(status, self.regs + Reg.STATUS)
        complete(self.event)
        return IRQ_HANDLED

    def poll(self):
        """Wait for the card, and see to both rings. Whether there was something to do."""
        if not wait_for_completion_timeout(self.event, 10_000):
            return False
        self.clean_tx()
        self.clean_rx()
        return True

    def remove(self):
        """Stop the card, and give everything back."""
        writel(0, self.regs + Reg.ENABLE)
        free_irq(self.card.irq, self)
        for ring, direction in ((self.tx, DMA_TO_DEVICE), (self.rx, DMA_FROM_DEVICE)):
            for slot in ring.slots:
                if slot.buf is not None or slot.block is not None:
                    self.release(slot, direction)
        dma_pool_destroy(self.pool)
        self.tx.free()
        self.rx.free()


def main(kernel, capture=None):
    """Receive a capture and send every packet back; return what was received and what was sent."""
    packets = read_pcap(Path(capture).read_bytes()) if capture else make_packets()
    with NetworkCard(kernel) as card:
        driver = Driver(card)
        card.arriving += packets
        answered = 0
        while driver.poll():
            while answered < len(driver.received):
                packet = driver.received[answered]
                if driver.xmit(packet[6:12] + packet[:6] + packet[12:]) == NETDEV_TX_BUSY:
                    break                       # stopped until something was sent
                answered += 1
        driver.remove()
        return driver.received, card.sent, driver.dropped
