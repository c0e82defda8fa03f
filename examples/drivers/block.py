"""A block device: requests are scatterlists, and the queue says busy while one cannot be mapped.

The disk has 64 address lines, or 24 as an old one: then memory beyond 16 MiB bounces, or the IOMMU
gives it addresses below. Where neither is possible the driver moves each word by itself.

    dmapath run examples/drivers/block.py [DISK.img [24]] --matrix
"""

import hashlib
import io
from pathlib import Path

from kernel_api import *
from sim.devices.disk import COMMAND, SECTOR, SEGMENT, Disk, Operation, Reg

SEGMENTS = 16


def direction(operation):
    """Which way data go, as the DMA API says it."""
    return DMA_FROM_DEVICE if operation == Operation.READ else DMA_TO_DEVICE


class Request:
    """Sectors, and the memory that they come from or go to."""

    def __init__(self, operation, sector, sizes):
        self.operation, self.sector, self.status = operation, sector, None
        self.sgl = [Scatterlist() for _ in sizes]
        sg_init_table(self.sgl, len(sizes))
        for sg, size in zip(self.sgl, sizes, strict=True):
            sg_set_buf(sg, kmalloc(size, GFP_KERNEL), size)
        self.size = sum(sizes)

    def free(self):
        """Free the memory."""
        for sg in self.sgl:
            kfree(sg_virt(sg))


class Driver:
    """The driver: a queue of requests, of which the disk does one at a time."""

    def __init__(self, disk, bits):
        self.disk, self.dev, self.regs = disk, disk.dev, ioremap(disk.base)
        self.queue, self.done, self.busy = [], Completion(), 0
        self.command = None
        if not dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(bits)):
            self.command, self.command_dma = dma_alloc_coherent(self.dev, PAGE_SIZE, GFP_KERNEL)
        self.uses_dma = self.command is not None
        if not self.uses_dma:
            dev_warn(self.dev, "no memory within %d bits: words are moved by the CPU", bits)
            return
        dma_set_max_seg_size(self.dev, 64 << 10)
        dma_set_seg_boundary(self.dev, DMA_BIT_MASK(16))
        request_irq(disk.irq, self.interrupt, 0, "disk", self)
        writel(lower_32_bits(self.command_dma), self.regs + Reg.COMMAND)
        writel(upper_32_bits(self.command_dma), self.regs + Reg.COMMAND_HI)
        writel(1, self.regs + Reg.ENABLE)

    def interrupt(self, irq, dev_id):
        """Tell that the command is done."""
        if not readl(self.regs + Reg.STATUS):
            return IRQ_NONE
        writel(1, self.regs + Reg.STATUS)
        complete(self.done)
        return IRQ_HANDLED

    def submit(self, request):
        """Put a request at the end of the queue, and do what can be done."""
        self.queue.append(request)
        self.run_queue()

    def run_queue(self):
        """Do requests in order. One that has no room now stays, and so do those behind it."""
        while self.queue:
            request = self.queue[0]
            request.status = (self.transfer if self.uses_dma else self.move)(request)
            if request.status == -EBUSY:
                self.busy += 1
                return
            self.queue.pop(0)

    def transfer(self, request):
        """Do a request by DMA. 0; ``-EBUSY``: it cannot be mapped now; ``-EIO``."""
        nents, way = len(request.sgl), direction(request.operation)
        count = dma_map_sg(self.dev, request.sgl, nents, way)
        if not count:
            return -EBUSY
        segments = b"".join(SEGMENT.pack(int(sg_dma_address(sg)), sg_dma_len(sg))
                            for sg, _ in for_each_sg(request.sgl, count))
        cpu.store(self.command, COMMAND.pack(request.operation, request.sector, count, 0))
        cpu.store(self.command + COMMAND.size, segments)
        reinit_completion(self.done)
        writel(1, self.regs + Reg.GO)
        in_time = wait_for_completion_timeout(self.done, 1_000_000)
        failed = COMMAND.unpack(cpu.load(self.command, COMMAND.size))[3]
        dma_unmap_sg(self.dev, request.sgl, nents, way)             # not count
        return 0 if in_time and not failed else -EIO

    def move(self, request):
        """Do a request word by word."""
        writel(request.sector, self.regs + Reg.SECTOR)
        for sg in request.sgl:
            for at in range(0, sg.length, 4):
                if request.operation == Operation.READ:
                    cpu.store_le(sg_virt(sg) + at, readl(self.regs + Reg.DATA), 4)
                else:
                    writel(cpu.load_le(sg_virt(sg) + at, 4), self.regs + Reg.DATA)
        return 0

    def remove(self):
        """Give everything back."""
        if self.uses_dma:
            writel(0, self.regs + Reg.ENABLE)
            free_irq(self.disk.irq, self)
            dma_free_coherent(self.dev, PAGE_SIZE, self.command, self.command_dma)


def make_image(sectors=64):
    """Bytes of a disk: each sector is full of its number."""
    return b"".join(number.to_bytes(2, "little") * (SECTOR // 2) for number in range(sectors))


def main(kernel, image=None, bits="64"):
    """Copy 16 sectors from the 3rd on to the 40th; return them, and what is on the disk then."""
    # A file of the user is not written to: each machine works on a copy.
    data = Path(image).read_bytes() if image else make_image()
    if len(data) < 56 * SECTOR:
        raise ValueError(f"Image must have at least {56 * SECTOR} bytes, not {len(data)}")
    file = io.BytesIO(data)
    with Disk(kernel, file, address_bits=int(bits)) as disk:
        driver = Driver(disk, int(bits))
        sizes = (4096, 1024, 512, 2560)
        read, write = (Request(operation, sector, sizes)
                       for operation, sector in ((Operation.READ, 3), (Operation.WRITE, 40)))
        driver.submit(read)
        _, seen = sg_copy_to_buffer(read.sgl, len(sizes), read.size)
        sg_copy_from_buffer(write.sgl, len(sizes), seen, write.size)
        driver.submit(write)
        for request in (read, write):
            request.free()
        driver.remove()
    return read.status, write.status, seen, hashlib.sha256(file.getvalue()).hexdigest()
