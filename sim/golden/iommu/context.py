"""Device and process directories: where contexts are, and which of them are accepted."""

from dataclasses import dataclass

from rtl.spec.bits import BitLayout
from rtl.spec.faults import Cause
from rtl.spec.page_table import (
    DC_BYTES,
    DC_IOHGATP,
    DC_TA,
    DC_TC,
    DDI_BITS_BASE,
    DDTE,
    IOSATP,
    PAGE_BYTES,
    DdtpMode,
    IosatpMode,
)
from rtl.spec.platform import BusError

from ..memory import PoisonError, Words
from .types import Access, Fault, Features, Request
from .walker import BARE, Stage1, Stage2, Walker

__all__ = ["DeviceContext", "Directory", "ProcessContext"]

_DC_BYTES_EXTENDED = 64
_DDI_BITS_EXTENDED = (6, 9, 9)
_PDI_BITS = (8, 9, 3)
_PC_BYTES = 16
_DDT_LEVELS = {DdtpMode.LVL1: 1, DdtpMode.LVL2: 2, DdtpMode.LVL3: 3}
_PC_TA = BitLayout("pc_ta", 64, {"v": (0, 1), "ens": (1, 1), "sum": (2, 1), "pscid": (12, 20)})
#: Bits of tc whose use an implementation may choose; this one ignores them.
_TC_CUSTOM = 0xFF << 24
_MSI_FLAT, _MSI_OFF = 1, 0
_MSI_PAGE_BITS = 52                     # width of msi_addr_mask and msi_addr_pattern
_ALIGN_X4 = 3                           # a second-stage root is 16 KiB


@dataclass(frozen=True)
class DeviceContext:
    """An accepted device context, by dword.

    ``msi`` is None, or page number of the table, mask and pattern; ``big`` and ``gxl`` are of
    ``fctl``.
    """

    tc: int
    iohgatp: int
    ta: int
    fsc: int
    msi: tuple[int, int, int] | None = None
    big: bool = False
    gxl: bool = False

    def has(self, field: str) -> bool:
        """Whether a bit of tc is set."""
        return bool(DC_TC.get(self.tc, field))

    @property
    def qos(self) -> tuple[int, int]:
        """RCID and MCID of this device's accesses."""
        return DC_TA.get(self.ta, "rcid"), DC_TA.get(self.ta, "mcid")

    @property
    def stage2(self) -> Stage2:
        """Second stage of this device."""
        mode = DC_IOHGATP.get(self.iohgatp, "mode")
        if mode == BARE:
            return Stage2()
        return Stage2(mode, DC_IOHGATP.get(self.iohgatp, "ppn"),
                      DC_IOHGATP.get(self.iohgatp, "gscid"), self.has("gade"), self.big,
                      self.gxl, self.has("sxl"))

    def stage1(self, fsc: int, pscid: int, permit_user: bool = False) -> Stage1:
        """First stage, with ``fsc`` from here or from a process context."""
        mode = IOSATP.get(fsc, "mode")
        if mode == BARE:
            return Stage1()
        return Stage1(mode, IOSATP.get(fsc, "ppn"), pscid, permit_user, self.has("sade"),
                      self.has("sbe"), self.has("sxl"))


@dataclass(frozen=True)
class ProcessContext:
    """An accepted process context, by dword."""

    ta: int
    fsc: int

    def get(self, field: str) -> int:
        """Read a field of ta."""
        return _PC_TA.get(self.ta, field)


class Directory:
    """Find and check contexts in ``memory``, without any cache.

    Source
    ------
    RISC-V IOMMU Architecture Specification, "Process to locate the Device-context",
    "Device-context configuration checks", and the same for the Process-context.
    """

    def __init__(self, memory: Words, features: Features, walker: Walker,
                 qos_bits: tuple[int, int] = (12, 12)):
        self._qos_bits = qos_bits if features.qosid else (0, 0)
        self._memory, self._features, self._walker = memory, features, walker
        self._ddi = _DDI_BITS_EXTENDED if features.msi_flat else DDI_BITS_BASE
        self._dc_bytes = _DC_BYTES_EXTENDED if features.msi_flat else DC_BYTES

    def fits(self, device_id: int, mode: int) -> bool:
        """Whether ``device_id`` is within what ``ddtp.iommu_mode`` can tell apart."""
        return not device_id >> sum(self._ddi[:_DDT_LEVELS[mode]])

    def device(self, device_id: int, mode: int, root: int, *, big: bool = False,
               gxl: bool = False) -> DeviceContext:
        """Device context of ``device_id``, with ``fctl.be`` and ``fctl.gxl``.

        Raises
        ------
        Fault
            Causes 257 to 259 and 268.
        """
        table = root * PAGE_BYTES
        causes = Cause.DDT_LOAD_FAULT, Cause.DDT_CORRUPTION
        index = _split(device_id, self._ddi)
        for level in reversed(range(1, _DDT_LEVELS[mode])):
            entry, = self._load(table + index[level] * 8, 1, causes, big)
            table = _pointer(entry, Cause.DDT_INVALID, Cause.DDT_MISCONFIGURED)
        dwords = self._load(table + index[0] * self._dc_bytes, self._dc_bytes // 8, causes,
                            big)
        if not DC_TC.get(dwords[0], "v"):
            raise Fault(Cause.DDT_INVALID)
        if not self._accepts(dwords, gxl):
            raise Fault(Cause.DDT_MISCONFIGURED)
        msi = None
        if self._features.msi_flat and IOSATP.get(dwords[4], "mode") == _MSI_FLAT:
            msi = IOSATP.get(dwords[4], "ppn"), dwords[5], dwords[6]
        return DeviceContext(*dwords[:4], msi, big, gxl)

    def process_fits(self, dc: DeviceContext, process_id: int) -> bool:
        """Whether ``process_id`` is within what pdtp.MODE can tell apart."""
        levels = IOSATP.get(dc.fsc, "mode")
        return not levels or not process_id >> sum(_PDI_BITS[:levels])

    def process(self, dc: DeviceContext, process_id: int, request: Request) -> ProcessContext:
        """Process context of ``process_id``, in the directory of ``dc``.

        Raises
        ------
        Fault
            Causes 265 to 267 and 269, or a guest-page fault.
        """
        table = IOSATP.get(dc.fsc, "ppn") * PAGE_BYTES
        index = _split(process_id, _PDI_BITS)
        for level in reversed(range(1, IOSATP.get(dc.fsc, "mode"))):
            entry, = self._load_process(dc, table + index[level] * 8, 1, request.access)
            table = _pointer(entry, Cause.PDT_INVALID, Cause.PDT_MISCONFIGURED)
        ta, fsc = self._load_process(dc, table + index[0] * _PC_BYTES, 2, request.access)
        if not _PC_TA.get(ta, "v"):
            raise Fault(Cause.PDT_INVALID)
        if ta & _PC_TA.reserved or fsc & IOSATP.reserved or not self._first_stage(
                fsc, dc.has("sxl")):
            raise Fault(Cause.PDT_MISCONFIGURED)
        return ProcessContext(ta, fsc)

    def _accepts(self, dwords: list[int], gxl: bool) -> bool:
        """Whether a valid device context breaks no rule of the configuration checks."""
        tc, iohgatp, ta, fsc = dwords[:4]
        has = {name: bool(DC_TC.get(tc, name)) for name in DC_TC}
        mode = DC_IOHGATP.get(iohgatp, "mode")
        rules = [
            not tc & DC_TC.reserved & ~_TC_CUSTOM,
            not (has["en_ats"] or has["en_pri"] or has["t2gpa"] or has["prpr"]),  # no ATS
            has["pdtv"] or not has["dpe"],
            self._features.amo_hwad or not (has["gade"] or has["sade"]),
            self._features.end or not has["sbe"],
            has["sxl"] if gxl else self._features.narrow or not has["sxl"],
            not ta & DC_TA.reserved,
            not any(DC_TA.get(ta, name) >> bits
                    for name, bits in zip(("rcid", "mcid"), self._qos_bits, strict=True)),
            not fsc & IOSATP.reserved,
            self._directory(fsc) if has["pdtv"] else self._first_stage(fsc, has["sxl"]),
            self._second_stage(mode, gxl),
            mode == BARE or not DC_IOHGATP.get(iohgatp, "ppn") & _ALIGN_X4,
        ]
        return all(rules) and (not self._features.msi_flat or self._accepts_msi(dwords[4:], mode))

    def _accepts_msi(self, dwords: list[int], iohgatp_mode: int) -> bool:
        pointer, mask, pattern, zero = dwords
        mode = IOSATP.get(pointer, "mode")
        unused = ~((1 << self._guest_bits() - 12) - 1) | -1 << _MSI_PAGE_BITS
        return (not pointer & IOSATP.reserved and mode in (_MSI_OFF, _MSI_FLAT) and
                not (mask | pattern) & unused and not zero and
                not (mode == _MSI_FLAT and iohgatp_mode == BARE))

    def _guest_bits(self) -> int:
        """Width of the guest physical addresses that an MSI page may have."""
        have = self._features
        return 59 if have.sv57x4 else 50 if have.sv48x4 else 41 if have.sv39x4 else (
            34 if have.sv32x4 else have.pas)

    def _first_stage(self, fsc: int, sxl: bool) -> bool:
        have = self._features
        if sxl:
            return bool({BARE: 1, IosatpMode.SV32: have.sv32}.get(IOSATP.get(fsc, "mode")))
        return bool({BARE: 1, IosatpMode.SV39: have.sv39, IosatpMode.SV48: have.sv48,
                     IosatpMode.SV57: have.sv57}.get(IOSATP.get(fsc, "mode")))

    def _second_stage(self, mode: int, gxl: bool) -> bool:
        have = self._features
        if gxl:
            return bool({BARE: 1, IosatpMode.SV32: have.sv32x4}.get(mode))
        return bool({BARE: 1, IosatpMode.SV39: have.sv39x4, IosatpMode.SV48: have.sv48x4,
                     IosatpMode.SV57: have.sv57x4}.get(mode))

    def _directory(self, fsc: int) -> bool:
        have = self._features
        return bool({BARE: 1, 1: have.pd8, 2: have.pd17, 3: have.pd20}.get(IOSATP.get(fsc, "mode")))

    def _load_process(self, dc: DeviceContext, addr: int, dwords: int,
                      access: Access) -> list[int]:
        causes = Cause.PDT_LOAD_FAULT, Cause.PDT_CORRUPTION
        try:
            where = self._walker.implicit(dc.stage2, addr, access)
        except Fault as fault:          # trouble with the second-stage table itself
            if fault.cause is Cause.PAGE_TABLE_CORRUPTION:
                raise Fault(Cause.PDT_CORRUPTION) from None
            if not fault.iotval2:
                raise Fault(Cause.PDT_LOAD_FAULT) from None
            raise
        return self._load(where, dwords, causes, dc.has("sbe"))

    def _load(self, addr: int, dwords: int, causes: tuple[Cause, Cause], big: bool) -> list[int]:
        try:
            data = self._memory.read(addr, dwords * 8)
        except PoisonError:
            raise Fault(causes[1]) from None
        except BusError:
            raise Fault(causes[0]) from None
        order = "big" if big else "little"
        return [int.from_bytes(data[n:n + 8], order) for n in range(0, len(data), 8)]


def _split(ident: int, widths: tuple[int, ...]) -> list[int]:
    """Index for each level, the leaf first."""
    index = []
    for width in widths:
        index.append(ident & (1 << width) - 1)
        ident >>= width
    return index


def _pointer(entry: int, invalid: Cause, misconfigured: Cause) -> int:
    """Address of the next table of a directory."""
    if not DDTE.get(entry, "v"):
        raise Fault(invalid)
    if entry & DDTE.reserved:
        raise Fault(misconfigured)
    return DDTE.get(entry, "ppn") * PAGE_BYTES
