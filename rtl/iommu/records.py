"""What passes between the parts of the IOMMU.

A field that only some builds need has no bits in the others, and so costs nothing there.
"""

from amaranth import *
from amaranth.lib import data, enum

from rtl.axi.signature import Burst, dma_user_layout
from rtl.params import IommuParams
from rtl.spec.page_table import PAGE_BITS, VPN_BITS

from .events import origin_layout

__all__ = ["PAGE_NUMBER_BITS", "PPN_BITS", "Kind", "access_layout", "address_layout",
           "context_layout", "fault_layout", "flags_layout", "guest_fault_layout",
           "leaf_layout", "memory_user", "merge", "narrow", "page_layout", "qos_layout",
           "refused_layout", "same_page", "source_layout", "table_bits", "translate", "whole"]

#: Width of a page number in a table entry, and in an address of 64 bits.
PPN_BITS, PAGE_NUMBER_BITS = 44, 64 - PAGE_BITS
#: Bits of the page number that the page offset takes over, for each bit of ``covers``.
_COVERED = ((0, 4), *((max(4, VPN_BITS * k), VPN_BITS * (k + 1)) for k in range(4)))


class Kind(enum.Enum, shape=2):
    """What a device wants to do."""

    READ = 0
    WRITE = 1
    EXECUTE = 2


def address_layout(*, id_width: int, addr_width: int = 64, user=None) -> data.StructLayout:
    """Make the payload of AR or AW, as in ``axi.Signature``; with the device's AxUSER."""
    return data.StructLayout({
        "id": id_width, "addr": addr_width, "len": 8, "size": 3, "burst": Burst, "lock": 1,
        "cache": 4, "prot": 3, "qos": 4, "user": dma_user_layout() if user is None else user,
    })


def source_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of who accesses: all that chooses a context.

    ``process``: with a process, ``pid`` (else 0), and ``supervisor`` privilege; ``translated``: the
    address is said to be physical.
    """
    return data.StructLayout({
        "did": 24, "process": 1, "translated": 1,
        "supervisor": params.processes, "pid": 20 * params.processes})


def access_layout() -> data.StructLayout:
    """Make the layout of what a device wants, and whether it has supervisor privilege."""
    return data.StructLayout({"kind": Kind, "privileged": 1})


def qos_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of quality-of-service identifiers: to control and to count resources."""
    there = int(params.qosid)
    return data.StructLayout({"rcid": params.rcid_bits * there, "mcid": params.mcid_bits * there})


def memory_user(params: IommuParams) -> data.StructLayout | int:
    """Shape of AxUSER towards memory: :func:`qos_layout`, or nothing."""
    return qos_layout(params) if params.qosid else 0


def page_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of a physical page.

    ``covers`` is a thermometer of its size: bit 0 from 64 KiB, bit 1 from 2 MiB, bit 2 from 1 GiB,
    and so on. ``pbmt`` is its memory type.
    """
    return data.StructLayout({
        "ppn": params.ppn_bits, "covers": params.depth, "pbmt": 2 * params.svpbmt})


def flags_layout() -> data.StructLayout:
    """Make the layout of the permissions of a page, in both stages; ``w`` only with D."""
    return data.StructLayout({"r": 1, "w": 1, "x": 1, "u": 1, "g": 1})


def leaf_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of a translation."""
    return data.StructLayout({"page": page_layout(params), "flags": flags_layout()})


def merge(covers: Value, inside: Value, outside: Value) -> Value:
    """Take the bits of a page number that ``covers`` covers from one, and the others from other."""
    parts = [Mux(covers[k], inside[low:high], outside[low:high])
             for k, (low, high) in enumerate(_COVERED[:len(covers)])]
    return Cat(*parts, outside[_COVERED[len(covers) - 1][1]:])


def translate(page: data.View, vpn: Value) -> Value:
    """Give the physical page number of virtual page ``vpn`` in ``page``."""
    return merge(page.covers, vpn, page.ppn)[:len(page.ppn)]


def same_page(left: Value, right: Value, covers: Value) -> Value:
    """Whether two virtual page numbers are equal in the bits that ``covers`` leaves."""
    parts = [covers[k] | (left[low:high] == right[low:high])
             for k, (low, high) in enumerate(_COVERED[:len(covers)])]
    return Cat(*parts, left[_COVERED[len(covers) - 1][1]:] ==
               right[_COVERED[len(covers) - 1][1]:]).all()


def whole(params: IommuParams) -> int:
    """Give the sizes, as ``covers``, of pages that cannot reach beyond the physical address space.

    A larger one is kept in parts, since only the part that was asked for is known to be within.
    """
    return sum(1 << k for k, (_, high) in enumerate(_COVERED) if high <= params.ppn_bits)


def table_bits(params: IommuParams) -> int:
    """Width in which the page number of a table is kept: see :func:`narrow`."""
    return PPN_BITS if params.two_stage else params.ppn_bits + 1


def narrow(params: IommuParams, ppn: Value) -> Value:
    """Cut the page number of a table to what is kept of it.

    It may be a guest page number, which is kept whole. Else one bit above the physical address
    tells that it is too wide, whatever it is.
    """
    if params.two_stage:
        return ppn
    return Cat(ppn[:params.ppn_bits], ppn[params.ppn_bits:].any())


def context_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of what is kept of a device context, and of its process context.

    - ``dtf``; ``sum`` for supervisors; ``sade`` and ``gade``, update of A and D in either stage.
    - First stage: ``paged`` if it is not Bare, ``levels`` less 3, ``pscid``, ``root``.
    - Second stage: the same with ``guest`` in the name, and ``gscid``.
    - ``sxl`` and ``gxl``: tables of either stage have 32-bit entries, and addresses 32 or 34 bits.
    - ``msi``: there is an MSI page table at ``msi_root`` for the guest page numbers that agree with
      ``msi_pattern`` where ``msi_mask`` has zeros; ``did`` is whose context this is.
    - ``big`` and ``sbe``: structures of host and hypervisor, and those of the first stage and of
      processes, are big-endian.
    - ``qos``: identifiers for accesses of the device, and for those to its tables.
    - ``origin``: the same for the performance monitor, with the process.
    """
    two, msi = params.two_stage, params.msi
    return data.StructLayout({
        "dtf": 1, "sum": params.processes,
        "sade": params.amo_hwad, "gade": params.amo_hwad and two,
        "sxl": params.narrow, "gxl": params.sv32x4,
        "paged": 1, "levels": params.levels - 3, "pscid": 20, "root": table_bits(params),
        "guest": two, "guest_levels": two and max(params.guest_levels - 3, 0), "gscid": 16 * two,
        "guest_root": two and PPN_BITS,
        "msi": msi, "msi_root": msi and PPN_BITS, "msi_mask": msi * params.gpn_bits,
        "msi_pattern": msi * params.gpn_bits, "did": 24 * msi,
        "big": params.end, "sbe": params.end,
        "qos": qos_layout(params), "origin": origin_layout(params)})


def guest_fault_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of what iotval2 tells: guest page; implicit access; implicit write.

    If the cause is that it is a message to an interrupt file in memory, instead of the guest page
    the number of that file and whether it is ``beyond`` memory, and in ``number`` that of a notice.
    """
    two = params.two_stage
    return data.StructLayout({
        "gpn": PAGE_NUMBER_BITS * two, "implicit": two, "update": two and params.amo_hwad,
        "number": 11 * params.msi_mrif})


def fault_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of a fault: the fields of a record that this build can set."""
    return data.StructLayout({
        "cause": 12, "pid": 20, "pv": 1, "priv": 1, "ttyp": 6, "did": 24, "iotval": 64,
        "iotval2": 64 * params.two_stage})


def refused_layout(id_width: int) -> data.StructLayout:
    """Make the layout of a burst that is answered with SLVERR instead of passed on."""
    return data.StructLayout({"id": id_width, "len": 8})
