"""Stream engines in the whole system: RTL and golden model do the same."""

import pytest

from kernel_api import GFP_KERNEL, boot, dma_alloc_coherent
from kernel_api.device.device import Device, device_register
from kernel_api.platform.registers import Registers
from rtl.spec.axi_dma_regs import AXI_DMA_REGISTERS
from rtl.spec.descriptor import AXI_DMA_CONTROL, AXI_DMA_STATUS, AxiDmaWord
from rtl.spec.platform import AXI_DMA_BASE


class Raw:
    """Registers and coherent memory, without a driver."""

    def __init__(self, kernel):
        self.kernel, self.machine = kernel, kernel.machine
        self.end = kernel.machine.streams[0]
        self.dev = Device("raw", kernel.platform.stream_device_id)
        assert device_register(self.dev) == 0
        self.regs = Registers(AXI_DMA_REGISTERS, kernel.machine, AXI_DMA_BASE)
        self.va, self.dma = dma_alloc_coherent(self.dev, 16384, GFP_KERNEL)

    def reg(self, channel, name):
        return getattr(self.regs, f"{channel}_{name}")

    def write(self, offset, data):
        self.kernel.cpu.store(self.va + offset, data)

    def read(self, offset, size):
        return self.kernel.cpu.load(self.va + offset, size)

    def descriptors(self, at, parts):
        """Lay out descriptors of (offset, size, sof, eof)."""
        for k, (offset, size, sof, eof) in enumerate(parts):
            words = {AxiDmaWord.NXTDESC: self.dma + at + (k + 1) % len(parts) * 64,
                     AxiDmaWord.BUFFER: self.dma + offset}
            image = bytearray(64)
            for word, value in words.items():
                image[word:word + 8] = int(value).to_bytes(8, "little")
            image[AxiDmaWord.CONTROL:][:4] = bytes(4)
            control = AXI_DMA_CONTROL.pack(length=size, sof=sof, eof=eof)
            image[AxiDmaWord.CONTROL:AxiDmaWord.CONTROL + 4] = control.to_bytes(4, "little")
            self.write(at + 64 * k, bytes(image))

    def status(self, at):
        word = int.from_bytes(self.read(at + AxiDmaWord.STATUS, 4), "little")
        return {name: value for name, value in AXI_DMA_STATUS.unpack(word).items() if value}

    def start(self, channel, at, count, **control):
        self.reg(channel, "curdesc").write(addr=(self.dma + at) // 64)
        self.reg(channel, "cr").write(run=1, **{"irq_threshold": 1, **control})
        self.reg(channel, "taildesc").write(addr=(self.dma + at) // 64 + count - 1)

    def until(self, test, cycles=20_000):
        for _ in range(cycles // 20):
            if test():
                return
            self.machine.wait(20)
        raise AssertionError("no end")

    def idle(self, channel):
        self.until(lambda: self.reg(channel, "sr").read("idle"))


def test_there_and_back(streaming_machine):
    """Two packets through the IOMMU and round the loopback, into buffers that cut them anew."""
    with boot(streaming_machine) as kernel:
        raw = Raw(kernel)
        data = bytes(range(1, 251)) * 2
        raw.write(0x1003, data)
        raw.end.loopback()
        raw.descriptors(0, [(0x1003, 100, 1, 0), (0x1067, 201, 0, 1), (0x1130, 199, 1, 1)])
        raw.descriptors(0x400, [(0x2005, 128, 0, 0), (0x20FE, 500, 0, 0), (0x3001, 500, 0, 0)])
        raw.start("s2mm", 0x400, 3)
        raw.start("mm2s", 0, 3)
        raw.idle("mm2s")
        raw.idle("s2mm")
        assert raw.status(0x400) == {"transferred": 128, "sof": 1, "cmplt": 1}
        assert raw.status(0x440) == {"transferred": 173, "eof": 1, "cmplt": 1}
        assert raw.status(0x480) == {"transferred": 199, "sof": 1, "eof": 1, "cmplt": 1}
        assert raw.status(0x40) == {"transferred": 201, "cmplt": 1}
        assert raw.read(0x2005, 128) + raw.read(0x20FE, 173) == data[:301]
        assert raw.read(0x3001, 199) == data[301:]
        assert raw.reg("s2mm", "sr").read("ioc_irq") == raw.reg("mm2s", "sr").read("ioc_irq") == 1
        assert raw.reg("mm2s", "done_bytes").read() == raw.reg("s2mm", "done_bytes").read() == 500


def test_single_transfers(streaming_machine):
    """A buffer each, by registers; what came is what LENGTH says, and too much is an error."""
    with boot(streaming_machine) as kernel:
        raw = Raw(kernel)
        raw.write(0x1001, b"hello, stream")
        for channel in ("mm2s", "s2mm"):
            raw.reg(channel, "cr").write(run=1, irq_threshold=1)
        raw.reg("mm2s", "sa").write(addr=raw.dma + 0x1001)
        raw.reg("mm2s", "length").write(bytes=13)
        raw.idle("mm2s")
        raw.until(lambda: raw.reg("mm2s", "done_bytes").read() == 13)
        (packet,) = raw.end.received()
        assert packet.data == b"hello, stream" and not packet.cut
        raw.reg("s2mm", "da").write(addr=raw.dma + 0x2007)
        raw.reg("s2mm", "length").write(bytes=64)
        raw.end.send(b"and back")
        raw.idle("s2mm")
        assert raw.reg("s2mm", "length").read() == 8
        assert raw.read(0x2007, 8) == b"and back"
        raw.reg("s2mm", "length").write(bytes=4)
        raw.end.send(b"too long")
        raw.until(lambda: raw.reg("s2mm", "sr").read("halted"))
        assert raw.reg("s2mm", "sr").read("dma_int_err")
        assert raw.reg("mm2s", "sr").read("idle"), "the other channel goes on"


def test_part_of_a_packet(streaming_machine):
    """What does not end a packet is whole beats; nothing is no packet."""
    (end,) = streaming_machine.streams
    for data, last in ((b"", True), (b"1234567", False)):
        with pytest.raises(ValueError, match=rf"^Part of a packet must be whole beats of 8 bytes, "
                                             rf"not {len(data)} bytes$"):
            end.send(data, last=last)
    end.send(bytes(16), last=False)
    assert end.unsent in (0, 8, 16)         # the RTL's device has taken some of it
    assert end.received() == [] and end.unended() == b""
