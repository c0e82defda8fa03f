"""AXI4 as a bundle of five streams."""

from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from .lite import Resp

__all__ = ["Burst", "Resp", "Signature", "dma_user_layout"]


class Burst(enum.Enum, shape=2):
    """How the address moves from beat to beat."""

    FIXED = 0
    INCR = 1
    WRAP = 2


#: AxCACHE bits. A transaction with neither allocate bit is uncacheable.
CACHE_BUFFERABLE, CACHE_MODIFIABLE, CACHE_READ_ALLOCATE, CACHE_WRITE_ALLOCATE = 1, 2, 4, 8
#: AxCACHE of the CPU's accesses to cached memory: write-back, read and write allocate.
CACHE_WRITE_BACK = 0b1111
#: AxCACHE of accesses that bypass caches: normal memory, non-cacheable, bufferable.
CACHE_BYPASS = 0b0011
#: AxPROT bits.
PROT_PRIVILEGED, PROT_NONSECURE, PROT_INSTRUCTION = 1, 2, 4


def dma_user_layout() -> data.StructLayout:
    """AxUSER of a device's access: who it is, as the IOMMU must know it.

    ``device_id`` (24 bits), ``process_id`` (20 bits), ``process_valid``, and ``translated``: its
    address was translated before, by ATS. Privilege and execute are in AxPROT.
    """
    return data.StructLayout({
        "device_id": 24, "process_id": 20, "process_valid": 1, "translated": 1})


class Signature(wiring.Signature):
    """AXI4 interface, seen from the manager.

    Parameters
    ----------
    addr_width : int
        Width of byte addresses, in bits.
    data_width : int, power of two, 8 to 1024
        Width of the data bus, in bits.
    id_width : int
        Width of transaction IDs, in bits; at least 1.
    user : shape-like
        Shape of AxUSER; ``0`` (none) by default. With :func:`dma_user_layout`, on a device's
        side of an IOMMU, responses have ``refused``.
    poison : bool
        R tells which data is known to be corrupt, as in AXI5; not by default.

    Members
    -------
    aw, ar : ``Out(stream.Signature(...))``
        Write and read address: ``id``, ``addr``, ``len`` (beats - 1), ``size`` (log2 of bytes a
        beat), ``burst``, ``lock``, ``cache``, ``prot``, ``qos``, ``user``.
    w : ``Out(stream.Signature(...))``
        Write data: ``data``, ``strb``, ``last``.
    b : ``In(stream.Signature(...))``
        Write response: ``id``, ``resp``, and ``refused`` (BUSER) if there is: this SLVERR
        is the IOMMU's.
    r : ``In(stream.Signature(...))``
        Read data: ``id``, ``data``, ``resp``, ``last``, ``refused`` (RUSER) as in ``b``, and
        ``poison`` if there is.

    Raises
    ------
    TypeError
        If a width is not a positive integer.
    ValueError
        If ``data_width`` is not one of the values above.

    Source
    ------
    Arm IHI 0022, "AMBA AXI Protocol Specification", part A "AXI4", section "Signal descriptions";
    section "Data protection" of AXI5, for poison.
    """

    def __init__(self, *, addr_width: int, data_width: int = 64, id_width: int = 4, user=0,
                 poison: bool = False):
        for what, width in (("Address", addr_width), ("ID", id_width)):
            if not isinstance(width, int) or width <= 0:
                raise TypeError(f"{what} width must be a positive integer, not {width!r}")
        if data_width not in (8, 16, 32, 64, 128, 256, 512, 1024):
            raise ValueError(f"Data width must be a power of two from 8 to 1024, "
                             f"not {data_width!r}")
        self._addr_width = addr_width
        self._data_width = data_width
        self._id_width = id_width
        self._user = user
        self._poison = bool(poison)
        address = data.StructLayout({
            "id": id_width, "addr": addr_width, "len": 8, "size": 3, "burst": Burst, "lock": 1,
            "cache": 4, "prot": 3, "qos": 4, "user": user,
        })
        refused = {"refused": 1} if user == dma_user_layout() else {}
        super().__init__({
            "aw": Out(stream.Signature(address)),
            "w":  Out(stream.Signature(data.StructLayout({
                "data": data_width, "strb": data_width // 8, "last": 1}))),
            "b":  In(stream.Signature(data.StructLayout({
                "id": id_width, "resp": Resp, **refused}))),
            "ar": Out(stream.Signature(address)),
            "r":  In(stream.Signature(data.StructLayout({
                "id": id_width, "data": data_width, "resp": Resp, "last": 1, **refused,
                **({"poison": 1} if poison else {})}))),
        })

    @property
    def addr_width(self) -> int:
        """Width of byte addresses, in bits."""
        return self._addr_width

    @property
    def data_width(self) -> int:
        """Width of the data bus, in bits."""
        return self._data_width

    @property
    def id_width(self) -> int:
        """Width of transaction IDs, in bits."""
        return self._id_width

    @property
    def user(self):
        """Shape of AxUSER."""
        return self._user

    @property
    def poison(self) -> bool:
        """Whether R tells which data is corrupt."""
        return self._poison

    def __eq__(self, other):
        return (isinstance(other, Signature) and self.addr_width == other.addr_width and
                self.data_width == other.data_width and self.id_width == other.id_width and
                self.user == other.user and self.poison == other.poison)

    def __repr__(self):
        return (f"axi.Signature(addr_width={self.addr_width}, data_width={self.data_width}, "
                f"id_width={self.id_width}, user={self.user!r})")
