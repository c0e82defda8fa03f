"""What passes between the parts of the IOMMU."""

from amaranth import *
from amaranth.lib import data, enum

from rtl.axi.signature import Burst, dma_user_layout
from rtl.spec.page_table import PAGE_BITS, VPN_BITS

__all__ = ["LEVELS", "VPN_WIDTH", "Kind", "WalkStatus", "access_layout", "address_layout",
           "context_layout", "fault_layout", "flags_layout", "leaf_layout", "page_layout",
           "refused_layout", "same_page", "translate"]

#: Levels of the first-stage page table: Sv39.
LEVELS = 3
#: Width of a virtual page number.
VPN_WIDTH = LEVELS * VPN_BITS
#: Bits of the page number that the page offset takes over, for each bit of ``covers``.
_COVERED = ((0, 4), (4, VPN_BITS), (VPN_BITS, 2 * VPN_BITS))


class Kind(enum.Enum, shape=2):
    """What a device wants to do."""

    READ = 0
    WRITE = 1
    EXECUTE = 2


class WalkStatus(enum.Enum, shape=2):
    """How a page walk ended."""

    LEAF = 0
    PAGE_FAULT = 1
    ACCESS_FAULT = 2


def address_layout(*, id_width: int, addr_width: int = 64, user=None) -> data.StructLayout:
    """Make the payload of AR or AW, as in ``axi.Signature``; with the device's AxUSER."""
    return data.StructLayout({
        "id": id_width, "addr": addr_width, "len": 8, "size": 3, "burst": Burst, "lock": 1,
        "cache": 4, "prot": 3, "qos": 4, "user": dma_user_layout() if user is None else user,
    })


def access_layout() -> data.StructLayout:
    """Make the layout of what a device wants, and whether it has supervisor privilege."""
    return data.StructLayout({"kind": Kind, "privileged": 1})


def page_layout(phys_bits: int) -> data.StructLayout:
    """Make the layout of a physical page.

    ``covers`` is a thermometer of its size: bit 0 from 64 KiB, bit 1 from 2 MiB, bit 2 for 1 GiB.
    """
    return data.StructLayout({"ppn": phys_bits - PAGE_BITS, "covers": len(_COVERED)})


def flags_layout() -> data.StructLayout:
    """Make the layout of the flags of a leaf entry; without A, which each that is used has."""
    return data.StructLayout({"r": 1, "w": 1, "x": 1, "u": 1, "g": 1, "d": 1})


def leaf_layout(phys_bits: int) -> data.StructLayout:
    """Make the layout of a leaf page-table entry, once it has been found good."""
    return data.StructLayout({"page": page_layout(phys_bits), "flags": flags_layout()})


def translate(page: data.View, vpn: Value) -> Value:
    """Give the physical page number of virtual page ``vpn`` in ``page``."""
    parts = [Mux(page.covers[k], vpn[low:high], page.ppn[low:high])
             for k, (low, high) in enumerate(_COVERED)]
    return Cat(*parts, page.ppn[_COVERED[-1][1]:])


def same_page(left: Value, right: Value, covers: Value) -> Value:
    """Whether two virtual page numbers are equal in the bits that ``covers`` leaves."""
    parts = [covers[k] | (left[low:high] == right[low:high])
             for k, (low, high) in enumerate(_COVERED)]
    return Cat(*parts, left[_COVERED[-1][1]:] == right[_COVERED[-1][1]:]).all()


def context_layout(phys_bits: int) -> data.StructLayout:
    """Make the layout of what is kept of a device context.

    ``paged``: iosatp is Sv39, else Bare; ``root``: its page number, and ``root_wide``, high if that
    does not fit in a physical address.
    """
    return data.StructLayout({
        "paged": 1, "pscid": 20, "root": phys_bits - PAGE_BITS, "root_wide": 1,
        "pdtv": 1, "dtf": 1})


def fault_layout() -> data.StructLayout:
    """Make the layout of a fault: the fields of a record that this build can set."""
    return data.StructLayout({
        "cause": 12, "pid": 20, "pv": 1, "priv": 1, "ttyp": 6, "did": 24, "iotval": 64})


def refused_layout(id_width: int) -> data.StructLayout:
    """Make the layout of a burst that is answered with SLVERR instead of passed on."""
    return data.StructLayout({"id": id_width, "len": 8})
