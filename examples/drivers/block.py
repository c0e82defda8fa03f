"""A block device: requests are scatterlists; when a map fails, the queue says busy and tries later.

The disk is an image that the device holds; the driver reads and writes sectors of it.
"""

from kernel_api import *
from sim.device_end import DeviceEnd

SECTOR = 512
#: Sectors of the disk, and what is on it.
DISK = bytearray(b"".join(number.to_bytes(2, "little") * (SECTOR // 2) for number in range(64)))


class Disk:
    """The driver."""

    def __init__(self, device, image):
        self.device, self.dev, self.image = device, device.dev, image

    def request(self, sector, sgl, nents, direction):
        """Do a request. 0; ``-EBUSY``: the map failed, try again later; ``-EIO``."""
        count = dma_map_sg(self.dev, sgl, nents, direction)
        if not count:
            return -EBUSY
        at, rc = sector * SECTOR, 0
        for sg, _ in for_each_sg(sgl, count):
            length = sg_dma_len(sg)
            if direction == DMA_FROM_DEVICE:
                ok = self.device.write(sg_dma_address(sg), bytes(self.image[at:at + length]))
            else:
                data = self.device.read(sg_dma_address(sg), length)
                ok = data != "refused"
                if ok:
                    self.image[at:at + length] = data
            rc = rc if ok else -EIO
            at += length
        dma_unmap_sg(self.dev, sgl, nents, direction)
        return rc


def make_list(sizes):
    """List of buffers of so many bytes, each in a page of its own."""
    sgl = [Scatterlist() for _ in sizes]
    sg_init_table(sgl, len(sgl))
    for sg, size in zip(sgl, sizes, strict=True):
        sg_set_buf(sg, get_zeroed_page(GFP_KERNEL), size)
    return sgl


def main(kernel):
    """Copy sectors 3 to 18 to 40 and on; return results and the disk."""
    with DeviceEnd(kernel) as device:
        disk = Disk(device, bytearray(DISK))
        sgl = make_list([4096, 1024, 3072])
        results = [disk.request(3, sgl, 3, DMA_FROM_DEVICE)]
        _, data = sg_copy_to_buffer(sgl, 3, 16 * SECTOR)
        results.append(disk.request(40, sgl, 3, DMA_TO_DEVICE))
        return results, data == bytes(DISK[3 * SECTOR:19 * SECTOR]), bytes(disk.image)
