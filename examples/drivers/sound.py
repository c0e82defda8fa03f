"""A sound card: both buffers go round for ever, and each period is refilled, or read, in time.

It can play from 4 GiB of addresses and record to 16 MiB, as old cards do. So the driver asks for
each mask in turn, and uses what it gets: where 24 bits are refused, it records by the CPU. The
buffer to play from is coherent; the one to record to is mapped once, and lent to the CPU period by
period.

    dmapath run examples/drivers/sound.py --matrix
"""

from kernel_api import *
from sim.devices.sound import Event, Reg, SoundCard

PERIOD, PERIODS = 256, 4
SIZE = PERIOD * PERIODS


def make_sound(periods, pitch):
    """Make a noise of 16-bit samples."""
    return b"".join((index * index * pitch % 65536).to_bytes(2, "little")
                    for index in range(periods * PERIOD // 2))


class Driver:
    """The driver."""

    def __init__(self, card, sound):
        self.card, self.dev, self.regs = card, card.dev, ioremap(card.base)
        self.sound, self.recorded, self.event = sound, b"", Completion()
        self.refilled = self.played = self.heard = 0            # periods
        # The mask for playback first, and the buffer while it holds.
        if dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(32)):
            raise OSError("playback disabled due to DMA limitations")
        self.play, self.play_dma = dma_alloc_coherent(self.dev, SIZE, GFP_KERNEL)
        if self.play is None:
            raise MemoryError("no room for a buffer")
        self.records_by_dma = not dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(24))
        if self.records_by_dma:
            self.record = kzalloc(SIZE, GFP_KERNEL)
            self.record_dma = dma_map_single(self.dev, self.record, SIZE, DMA_FROM_DEVICE)
            if dma_mapping_error(self.dev, self.record_dma):
                kfree(self.record)
                self.records_by_dma = False
        if not self.records_by_dma:
            dev_warn(self.dev, "recorded by the CPU due to DMA limitations")
        request_irq(card.irq, self.interrupt, 0, "sound card", self)

    def start(self):
        """Fill the buffer, and let both streams run."""
        for _ in range(PERIODS):
            self.refill()
        writel(PERIOD, self.regs + Reg.PERIOD)
        writel(Event.PLAYED | Event.RECORDED | Event.ERROR, self.regs + Reg.ENABLE)
        streams = [(Reg.PLAY, self.play_dma)]
        if self.records_by_dma:
            streams.append((Reg.RECORD, self.record_dma))
        for reg, dma in streams:
            writel(lower_32_bits(dma), self.regs + reg)
            writel(upper_32_bits(dma), self.regs + reg + 4)
            writel(SIZE, self.regs + reg + 8)

    def refill(self):
        """Put the next part of the sound where the card comes by last."""
        part = self.sound[self.refilled * PERIOD:][:PERIOD].ljust(PERIOD, b"\0")
        cpu.store(self.play + self.refilled % PERIODS * PERIOD, part)
        self.refilled += 1

    def hear(self):
        """Take a period that was recorded, while the card is at another one."""
        at = self.heard % PERIODS * PERIOD
        dma_sync_single_range_for_cpu(self.dev, self.record_dma, at, PERIOD, DMA_FROM_DEVICE)
        self.recorded += cpu.load(self.record + at, PERIOD)
        dma_sync_single_range_for_device(self.dev, self.record_dma, at, PERIOD, DMA_FROM_DEVICE)
        self.heard += 1

    def interrupt(self, irq, dev_id):
        """See to the period that is over: it comes round again soon."""
        status = readl(self.regs + Reg.STATUS)
        if not status:
            return IRQ_NONE
        writel(status, self.regs + Reg.STATUS)
        if status & Event.PLAYED:
            self.played += 1
            self.refill()
            if not self.records_by_dma:
                self.recorded += b"".join(readl(self.regs + Reg.MICROPHONE).to_bytes(4, "little")
                                          for _ in range(PERIOD // 4))
        if status & Event.RECORDED:
            self.hear()
        complete(self.event)
        return IRQ_HANDLED

    def remove(self):
        """Stop both streams, and give everything back."""
        for reg in (Reg.ENABLE, Reg.PLAY_SIZE, Reg.RECORD_SIZE):
            writel(0, self.regs + reg)
        free_irq(self.card.irq, self)
        if self.records_by_dma:
            dma_unmap_single(self.dev, self.record_dma, SIZE, DMA_FROM_DEVICE)
            kfree(self.record)
        dma_free_coherent(self.dev, SIZE, self.play, self.play_dma)


def main(kernel):
    """Play and record ten periods, two and a half times round; return both."""
    sound, voice = make_sound(10, 3), make_sound(10, 7)
    with SoundCard(kernel, voice) as card:
        driver = Driver(card, sound)
        driver.start()
        while driver.played < 10 and wait_for_completion_timeout(driver.event, 100_000):
            pass
        driver.remove()
        return bytes(card.speaker), driver.recorded
