"""Registers of the IOMMU: what they keep, and what reads back."""

from collections.abc import Callable

from rtl.spec.bits import BitLayout
from rtl.spec.page_table import DdtpMode

from .monitor import Monitor
from .types import Features

__all__ = ["CQCSR", "FQCSR", "QUEUE_BASE", "TR_REQ_CTL", "Counters", "Registers"]

CQCSR = BitLayout("cqcsr", 32, {"cqen": (0, 1), "cie": (1, 1), "cqmf": (8, 1), "cmd_to": (9, 1),
                                "cmd_ill": (10, 1), "fence_w_ip": (11, 1), "cqon": (16, 1)})
FQCSR = BitLayout("fqcsr", 32, {"fqen": (0, 1), "fie": (1, 1), "fqmf": (8, 1), "fqof": (9, 1),
                                "fqon": (16, 1)})
QUEUE_BASE = BitLayout("queue_base", 64, {"log2sz_1": (0, 5), "ppn": (10, 44)})
TR_REQ_CTL = BitLayout("tr_req_ctl", 64, {
    "go": (0, 1), "priv": (1, 1), "exe": (2, 1), "nw": (3, 1), "pid": (12, 20), "pv": (32, 1),
    "did": (40, 24)})
_DDTP = BitLayout("ddtp", 64, {"mode": (0, 4), "ppn": (10, 44)})
_MSI_TABLE, _MSI_ENTRY_BYTES = 0x300, 16
_MSI_ADDR_MASK = (1 << 56) - 4
_COUNTERS = {0x2B0: "tlb_hits", 0x2B4: "tlb_misses", 0x2B8: "walks"}
#: Offset of each register, and its bytes.
_OFFSETS = {
    0x000: ("capabilities", 8), 0x008: ("fctl", 4), 0x010: ("ddtp", 8), 0x018: ("cqb", 8),
    0x020: ("cqh", 4), 0x024: ("cqt", 4), 0x028: ("fqb", 8), 0x030: ("fqh", 4), 0x034: ("fqt", 4),
    0x048: ("cqcsr", 4), 0x04C: ("fqcsr", 4), 0x054: ("ipsr", 4), 0x258: ("tr_req_iova", 8),
    0x260: ("tr_req_ctl", 8), 0x268: ("tr_response", 8), 0x2F8: ("icvec", 8)}
_QOSID = 0x270
_DEBUG = ("tr_req_iova", "tr_req_ctl", "tr_response")


class Counters:
    """Custom counters: lookups that hit or missed, and first-stage walks."""

    def __init__(self):
        self.tlb_hits = self.tlb_misses = self.walks = 0


class Registers:
    """Storage and WARL rules. What a write sets in motion is the business of ``changed``.

    Parameters
    ----------
    features : Features
        What the IOMMU has.
    vectors : int, power of two
        Interrupt vectors.
    max_log2sz : int
        log2 of the entries of the longest queue.
    changed : callable
        Called with the name of a register and the word written, after it took effect.
    monitor : Monitor
        Performance monitor, with its registers.
    qos_bits : tuple of int
        Width of RCID and MCID.

    Source
    ------
    RISC-V IOMMU Architecture Specification, chapter "Memory-mapped register interface".
    """

    def __init__(self, features: Features, *, vectors: int, max_log2sz: int,
                 changed: Callable[[str, int], None], monitor: Monitor,
                 qos_bits: tuple[int, int] = (12, 12)):
        self._monitor = monitor
        self._features, self._vectors, self._max_log2sz = features, vectors, max_log2sz
        self._changed = changed
        self._words = {offset + half: (name, 8 * half) for offset, (name, size) in _OFFSETS.items()
                       for half in range(0, size, 4) if features.dbg or name not in _DEBUG}
        if features.qosid:
            self._words[_QOSID] = "iommu_qosid", 0
        self._qos_bits, self.iommu_qosid = qos_bits, 0
        self.capabilities = features.value
        self.fctl = 2 if features.igs == 1 else 0
        self.ddtp = self.cqb = self.fqb = 0
        self.cqh = self.cqt = self.fqh = self.fqt = 0
        self.cqcsr = self.fqcsr = self.ipsr = self.icvec = 0
        self.tr_req_iova = self.tr_req_ctl = self.tr_response = 0
        self.counters = Counters()
        #: Address, data and mask of each message.
        self.messages = [[0, 0, 0] for _ in range(vectors if features.messages else 0)]

    @property
    def wired(self) -> bool:
        """Whether interrupts go by wire: ``fctl.wsi``."""
        return bool(self.fctl & 2)

    @property
    def big(self) -> bool:
        """Whether structures are big-endian: ``fctl.be``."""
        return bool(self.fctl & 1)

    @property
    def gxl(self) -> bool:
        """Whether second stages have 32-bit entries: ``fctl.gxl``."""
        return bool(self.fctl & 4)

    @property
    def qos(self) -> tuple[int, int]:
        """RCID and MCID of own accesses."""
        return self.iommu_qosid & 0xFFFF, self.iommu_qosid >> 16

    @property
    def mode(self) -> int:
        """``ddtp.iommu_mode``."""
        return _DDTP.get(self.ddtp, "mode")

    @property
    def root(self) -> int:
        """Page number of the root directory."""
        return _DDTP.get(self.ddtp, "ppn")

    def read(self, offset: int) -> int:
        """Read the 32-bit word at ``offset``; zero where there is no register."""
        if offset in _COUNTERS:
            return getattr(self.counters, _COUNTERS[offset]) & 0xFFFF_FFFF
        if offset in self._words:
            name, shift = self._words[offset]
            return getattr(self, name) >> shift & 0xFFFF_FFFF
        if (found := self._monitor.read(offset)) is not None:
            return found
        entry, word = self._message(offset)
        if entry is None:
            return 0
        return (entry[0] & 0xFFFF_FFFF, entry[0] >> 32, entry[1], entry[2])[word]

    def write(self, offset: int, value: int) -> None:
        """Write the 32-bit word at ``offset``; ignored where there is no register."""
        if offset in self._words:
            name, shift = self._words[offset]
            old = getattr(self, name)
            new = old & ~(0xFFFF_FFFF << shift) | value << shift
            getattr(self, f"_write_{name}", lambda new, old: None)(new, old)
            if shift == 0:
                self._changed(name, value)
            return
        entry, word = self._message(offset)
        if not self._monitor.write(offset, value) and entry is not None:
            self._write_message(entry, word, value)
            self._changed("messages", value)

    def entries(self, base: int) -> int:
        """Entries of a queue, by the value of ``cqb`` or ``fqb``."""
        return 2 << QUEUE_BASE.get(base, "log2sz_1")

    def _message(self, offset: int) -> tuple[list[int] | None, int]:
        index, byte = divmod(offset - _MSI_TABLE, _MSI_ENTRY_BYTES)
        if 0 <= index < len(self.messages):
            return self.messages[index], byte // 4
        return None, 0

    @staticmethod
    def _write_message(entry: list[int], word: int, value: int) -> None:
        match word:
            case 0:
                entry[0] = (entry[0] >> 32 << 32 | value) & _MSI_ADDR_MASK
            case 1:
                entry[0] = (entry[0] & 0xFFFF_FFFF | value << 32) & _MSI_ADDR_MASK
            case 2:
                entry[1] = value
            case 3:
                entry[2] = value & 1

    def _write_fctl(self, new: int, old: int) -> None:
        kept = 2 * (self._features.igs == 2) + self._features.end + 4 * self._features.narrow
        self.fctl = old & ~kept | new & kept

    def _write_ddtp(self, new: int, old: int) -> None:
        mode = _DDTP.get(new, "mode")
        low = (1 << 32) - 1             # the word that takes effect
        if min(mode, _DDTP.get(old, "mode")) > DdtpMode.BARE and (new ^ old) & low:
            return                      # from directory to directory: not without Off or Bare
        self.ddtp = _DDTP.pack(mode=mode if mode <= DdtpMode.LVL3 else _DDTP.get(old, "mode"),
                               ppn=_DDTP.get(new, "ppn") & self._features.ppn_mask)

    def _queue_base(self, new: int) -> int:
        return QUEUE_BASE.pack(
            log2sz_1=min(QUEUE_BASE.get(new, "log2sz_1"), self._max_log2sz - 1),
            ppn=QUEUE_BASE.get(new, "ppn") & self._features.ppn_mask)

    def _write_cqb(self, new: int, old: int) -> None:
        self.cqb = self._queue_base(new)
        self.cqt &= self.entries(self.cqb) - 1

    def _write_fqb(self, new: int, old: int) -> None:
        self.fqb = self._queue_base(new)
        self.fqh &= self.entries(self.fqb) - 1

    def _write_cqt(self, new: int, old: int) -> None:
        self.cqt = new & self.entries(self.cqb) - 1

    def _write_fqh(self, new: int, old: int) -> None:
        self.fqh = new & self.entries(self.fqb) - 1

    def _write_cqcsr(self, new: int, old: int) -> None:
        errors = old & 0xF00 & ~new
        if new & 1 and not old & 1:     # cqen 0 to 1
            errors = self.cqh = 0
        self.cqcsr = errors | new & 3 | (new & 1) << 16

    def _write_fqcsr(self, new: int, old: int) -> None:
        errors = old & 0x300 & ~new
        if new & 1 and not old & 1:     # fqen 0 to 1
            errors = self.fqt = 0
        self.fqcsr = errors | new & 3 | (new & 1) << 16

    def _write_ipsr(self, new: int, old: int) -> None:
        self.ipsr = old & ~new

    def _write_icvec(self, new: int, old: int) -> None:
        kept = 0xFFF if self._features.hpm else 0xFF            # no page requests
        self.icvec = new & kept & (self._vectors - 1) * 0x111

    def _write_iommu_qosid(self, new: int, old: int) -> None:
        rcid, mcid = ((1 << bits) - 1 for bits in self._qos_bits)
        self.iommu_qosid = new & (rcid | mcid << 16)

    def _write_tr_req_iova(self, new: int, old: int) -> None:
        self.tr_req_iova = new & ~0xFFF

    def _write_tr_req_ctl(self, new: int, old: int) -> None:
        self.tr_req_ctl = new & ~TR_REQ_CTL.reserved & ~1
