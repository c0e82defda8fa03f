"""What passes between the parts of the golden IOMMU."""

import enum
from dataclasses import dataclass

from rtl.spec.faults import Cause, TransactionType
from rtl.spec.iommu_regs import CAPABILITIES

__all__ = ["ACCESS_FAULT", "GUEST_PAGE_FAULT", "PAGE_FAULT", "Access", "Fault", "Features",
           "Request", "Result"]

#: Bits of ``capabilities`` that this model does not implement.
_MISSING = ("ats", "t2gpa", "custom")


class Access(enum.Enum):
    """What a device wants to do."""

    READ = "r"
    WRITE = "w"
    EXECUTE = "x"                       # a read for execute


#: Causes that exist once for each access.
ACCESS_FAULT = {Access.READ: Cause.READ_ACCESS_FAULT, Access.WRITE: Cause.WRITE_ACCESS_FAULT,
                Access.EXECUTE: Cause.EXEC_ACCESS_FAULT}
PAGE_FAULT = {Access.READ: Cause.READ_PAGE_FAULT, Access.WRITE: Cause.WRITE_PAGE_FAULT,
              Access.EXECUTE: Cause.EXEC_PAGE_FAULT}
GUEST_PAGE_FAULT = {Access.READ: Cause.READ_GUEST_PAGE_FAULT,
                    Access.WRITE: Cause.WRITE_GUEST_PAGE_FAULT,
                    Access.EXECUTE: Cause.EXEC_GUEST_PAGE_FAULT}


class Features:
    """The fields of ``capabilities`` as attributes: ``features.sv39``, ``features.pas``.

    Parameters
    ----------
    capabilities : int
        Value of the register.

    Raises
    ------
    ValueError
        If it asks for what this model does not have, or contradicts itself.
    """

    def __init__(self, capabilities: int):
        fields = CAPABILITIES.unpack(capabilities)
        missing = [name for name in _MISSING if fields[name]]
        if missing or capabilities & CAPABILITIES.reserved or fields["igs"] == 3:
            names = ", ".join(missing) or "reserved bits"
            raise ValueError(f"Capabilities must be without {names}, not {capabilities:#x}")
        if fields["version"] != 0x10:
            raise ValueError(f"Version must be 0x10, not {fields['version']:#x}")
        if not 32 <= fields["pas"] <= 56:
            raise ValueError(f"Physical address width must be from 32 to 56, not {fields['pas']}")
        self.value = capabilities
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> int:
        raise AttributeError(f"no capability {name!r}")

    @property
    def ppn_mask(self) -> int:
        """Ones where a page number may have bits."""
        return (1 << self.pas - 12) - 1

    @property
    def narrow(self) -> bool:
        """Whether SXL and GXL may be set."""
        return bool(self.sv32 or self.sv32x4)

    @property
    def wires(self) -> bool:
        """Whether interrupts by wire exist."""
        return self.igs != 0

    @property
    def messages(self) -> bool:
        """Whether interrupts by message exist."""
        return self.igs != 1


@dataclass(frozen=True)
class Request:
    """One access of a device, within a page.

    Parameters
    ----------
    device_id : int
        24 bits.
    iova : int
        Address, 64 bits.
    access : Access
        What the device wants to do.
    process_id : int or None
        20 bits, if the access carries one.
    privileged : bool
        Supervisor privilege; only meaningful with a ``process_id``.
    translated : bool
        The address has been translated before (by ATS).
    data : bytes or None
        What is written, if that is known; messages to interrupt files in memory need it.
    offset : int
        Where it is written, in bytes after ``iova``.
    """

    device_id: int
    iova: int
    access: Access
    process_id: int | None = None
    privileged: bool = False
    translated: bool = False
    data: bytes | None = None
    offset: int = 0

    @property
    def supervisor(self) -> bool:
        """Whether it asks for supervisor privilege."""
        return self.privileged and self.process_id is not None

    @property
    def ttyp(self) -> TransactionType:
        """Transaction type, for the fault record."""
        kind = {Access.EXECUTE: "EXEC", Access.READ: "READ", Access.WRITE: "WRITE"}[self.access]
        return TransactionType[f"{'TRANSLATED' if self.translated else 'UNTRANSLATED'}_{kind}"]


@dataclass(frozen=True)
class Result:
    """Answer to a :class:`Request`.

    Parameters
    ----------
    cause : Cause
        :attr:`Cause.NONE` if the access may go on.
    addr : int
        Physical address, with the offset in the page.
    pbmt : int
        Memory type: 0 as the address says, 1 non-cacheable, 2 I/O.
    reported : bool
        Whether a record of the fault is in the queue: not suppressed by DC.tc.DTF, not lost.
    qos : tuple of int
        Quality-of-service identifiers of the access, RCID and MCID.
    message : bool
        The access was a message to an interrupt file in memory, and has been carried out.
    """

    cause: Cause = Cause.NONE
    addr: int = 0
    pbmt: int = 0
    reported: bool = False
    qos: tuple[int, int] = (0, 0)
    message: bool = False

    @property
    def ok(self) -> bool:
        """Whether the access may go on."""
        return self.cause is Cause.NONE


class Fault(Exception):
    """Translation stops.

    Parameters
    ----------
    cause : Cause
        Cause for the record.
    iotval2 : int
        Guest physical address and flags, for guest-page faults.

    Attributes
    ----------
    silent : bool
        Whether DC.tc.DTF suppresses the record.
    """

    def __init__(self, cause: Cause, iotval2: int = 0):
        super().__init__(f"{cause.name} ({cause.value})")
        self.cause, self.iotval2 = cause, iotval2
        self.silent = False
