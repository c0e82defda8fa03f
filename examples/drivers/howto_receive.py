"""The receive buffer of the kernel's DMA-API-HOWTO: mapped once, lent to the CPU by a sync.

The card writes a packet into the buffer and interrupts. The handler looks at the header; if the
packet is wanted it unmaps the buffer, hands it up and maps a new one; if not, it gives the buffer
back to the card as it is.

    dmapath run examples/drivers/howto_receive.py --matrix
"""

from kernel_api import *
from sim.devices.receiver import Receiver, Reg, Status

SIZE = 512
#: What the card receives: first byte 1 is for us.
PACKETS = [bytes([kind]) + bytes([number]) * (SIZE - 1)
           for number, kind in enumerate((1, 0, 1, 1, 0, 0, 1), start=1)]


class Card:
    """The driver's state."""

    def __init__(self, card):
        self.dev, self.irq, self.regs = card.dev, card.irq, ioremap(card.base)
        self.received, self.event = [], Completion()
        request_irq(self.irq, self.interrupt, 0, "my card", self)
        writel(Status.TRANSFERRED | Status.ERROR, self.regs + Reg.ENABLE)
        self.make_and_setup_new_rx_buf()

    def make_and_setup_new_rx_buf(self):
        """Map a buffer, and give it to the card."""
        self.rx_buf = kmalloc(SIZE, GFP_ATOMIC)
        self.rx_dma = dma_map_single(self.dev, self.rx_buf, SIZE, DMA_FROM_DEVICE)
        if dma_mapping_error(self.dev, self.rx_dma):
            # Less urgent drivers would wait for room; this one does without further packets.
            kfree(self.rx_buf)
            self.rx_buf = None
            return
        self.give_rx_buf_to_card()

    def give_rx_buf_to_card(self):
        """Let the card write the buffer."""
        writel(lower_32_bits(self.rx_dma), self.regs + Reg.BUFFER)
        writel(upper_32_bits(self.rx_dma), self.regs + Reg.BUFFER_HI)
        writel(SIZE, self.regs + Reg.LENGTH)

    def interrupt(self, irq, dev_id):
        """Look at the header before deciding to take the packet."""
        if not readl(self.regs + Reg.STATUS) & Status.TRANSFERRED:
            return IRQ_NONE
        writel(Status.TRANSFERRED, self.regs + Reg.STATUS)
        # The CPU may have old contents of the buffer in its cache: see what the card has written.
        dma_sync_single_for_cpu(self.dev, self.rx_dma, SIZE, DMA_FROM_DEVICE)
        if cpu.load(self.rx_buf, 1) == b"\x01":
            dma_unmap_single(self.dev, self.rx_dma, SIZE, DMA_FROM_DEVICE)
            self.received.append(cpu.load(self.rx_buf, SIZE))       # passed to upper layers
            kfree(self.rx_buf)
            self.make_and_setup_new_rx_buf()
        else:
            # The CPU has not written to it, so dma_sync_single_for_device is not needed. It would
            # be if the mapping were DMA_BIDIRECTIONAL and the contents were changed.
            self.give_rx_buf_to_card()
        complete(self.event)
        return IRQ_HANDLED

    def remove(self):
        """Take the last buffer back."""
        writel(0, self.regs + Reg.LENGTH)
        writel(0, self.regs + Reg.ENABLE)
        free_irq(self.irq, self)
        if self.rx_buf is not None:
            dma_unmap_single(self.dev, self.rx_dma, SIZE, DMA_FROM_DEVICE)
            kfree(self.rx_buf)


def main(kernel):
    """Receive all packets; return those that were for us."""
    with Receiver(kernel, PACKETS) as card:
        driver = Card(card)
        while wait_for_completion_timeout(driver.event, 10_000):
            pass
        driver.remove()
        return driver.received
