"""Rules for the address channels of AXI4."""

from amaranth import *

from rtl.axi.signature import Burst

from .channel import claim

__all__ = ["address_rules"]


def address_rules(m: Module, p, rule: str, where: str, *, bus_bytes: int):
    """Add to ``m`` the rules for the address ``p``, whose names begin with ``rule``.

    Source: Arm IHI 0022, "AMBA AXI Protocol Specification", sections "Address structure",
    "Exclusive access restrictions" and "Memory types".
    """
    addr, length, size, cache = p.addr, p.len, p.size, p.cache
    page = addr[:12]
    within_beat = ((1 << size) - 1)[:7]
    total = ((length + 1) << size)[:16]         # bytes

    def check(name, test, text):
        claim(m, test, f"{rule}_{name} at {where}: {text}", addr=addr)

    check("SIZE", 1 << size <= bus_bytes, "beat wider than the bus")
    check("CACHE", cache[1] | ~cache[2:].any(), "allocates but is not modifiable")
    with m.Switch(p.burst):
        with m.Case(Burst.FIXED):
            check("FIXED_LEN", length < 16, "more than 16 beats")
        with m.Case(Burst.INCR):
            check("4K", ((page | within_beat) ^ within_beat) + total <= 4096, "leaves its 4 KiB")
        with m.Case(Burst.WRAP):
            check("WRAP_LEN", (length == 1) | (length == 3) | (length == 7) | (length == 15),
                  "not 2, 4, 8 or 16 beats")
            check("WRAP_ALIGN", (page & within_beat) == 0, "not aligned to a beat")
        with m.Default():
            check("BURST", 0, "reserved burst type")
    with m.If(p.lock):
        check("LOCK_SIZE", (length < 16) & (total <= 128) & ((total & (total - 1)) == 0),
              "exclusive access not of a power of two up to 128 bytes")
        check("LOCK_ALIGN", (page & (total - 1)) == 0, "exclusive access not aligned")
