"""A network card made of the machine's stream engine: it moves packets between memory and a wire.

The same kind of driver as ``network.py``, for hardware: descriptors are those of AMD's AXI DMA, and
on the RTL each byte goes through its MM2S and S2MM channels. A packet whose map fails is dropped,
and the sender is told that all is well. Every packet that comes in is sent back.

    dmapath run examples/drivers/ethernet.py [CAPTURE.pcap] --machine rtl
"""

import struct
from pathlib import Path

from kernel_api import *
from rtl.spec.platform import AXI_DMA_BASE, Irq
from sim.devices.pcap import make_packets, read_pcap

#: What the machine must have for it.
PLATFORM = {"streams": 1}

RING, ENTRY, BUFFER = 8, 64, 2048
#: Registers of a channel, and some of their bits.
CR, SR, CURDESC, TAILDESC = 0x00, 0x04, 0x08, 0x10
MM2S, S2MM = 0x00, 0x30
RUN, RESET, ONE_PACKET, IRQS = 1 << 0, 1 << 2, 1 << 16, 0x7 << 12
#: Of a descriptor: link, buffer, two reserved words, control, status.
DESCRIPTOR = struct.Struct("<QQQII")
CONTROL, STATUS = 0x18, 0x1C
LENGTH, EOF, SOF, DONE, ERRORS = (1 << 26) - 1, 1 << 26, 1 << 27, 1 << 31, 0x7 << 28


class Channel:
    """A channel, its ring, and the mapped buffers in it."""

    def __init__(self, dev, regs, direction):
        self.dev, self.regs, self.direction = dev, regs, direction
        self.buffers = [None] * RING            # address, handle, bytes
        self.head = self.tail = 0               # first that is not done yet, first that is free
        self.ring, self.dma = dma_alloc_coherent(dev, RING * ENTRY, GFP_KERNEL)
        if self.ring is None:
            raise MemoryError("no room for a ring")
        self.write64(CURDESC, self.dma)
        writel(RUN | IRQS | ONE_PACKET, regs + CR)

    def write64(self, offset, value):
        """Write an address; the low half takes effect."""
        writel(upper_32_bits(value), self.regs + offset + 4)
        writel(lower_32_bits(value), self.regs + offset)

    @property
    def full(self):
        """Whether no descriptor is free; one stays empty."""
        return (self.tail + 1) % RING == self.head

    def add(self, buf, size):
        """Map a buffer, and describe it; it goes to the engine by :meth:`kick`. False: no room."""
        dma = dma_map_single(self.dev, buf, size, self.direction)
        if dma_mapping_error(self.dev, dma):
            return False
        link = int(self.dma) + (self.tail + 1) % RING * ENTRY
        control = size | (SOF | EOF if self.direction == DMA_TO_DEVICE else 0)
        cpu.store(self.ring + self.tail * ENTRY, DESCRIPTOR.pack(link, int(dma), 0, control, 0))
        self.buffers[self.tail] = buf, dma, size
        self.last, self.tail = self.tail, (self.tail + 1) % RING
        return True

    def kick(self):
        """Let the engine go on to what was added last."""
        self.write64(TAILDESC, self.dma + self.last * ENTRY)    # waits for the stores

    def take(self):
        """Oldest buffer that is done, unmapped, and the bytes in it; None if none is."""
        if self.head == self.tail:
            return None
        status = cpu.load_le(self.ring + self.head * ENTRY + STATUS, 4)
        if not status & DONE:
            return None
        buf = self.unmap(self.head)
        self.head = (self.head + 1) % RING
        return buf, 0 if status & ERRORS or not status & LENGTH <= BUFFER else status & LENGTH

    def unmap(self, index):
        """Take a buffer from the engine."""
        (buf, dma, size), self.buffers[index] = self.buffers[index], None
        dma_unmap_single(self.dev, dma, size, self.direction)
        return buf

    def remove(self):
        """Free all; the engine has stopped."""
        for index in range(RING):
            if self.buffers[index]:
                kfree(self.unmap(index))
        dma_free_coherent(self.dev, RING * ENTRY, self.ring, self.dma)


class Driver:
    """The driver."""

    def __init__(self, kernel):
        self.dev = Device("ethernet", kernel.platform.stream_device_id)
        self.event, self.dropped, self.received = Completion(), 0, []
        device_register(self.dev)
        if dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(64)):
            raise OSError("no usable DMA configuration")
        self.regs = ioremap(PhysAddr(AXI_DMA_BASE))
        self.tx = Channel(self.dev, self.regs + MM2S, DMA_TO_DEVICE)
        self.rx = Channel(self.dev, self.regs + S2MM, DMA_FROM_DEVICE)
        for irq, channel in ((Irq.MM2S, self.tx), (Irq.S2MM, self.rx)):
            request_irq(irq, self.interrupt, IRQF_SHARED, "ethernet", channel)
        self.refill()

    def interrupt(self, irq, channel):
        """Silence the channel; the rest is done later, where time is not short."""
        status = readl(channel.regs + SR) & IRQS
        if not status:
            return IRQ_NONE
        writel(status, channel.regs + SR)
        complete(self.event)
        return IRQ_HANDLED

    def refill(self):
        """Give the engine as many receive buffers as there is room for."""
        added = False
        while not self.rx.full:
            buf = kmalloc(BUFFER, GFP_ATOMIC)
            if not self.rx.add(buf, BUFFER):
                kfree(buf)
                break
            added = True
        if added:
            self.rx.kick()

    def xmit(self, packet):
        """Take a packet to send. False: not now, the ring is full."""
        if self.tx.full:
            return False
        cpu.store(buf := kmalloc(len(packet), GFP_ATOMIC), packet)
        if self.tx.add(buf, len(packet)):
            self.tx.kick()
        else:
            kfree(buf)
            self.dropped += 1
        return True

    def poll(self):
        """Wait for the engine, and see to both channels. Whether there was something to do."""
        if not wait_for_completion_timeout(self.event, 10_000):
            return False
        while done := self.tx.take():
            kfree(done[0])
        while done := self.rx.take():
            buf, size = done
            if size:
                self.received.append(cpu.load(buf, size))
            else:
                self.dropped += 1
            kfree(buf)
        self.refill()
        return True

    def remove(self):
        """Stop the engine, both channels at once, and give everything back."""
        writel(RESET, self.regs + CR)
        while readl(self.regs + CR) & RESET:
            pass
        for irq, channel in ((Irq.MM2S, self.tx), (Irq.S2MM, self.rx)):
            free_irq(irq, channel)
            channel.remove()
        device_unregister(self.dev)


def main(kernel, capture=None):
    """Receive a capture and send every packet back; return what was received and what was sent."""
    packets = read_pcap(Path(capture).read_bytes()) if capture else make_packets()
    wire, driver = kernel.machine.streams[0], Driver(kernel)
    for packet in packets:
        wire.send(packet)
    answered = 0
    while driver.poll():
        for packet in driver.received[answered:]:
            if not driver.xmit(packet[6:12] + packet[:6] + packet[12:]):
                break                           # stopped until something was sent
            answered += 1
    driver.remove()
    return driver.received, [packet.data for packet in wire.received()], driver.dropped
