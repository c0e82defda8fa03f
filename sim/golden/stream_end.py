"""The device at the streams of a stream DMA engine, of the golden machine."""

from collections import deque
from typing import NamedTuple

__all__ = ["Packet", "StreamEnd"]


class Packet(NamedTuple):
    """A packet that the device received. ``cut``: the engine was reset within it."""

    data: bytes
    cut: bool = False


class StreamEnd:
    """Source and sink of packets, or a loopback. Time passes in steps of the machine.

    Parameters
    ----------
    data_bytes : int
        Width of the streams.
    """

    def __init__(self, data_bytes: int = 8):
        self._bytes = data_bytes
        self._packets: list[Packet] = []
        self._open = bytearray()
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._loop = self._held = False
        self._pace = self._steps = 0
        self._out = self._in = False        # a beat may pass in this step, each way

    # What programs use, on every machine

    def loopback(self, *, on: bool = True) -> None:
        """Send back whatever comes."""
        self._loop = on

    def hold(self, *, on: bool = True) -> None:
        """Take nothing."""
        self._held = on

    def pace(self, cycles: int) -> None:
        """Let a beat pass every so many cycles at most, each way; 1 is full speed."""
        self._pace = cycles if cycles > 1 else 0

    def send(self, data: bytes, *, last: bool = True) -> None:
        """Queue bytes for the engine; with ``last`` they end a packet, else whole beats."""
        if not data or (not last and len(data) % self._bytes):
            raise ValueError(f"Part of a packet must be whole beats of {self._bytes} bytes, not "
                             f"{len(data)} bytes")
        self._queue.append((bytes(data), last))

    @property
    def unsent(self) -> int:
        """Bytes that the engine has not taken yet."""
        return sum(len(data) for data, _ in self._queue)

    def received(self) -> list[Packet]:
        """Take the packets that have come since the last call."""
        packets, self._packets = self._packets, []
        return packets

    def unended(self) -> bytes:
        """Take what has come of a packet that has not ended."""
        data, self._open = bytes(self._open), bytearray()
        return data

    # What the engine uses

    def tick(self) -> None:
        """Let a step pass."""
        self._steps += 1
        self._out = self._in = not self._pace or self._steps % self._pace == 0

    def room(self) -> int | None:
        """Bytes that may be sent to the device in this step; None if any number."""
        if self._held or not self._out:
            return 0
        return self._bytes if self._pace else None

    def take(self, data: bytes, *, last: bool) -> None:
        """Take bytes from the engine."""
        self._out = not self._pace
        if self._loop:
            self._queue.append((data, last))
            return
        self._open += data
        if last:
            self._packets.append(Packet(bytes(self._open)))
            self._open.clear()

    def cut(self) -> None:
        """End a packet that the engine cannot end."""
        if self._loop:
            self._queue.append((bytes(1), True))
        else:
            self._packets.append(Packet(bytes(self._open), cut=True))
            self._open.clear()

    @property
    def waits(self) -> bool:
        """Whether the engine could take something, sooner or later."""
        return bool(self._queue)

    @property
    def takes(self) -> bool:
        """Whether the device takes something, sooner or later."""
        return not self._held

    def give(self, most: int) -> tuple[bytes, bool] | None:
        """Give the engine up to ``most`` bytes, and whether they end a packet; None if none now."""
        if not self._queue or not self._in:
            return None
        self._in = not self._pace
        data, last = self._queue.popleft()
        count = min(most, self._bytes if self._pace else most)
        if len(data) > count:
            self._queue.appendleft((data[count:], last))
            return data[:count], False
        return data, last
