"""What a descriptor of a DMA engine is made of."""

from dataclasses import dataclass

from ..core.addresses import DmaAddr

__all__ = ["DataChunk", "DmaInterleavedTemplate", "DmaSlaveConfig", "Piece"]


@dataclass(frozen=True)
class Piece:
    """What an engine does at once: rows of bytes, which are copied, or filled with a pattern.

    ``size`` is that of a row; strides are the distances of two rows, in bytes, and 0 is a fixed
    address. ``pattern`` has 8 bytes, repeated from the first byte of each row on; then ``src``
    means nothing.
    """

    src: DmaAddr
    dst: DmaAddr
    size: int
    rows: int = 1
    src_stride: int = 0
    dst_stride: int = 0
    pattern: int | None = None

    @property
    def total(self) -> int:
        """Bytes of all rows."""
        return self.size * self.rows


@dataclass(frozen=True)
class DmaSlaveConfig:
    """``struct dma_slave_config``: addresses of a device's data registers, and bytes an access.

    ``peripheral_config`` is what the driver of the channel takes besides.
    """

    src_addr: int = 0
    dst_addr: int = 0
    src_addr_width: int = 4
    dst_addr_width: int = 4
    peripheral_config: object = None


@dataclass(frozen=True)
class DataChunk:
    """``struct data_chunk``: bytes, and the gap behind them (on both sides, or on one)."""

    size: int
    icg: int = 0
    src_icg: int = 0
    dst_icg: int = 0


@dataclass(frozen=True)
class DmaInterleavedTemplate:
    """``struct dma_interleaved_template``: ``numf`` frames of chunks.

    A side with ``inc`` clear stays at its address.
    """

    src_start: DmaAddr
    dst_start: DmaAddr
    numf: int
    sgl: tuple[DataChunk, ...]
    src_sgl: bool = True
    dst_sgl: bool = True
    src_inc: bool = True
    dst_inc: bool = True

    def columns(self) -> list[Piece]:
        """Each chunk of a frame, with as many rows as there are frames."""
        src = dst = 0
        places = []
        for chunk in self.sgl:
            places.append((src, dst, chunk.size))
            src += (chunk.size + (chunk.src_icg or chunk.icg) * self.src_sgl) * self.src_inc
            dst += (chunk.size + (chunk.dst_icg or chunk.icg) * self.dst_sgl) * self.dst_inc
        return [Piece(self.src_start + at, self.dst_start + to, size, self.numf, src, dst)
                for at, to, size in places]

    def pieces(self) -> list[Piece]:
        """Every chunk, frame by frame."""
        columns = self.columns()
        return [Piece(column.src + frame * column.src_stride,
                      column.dst + frame * column.dst_stride, column.size)
                for frame in range(self.numf) for column in columns]
