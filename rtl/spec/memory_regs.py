"""Controls of the simulated memory. They exist in simulation only, at ``SIMULATION_BASE``."""

from .regmap import Access, Field, Register, RegisterMap

__all__ = ["MEMORY_REGISTERS"]

RO, RW = Access.RO, Access.RW

MEMORY_REGISTERS = RegisterMap("memory", "Simulated memory: latency and error injection.", (
    Register("latency", 0x00, "Latency.", (
        Field("cycles", 0, 16, RW, "Cycles from an address to its first beat, and from the last "
              "beat of data to B; 0 counts as 1.", reset=8),
        Field("jitter", 16, 16, RW, "Up to this many cycles more, at random; 2**n - 1."),
    )),
    Register("limit", 0x04, "Outstanding bursts.", (
        Field("reads", 0, 8, RW, "Reads taken before the first is answered, at most.", reset=16),
        Field("writes", 8, 8, RW, "Writes taken before the first is answered, at most.", reset=16),
    )),
    Register("error", 0x08, "Error injection.", (
        Field("read", 0, 1, RW, "Reads of the range are answered SLVERR."),
        Field("write", 1, 1, RW, "Writes to the range are answered SLVERR and change nothing."),
    )),
    Register("error_low", 0x10, "First byte of the range, low half.", (
        Field("addr", 0, 32, RW, "Bits 31:0 of the physical address."),)),
    Register("error_low_msb", 0x14, "First byte of the range, high half.", (
        Field("addr", 0, 32, RW, "Bits 63:32 of the physical address."),)),
    Register("error_high", 0x18, "First byte after the range, low half.", (
        Field("addr", 0, 32, RW, "Bits 31:0 of the physical address."),)),
    Register("error_high_msb", 0x1C, "First byte after the range, high half.", (
        Field("addr", 0, 32, RW, "Bits 63:32 of the physical address."),)),
))
