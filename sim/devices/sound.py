"""A sound card: it goes round and round in a buffer, and interrupts after each period."""

import enum

from kernel_api import DmaAddr, Kernel

from .model import Model

__all__ = ["Event", "Reg", "SoundCard"]


class Reg(enum.IntEnum):
    """Registers. Sizes in bytes; a stream runs while its ``..._SIZE`` is not 0."""

    STATUS = 0x00
    ENABLE = 0x04
    PERIOD = 0x08
    PLAY = 0x10                         # address of the buffer
    PLAY_HI = 0x14
    PLAY_SIZE = 0x18
    RECORD = 0x20
    RECORD_HI = 0x24
    RECORD_SIZE = 0x28
    MICROPHONE = 0x30                   # without DMA: the next word


class Event(enum.IntFlag):
    """Bits of ``STATUS`` and ``ENABLE``: a period is over, or a buffer could not be reached."""

    PLAYED = 1
    RECORDED = 2
    ERROR = 4


class SoundCard(Model):
    """The card: 32 address lines to play, and 24 to record.

    Parameters
    ----------
    kernel : Kernel
        On whose machine it is.
    microphone : bytes
        What there is to hear; then silence.

    Attributes
    ----------
    speaker : bytearray
        What was played.
    """

    def __init__(self, kernel: Kernel, microphone: bytes):
        super().__init__(kernel)
        self._microphone, self.speaker = bytearray(microphone), bytearray()
        self._at = {Reg.PLAY: 0, Reg.RECORD: 0}

    def _hear(self, size: int) -> bytes:
        heard = bytes(self._microphone[:size])
        del self._microphone[:size]
        return heard.ljust(size, b"\0")

    def read(self, offset: int) -> int:
        """Read a register, or a word of the microphone's."""
        if offset == Reg.MICROPHONE:
            return int.from_bytes(self._hear(4), "little")
        return super().read(offset)

    def turn(self) -> None:
        """Play and record a period."""
        period = self.read(Reg.PERIOD)
        if dma := self._next(Reg.PLAY, Reg.PLAY_SIZE, 32):
            played = self.end.read(dma, period)
            ok = played != "refused"
            self.speaker += played if ok else b""
            self.happened(Event.PLAYED if ok else Event.ERROR)
        if dma := self._next(Reg.RECORD, Reg.RECORD_SIZE, 24):
            ok = self.end.write(dma, self._hear(period))
            self.happened(Event.RECORDED if ok else Event.ERROR)

    def _next(self, base: Reg, size: Reg, bits: int) -> DmaAddr | None:
        """Address of a stream's next period; None if it does not run."""
        if not self.read(size):
            return None
        at, period = self._at[base], self.read(Reg.PERIOD)
        self._at[base] = (at + period) % self.read(size)
        return DmaAddr((self.read64(base) & (1 << bits) - 1) + at)
