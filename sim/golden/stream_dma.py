"""The DMA engine to and from streams."""

from rtl.spec.axi_dma_regs import AXI_DMA_CHANNELS, AXI_DMA_REGISTERS

from .bus import Bursts, DeviceBus
from .lists import WORD
from .stream_channel import Mm2s, S2mm
from .stream_end import StreamEnd

__all__ = ["StreamDma"]

_VERSION = 1
_APP_WORDS = AXI_DMA_REGISTERS["options"]["app_words"]
_NAMES = {register.offset: register.name for register in AXI_DMA_REGISTERS}


class StreamDma:
    """AXI DMA: MM2S and S2MM. Each :meth:`step` moves what the stream allows, a buffer at most.

    As with the other engines, after an error only this is the same on every machine: the status
    register and word, the page of ``err_addr``, and memory outside the buffer that failed.

    Parameters
    ----------
    bus : DeviceBus
        Descriptors and data.
    device_id : int
        Value of the register of that name.
    data_bytes, max_beats, reads_in_flight : int
        Width of bus and streams in bytes, longest burst in beats, and what ``cap`` says.

    Attributes
    ----------
    end : StreamEnd
        The device at its streams.
    app_end : StreamEnd
        The same, at those of application words.

    Source
    ------
    AMD PG021, "AXI DMA", sections "Register Space", "Scatter Gather Mode" and "Errors".
    """

    def __init__(self, bus: DeviceBus, *, device_id: int = 0x18, data_bytes: int = 8,
                 max_beats: int = 16, reads_in_flight: int = 4):
        bursts = Bursts(data_bytes=data_bytes, beats=max_beats)
        self.end, self.app_end = StreamEnd(data_bytes), StreamEnd(4)
        ends = self.end, self.app_end
        self._channels = {"mm2s": Mm2s(bus, bursts, *ends), "s2mm": S2mm(bus, bursts, *ends)}
        self._values = {
            "cap": AXI_DMA_REGISTERS["cap"].pack({
                "version": _VERSION, "data_bytes_log2": data_bytes.bit_length() - 1, "cyclic": 1,
                "timer": 1, "apps": 1, "reads_in_flight": reads_in_flight,
                "max_beats_log2": max_beats.bit_length() - 1, "mm2s": 1, "s2mm": 1}),
            "device_id": device_id, "options": 0}

    @property
    def irq(self) -> int:
        """Levels of the interrupt lines: MM2S in bit 0, S2MM in bit 1."""
        return sum(self._channels[name].irq << k for k, name in enumerate(AXI_DMA_CHANNELS))

    @property
    def settled(self) -> bool:
        """Whether nothing will happen by itself."""
        return all(channel.settled for channel in self._channels.values())

    def read(self, offset: int) -> int:
        """Read the 32-bit register at ``offset``; zero where there is none."""
        name = _NAMES.get(offset, "")
        channel, _, own = name.partition("_")
        if channel in self._channels:
            return self._channels[channel].read(own) & WORD
        return self._values.get(name, 0)

    def write(self, offset: int, value: int) -> None:
        """Write the 32-bit register at ``offset``; ignored where there is none."""
        name = _NAMES.get(offset, "")
        channel, _, own = name.partition("_")
        if name == "options":
            self._values[name] = value & 3
            for each in self._channels.values():
                each.app_words = _APP_WORDS.get(value)
        elif own == "cr" and AXI_DMA_REGISTERS[name]["reset"].get(value):
            for each in [channel] if self._values["options"] & 1 else AXI_DMA_CHANNELS:
                self._channels[each].reset()
        elif channel in self._channels:
            self._channels[channel].write(own, value)

    def step(self) -> None:
        """Let both channels do what they can."""
        self.end.tick()
        self.app_end.tick()
        for channel in self._channels.values():
            channel.step()
