"""From the contract's word formats to Amaranth layouts."""

from amaranth import *
from amaranth.lib import data

from rtl.spec.bits import BitLayout

__all__ = ["reserved", "struct"]


def struct(layout: BitLayout) -> data.StructLayout:
    """Structure with the fields of ``layout`` at their places.

    Bits that no field names become members called ``reserved_<lsb>``.
    """
    members, end = {}, 0
    for name, (lsb, width) in sorted(layout.fields.items(), key=lambda item: item[1]):
        if lsb > end:
            members[f"reserved_{end}"] = lsb - end
        members[name] = width
        end = lsb + width
    if end < layout.width:
        members[f"reserved_{end}"] = layout.width - end
    return data.StructLayout(members)


def reserved(layout: BitLayout, word: data.View | Value, *, ignore: int = 0) -> Value:
    """High if a reserved bit of ``word`` is set. ``ignore`` has ones for bits that may be."""
    return (Value.cast(word) & (layout.reserved & ~ignore)).any()
