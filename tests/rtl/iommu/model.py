"""Translation as the specification tells it, for one access at a time and without any cache."""

from rtl.spec.faults import Cause
from rtl.spec.page_table import DC_IOHGATP, DC_TA, DC_TC, DDTE, IOSATP, PTE, DdtpMode

PAGE_FAULT = {"r": Cause.READ_PAGE_FAULT, "w": Cause.WRITE_PAGE_FAULT, "x": Cause.EXEC_PAGE_FAULT}
ACCESS_FAULT = {"r": Cause.READ_ACCESS_FAULT, "w": Cause.WRITE_ACCESS_FAULT,
                "x": Cause.EXEC_ACCESS_FAULT}


class Fault(Exception):
    """The access is refused for ``cause``."""

    def __init__(self, cause: Cause):
        super().__init__(cause)
        self.cause = cause


class Model:
    """``load(addr)`` gives a doubleword, or None if memory answers with an error."""

    def __init__(self, load, *, mode: DdtpMode, root: int, phys_bits: int):
        self.load, self.mode, self.root, self.phys_bits = load, mode, root, phys_bits

    def translate(self, did: int, iova: int, kind: str, pid: int | None = None):
        """Cause (None if it passes), physical address, and whether a fault is recorded."""
        self.dtf = 0
        try:
            return None, self._locate(did, iova, kind, pid), False
        except Fault as fault:
            always = 256 <= fault.cause <= 259
            return fault.cause, None, bool(always or not self.dtf)

    def _locate(self, did, iova, kind, pid):
        if self.mode == DdtpMode.OFF:
            raise Fault(Cause.ALL_INBOUND_DISALLOWED)
        if self.mode == DdtpMode.BARE:
            return self._within(iova, kind)
        index = [did & 0x7F, did >> 7 & 0x1FF, did >> 16]
        levels = self.mode - DdtpMode.LVL1 + 1
        if any(index[levels:]):
            raise Fault(Cause.TYPE_DISALLOWED)
        table = self.root
        for level in range(levels - 1, 0, -1):
            entry = self._entry(table + index[level] * 8)
            if not entry & 1:
                raise Fault(Cause.DDT_INVALID)
            if entry & DDTE.reserved:
                raise Fault(Cause.DDT_MISCONFIGURED)
            table = DDTE.get(entry, "ppn") << 12
        tc, gatp, ta, fsc = (self._entry(table + index[0] * 32 + 8 * k) for k in range(4))
        if not tc & 1:
            raise Fault(Cause.DDT_INVALID)
        if self._misconfigured(tc, gatp, ta, fsc):
            raise Fault(Cause.DDT_MISCONFIGURED)
        self.dtf = DC_TC.get(tc, "dtf")
        if pid is not None and not DC_TC.get(tc, "pdtv"):
            raise Fault(Cause.TYPE_DISALLOWED)
        if DC_TC.get(tc, "pdtv") or IOSATP.get(fsc, "mode") == 0:
            return self._within(iova, kind)
        return self._walk(IOSATP.get(fsc, "ppn") << 12, iova, kind)

    def _entry(self, addr):
        word = None if addr >> self.phys_bits else self.load(addr)
        if word is None:
            raise Fault(Cause.DDT_LOAD_FAULT)
        return word

    @staticmethod
    def _misconfigured(tc, gatp, ta, fsc):
        pdtv = DC_TC.get(tc, "pdtv")
        reserved = DC_TC.reserved & ~(0xFF << 24)
        return bool(
            tc & reserved or ta & ~DC_TA.mask("pscid") or fsc & IOSATP.reserved or
            any(DC_TC.get(tc, bit) for bit in
                ("en_ats", "en_pri", "t2gpa", "prpr", "gade", "sade", "sbe", "sxl")) or
            (DC_TC.get(tc, "dpe") and not pdtv) or DC_IOHGATP.get(gatp, "mode") or
            IOSATP.get(fsc, "mode") not in ((0,) if pdtv else (0, 8)))

    def _within(self, addr, kind):
        if addr >> self.phys_bits:
            raise Fault(ACCESS_FAULT[kind])
        return addr

    def _walk(self, table, iova, kind):
        if iova >> 38 not in (0, (1 << 26) - 1):
            raise Fault(PAGE_FAULT[kind])
        for level in (2, 1, 0):
            addr = table + (iova >> 12 + 9 * level & 0x1FF) * 8
            pte = None if addr >> self.phys_bits else self.load(addr)
            if pte is None:
                raise Fault(ACCESS_FAULT[kind])
            bit = PTE.unpack(pte)
            low = (1 << 9 * level) - 1
            if (not bit["v"] or (bit["w"] and not bit["r"]) or pte & PTE.reserved or bit["pbmt"] or
                    bit["rsw60t59b"] or (bit["n"] and level)):
                raise Fault(PAGE_FAULT[kind])
            if not bit["r"] and not bit["x"]:
                if level == 0 or bit["a"] or bit["d"] or bit["u"]:
                    raise Fault(PAGE_FAULT[kind])
                table = bit["ppn"] << 12
                continue
            if bit["n"]:
                if bit["ppn"] & 15 != 8:
                    raise Fault(PAGE_FAULT[kind])
                low = 15
                bit["ppn"] &= ~15
            allowed = {"r": bit["r"], "w": bit["w"] and bit["d"], "x": bit["x"]}[kind]
            if not allowed or not bit["u"] or not bit["a"] or bit["ppn"] & low:
                raise Fault(PAGE_FAULT[kind])
            return self._within((bit["ppn"] | iova >> 12 & low) << 12 | iova & 0xFFF, kind)
        raise AssertionError("a page table has three levels")
