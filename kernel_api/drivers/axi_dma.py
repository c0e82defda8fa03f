"""Driver of the AXI DMA: a channel to a stream and one from it, for the DMA engine API.

Source: docs/axi_dma.md; AMD PG021, "AXI DMA", section "Programming Sequence"; Linux
``drivers/dma/xilinx/xilinx_dma.c`` (order of the steps).
"""

from rtl.spec.axi_dma_regs import AXI_DMA_CHANNELS, AXI_DMA_REGISTERS
from rtl.spec.descriptor import AXI_DMA_APPS
from rtl.spec.platform import AXI_DMA_BASE, WINDOW_BYTES

from ..core.attrs import DMA_BIT_MASK
from ..core.errno import ENODEV
from ..core.kernel import Kernel
from ..device.device import Device, device_register, device_unregister
from ..device.masks import dma_set_mask_and_coherent
from ..device.messages import dev_err
from ..platform.registers import Registers
from .axi_dma_chan import AxiDmaChan

__all__ = ["AxiDma"]


class AxiDma:
    """The engine.

    Parameters
    ----------
    kernel : Kernel
        Kernel that drives it.
    pair : int
        Which one.
    app_words : bool
        Descriptors have application words as metadata, as for a device with control and status
        streams. Then a packet is not received before those words have come.

    Attributes
    ----------
    dev : Device
        What to map buffers for.
    tx, rx : AxiDmaChan
        Channels: ``axidma0tx`` sends packets, ``axidma0rx`` receives them.
    """

    def __init__(self, kernel: Kernel, pair: int = 0, *, app_words: bool = False):
        self._app_words = app_words
        self.dev = Device(f"axidma{pair}", kernel.platform.stream_device_id + pair)
        self.regs = Registers(AXI_DMA_REGISTERS, kernel.machine,
                              AXI_DMA_BASE + pair * WINDOW_BYTES)
        self.tx, self.rx = self._channels = tuple(
            AxiDmaChan(kernel, self.dev, self.regs, channel) for channel in AXI_DMA_CHANNELS)

    def probe(self) -> int:
        """Reset both channels, and set up what they need. 0 or a negative error number."""
        if (self.regs.cap.read("version") < 1 or
                self.regs.device_id.read("did") != self.dev.device_id):
            dev_err(self.dev, "no engine, or not with device ID %#x", self.dev.device_id)
            return -ENODEV
        if self._app_words and not self.regs.cap.read("apps"):
            dev_err(self.dev, "no application words in this build")
            return -ENODEV
        self.regs.options.write(split_reset=1, app_words=self._app_words)
        for channel in self._channels:
            channel.metadata_bytes = 4 * AXI_DMA_APPS * self._app_words
        if rc := self.tx.reset() or self.rx.reset() or device_register(self.dev):
            return rc
        bits = self._address_bits()
        # A refused mask is no failure: a narrower one will do.
        if dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(bits)) and (
                rc := dma_set_mask_and_coherent(self.dev, DMA_BIT_MASK(32))):
            return rc
        return self.tx.probe() or self.rx.probe()

    def _address_bits(self) -> int:
        """Find the width of DMA addresses: the engine keeps no more bits of a descriptor's."""
        self.regs.mm2s_curdesc.write(addr=DMA_BIT_MASK(58))
        return max(32, self.regs.mm2s_curdesc.read().bit_length())

    def remove(self) -> None:
        """Stop the engine, and give back what it had."""
        for channel in self._channels:
            channel.remove()
        device_unregister(self.dev)
