"""Bursts that would leave the page that is translated for them."""

from amaranth import *
from amaranth.lib import data

from rtl.axi.signature import Burst
from rtl.spec.page_table import PAGE_BYTES

__all__ = ["leaves_page"]


def leaves_page(access: data.View) -> Value:
    """High if a burst, of AW or AR, does not stay within 4 KiB, or is of the reserved type.

    AXI4 forbids that, but isolation must not depend on what a device obeys.

    Source: Arm IHI 0022, "AMBA AXI Protocol Specification", section "Burst length".
    """
    total = ((access.len + 1) << access.size)[:16]      # bytes
    begins = (access.addr[:12] >> access.size) << access.size
    kind = access.burst.as_value()
    return (~kind.matches(Burst.FIXED, Burst.INCR, Burst.WRAP) |
            (kind == Burst.INCR.value) & ((begins[:12] + total) > PAGE_BYTES) |
            (kind == Burst.WRAP.value) & (total > PAGE_BYTES))
