"""Levels, indices and ranges of tables, of 64-bit entries or of 32-bit ones (Sv32)."""

from amaranth import *
from amaranth.lib import data

from rtl.params import IommuParams
from rtl.spec.page_table import VPN_BITS, VPN_BITS_SV32

__all__ = ["beyond_guest", "canonical", "drop_page", "entry_offset", "first_top", "guest_top",
           "is_narrow", "root_part"]

_NARROW_TOP = 1                         # highest level of Sv32


def _depths(levels: int) -> list[int]:
    """Bits of a page number in each mode with 64-bit entries."""
    return [VPN_BITS * n for n in range(3, levels + 1)]


def _chosen(values: list[Value], number: Value) -> Value:
    return Array(values)[number] if values else Const(0)


def is_narrow(context: data.View, second: Value) -> Value:
    """Whether entries of a stage have 32 bits; no bits if they never have."""
    if not len(context.sxl):
        return Const(0, 0)
    return Mux(second, context.gxl.any(), context.sxl)


def entry_offset(page: Value, level: Value, narrow: Value) -> Value:
    """Where the entry for a page is in a table of ``level``, in bytes."""
    wide = Cat(Const(0, 3), page.word_select(level, VPN_BITS)[:VPN_BITS])
    if not len(narrow):
        return wide
    index = Mux(level.any(), page[VPN_BITS_SV32:2 * VPN_BITS_SV32], page[:VPN_BITS_SV32])
    return Mux(narrow, Cat(Const(0, 2), index), wide)


def first_top(context: data.View) -> Value:
    """Level of the root of the first stage."""
    top = 2 + context.levels
    return Mux(context.sxl, _NARROW_TOP, top) if len(context.sxl) else top


def guest_top(context: data.View) -> Value:
    """Level of the root of the second stage."""
    top = 2 + context.guest_levels
    return Mux(context.gxl, _NARROW_TOP, top) if len(context.gxl) else top


def root_part(params: IommuParams, gpn: Value, context: data.View) -> Value:
    """Which of the four pages of the root of a second stage has the entry for a guest page."""
    part = _chosen([gpn[bits:bits + 2] for bits in _depths(params.guest_levels)],
                   context.guest_levels)
    if not len(context.gxl):
        return part
    return Mux(context.gxl, gpn[2 * VPN_BITS_SV32:2 * VPN_BITS_SV32 + 2], part)


def beyond_guest(params: IommuParams, gpn: Value, context: data.View) -> Value:
    """Whether a guest page is out of the range of its second stage.

    With SXL, guest addresses have 34 bits whatever its format.
    """
    beyond = _chosen([gpn[bits + 2:].any() for bits in _depths(params.guest_levels)],
                     context.guest_levels)
    if not len(context.sxl):
        return beyond
    return Mux(context.sxl, gpn[2 * VPN_BITS_SV32 + 2:].any(), beyond)


def canonical(params: IommuParams, page: Value, context: data.View) -> Value:
    """Whether a page of a device is in the range of the table that comes first."""
    signs = [page[bits - 1:] for bits in _depths(params.levels)]
    inside = _chosen([sign.all() | ~sign.any() for sign in signs], context.levels)
    if len(context.sxl):
        inside = Mux(context.sxl, ~page[2 * VPN_BITS_SV32:].any(), inside)
    if not params.two_stage:
        return inside
    return Mux(context.paged, inside, ~beyond_guest(params, page, context))


def drop_page(params: IommuParams, page: Value, held: Value, covers: Value) -> Value:
    """Page of a command that drops entries, as one with the page ``held`` must look at it.

    A page of 4 MiB is kept in halves of 2 MiB, and all must go: so what is as large has none of its
    bits compared that tells halves apart.
    """
    if not params.narrow:
        return page
    return Cat(page[:VPN_BITS], Mux(covers[1], held[VPN_BITS], page[VPN_BITS]),
               page[VPN_BITS + 1:])
