"""A RISC-V IOMMU that walks tables in memory, keeps what it read, and executes commands at once."""

from rtl.spec.faults import Cause
from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.platform import BusError

CAPS = {"version": 0x10, "sv39": 1, "igs": 1, "pas": 40}


class FakeIommu:
    def __init__(self, machine, levels):
        self.machine, self.levels = machine, levels
        self.at = {register.name: register.offset for register in IOMMU_REGISTERS}
        self.regs = dict.fromkeys(self.at, 0)
        self.capabilities = dict(CAPS)
        self.max_log2sz_1 = 9
        self.fixed_ppn = 0                  # of queues, as some hardware has it
        self.fixed_directory = 0
        self.forced_mode = None             # what ddtp reads whatever was written
        self.keeps_base = True
        self.switches = True
        self.vectors = 3
        self.stuck = False                  # takes no commands
        self.big_endian = 0
        self.contexts, self.tlb = {}, {}
        self.commands = []
        self.ipsr = 0
        self.errors = {"cqcsr": 0, "fqcsr": 0}

    @property
    def irqs(self):
        civ, fiv = self.regs["icvec"] & 15, self.regs["icvec"] >> 4 & 15
        return (self.ipsr & 1) << civ | (self.ipsr >> 1 & 1) << fiv

    # Registers

    def read(self, offset):
        name = next((name for name, at in self.at.items() if at == offset), None)
        if name in ("capabilities", "capabilities_msb"):
            word = CAPABILITIES.pack(**self.capabilities)
            return word >> 32 if name.endswith("msb") else word & 0xFFFF_FFFF
        if name == "fctl":
            return (self.capabilities["igs"] != 0) << 1 | self.big_endian
        if name == "ipsr":
            return self.ipsr
        if name in self.errors:
            on = self.regs[name] & 1 and self.switches
            return self.regs[name] & 3 | self.errors[name] | on << 16
        if name == "ddtp" and self.forced_mode is not None:
            return self.forced_mode
        return self.regs.get(name, 0)

    def write(self, offset, value):
        name = next(name for name, at in self.at.items() if at == offset)
        if name == "ipsr":
            self.ipsr &= ~value
            return
        if name in self.errors:
            self.errors[name] &= ~value
            if value & 1 and not self.regs[name] & 1:
                self.regs["cqh" if name == "cqcsr" else "fqt"] = 0
            self.regs[name] = value
            return
        if name == "icvec":
            value &= self.vectors | self.vectors << 4
        if name in ("cqb", "fqb"):
            value = value & ~31 | min(value & 31, self.max_log2sz_1)
            if not value >> 10:
                value |= self.fixed_ppn << 10
            elif not self.keeps_base:
                value ^= 1 << 10
        if name == "ddtp":
            mode = value & 15
            if mode > 1 and mode - 1 not in self.levels:
                return
            value |= self.fixed_directory << 10
        self.regs[name] = value
        if name == "cqt":
            self._commands()

    # Queues

    def _ring(self, name):
        base = self.regs[name] | self.regs[f"{name}_msb"] << 32
        return base >> 10 << 12, 2 << (base & 31)

    def _commands(self):
        base, entries = self._ring("cqb")
        while self.regs["cqh"] != self.regs["cqt"] and not self.stuck and self.regs["cqcsr"] & 1:
            data = self.machine.bus_read(base + 16 * self.regs["cqh"], 16)
            low, high = int.from_bytes(data[:8], "little"), int.from_bytes(data[8:], "little")
            if not self._command(low, high):
                self.errors["cqcsr"] |= 1 << 10
                self.ipsr |= self.regs["cqcsr"] >> 1 & 1
                return
            self.regs["cqh"] = (self.regs["cqh"] + 1) % entries

    def _command(self, low, high):
        opcode, func3 = low & 127, low >> 7 & 7
        if (opcode, func3) == (1, 0):
            av, pscv, pscid, vpn = low >> 10 & 1, low >> 32 & 1, low >> 12 & 0xFFFFF, high >> 10
            pages = 1
            if high >> 9 & 1:           # up to the lowest 0, the address tells the size
                assert self.capabilities.get("s")
                pages = 2 * (~vpn & vpn + 1)
                vpn &= -pages
            where = (vpn << 12, pages) if pages > 1 else vpn << 12
            self.commands.append(("vma", pscid if pscv else None, where if av else None))
            self.tlb = {key: leaf for key, leaf in self.tlb.items() if (pscv and key[0] != pscid)
                        or (av and not vpn <= key[1] < vpn + pages)}
        elif (opcode, func3) == (3, 0):
            did = low >> 40 if low >> 33 & 1 else None
            self.commands.append(("ddt", did))
            self.contexts = {key: item for key, item in self.contexts.items()
                             if did is not None and key != did}
        elif (opcode, func3) == (2, 0):
            self.commands.append(("fence", low >> 12 & 3))
        else:
            return False
        return True

    def _fault(self, cause, did, iova, write):
        if self.regs["fqcsr"] & 1:
            base, entries = self._ring("fqb")
            following = (self.regs["fqt"] + 1) % entries
            if following == self.regs["fqh"]:
                self.errors["fqcsr"] |= 1 << 9
            else:
                word = cause | (3 if write else 2) << 34 | did << 40
                self.machine.bus_write(base + 32 * self.regs["fqt"], b"".join(
                    item.to_bytes(8, "little") for item in (word, 0, iova, 0)))
                self.regs["fqt"] = following
            self.ipsr |= self.regs["fqcsr"] & 2
        raise BusError(iova, "SLVERR")

    # Translation

    def _dword(self, addr):
        return int.from_bytes(self.machine.bus_read(addr, 8), "little")

    def _walker_dword(self, addr):
        return self._dword(addr)

    def _context(self, did):
        """tc, ta and fsc; a cause if there is none."""
        ddtp = self.regs["ddtp"] | self.regs["ddtp_msb"] << 32
        levels, page = (ddtp & 15) - 1, ddtp >> 10 << 12
        if levels < 0:
            return Cause.ALL_INBOUND_DISALLOWED
        for shift, width in ((16, 8), (7, 9))[3 - levels:]:
            entry = self._dword(page + 8 * (did >> shift & (1 << width) - 1))
            if not entry & 1:
                return Cause.DDT_INVALID
            page = entry >> 10 << 12
        tc, _, ta, fsc = (self._dword(page + 32 * (did & 127) + 8 * i) for i in range(4))
        return (tc, ta, fsc) if tc & 1 else Cause.DDT_INVALID

    def translate(self, did, iova, write):
        if not self.machine.platform.has_iommu:
            return iova
        if did not in self.contexts:
            context = self._context(did)
            if not isinstance(context, tuple):
                self._fault(context, did, iova, write)
            self.contexts[did] = context
        _, ta, fsc = self.contexts[did]
        if fsc >> 60 == 0:
            return iova
        page_fault = Cause.WRITE_PAGE_FAULT if write else Cause.READ_PAGE_FAULT
        key = ta >> 12 & 0xFFFFF, iova >> 12
        if key not in self.tlb:
            leaf = self._walk(fsc, iova)
            if leaf is None:
                self._fault(page_fault, did, iova, write)
            self.tlb[key] = leaf
        phys, perms = self.tlb[key]
        if not perms & (4 if write else 2):
            self._fault(page_fault, did, iova, write)
        return phys | iova & 4095

    def _walk(self, fsc, iova):
        if iova >> 38 not in (0, (1 << 26) - 1):
            return None
        table = (fsc & (1 << 44) - 1) << 12
        for level in (2, 1, 0):
            pte = self._walker_dword(table + 8 * (iova >> 12 + 9 * level & 511))
            if not pte & 1 or pte & 6 == 4 or pte >> 54 & 511:
                return None
            target = (pte >> 10 & (1 << 44) - 1) << 12
            if pte & 14:
                size = 4096 << 9 * level
                if pte >> 63:           # sixteen of the lowest level, as one page
                    if level or target >> 12 & 15 != 8:
                        return None
                    size, target = 16 * size, target - 8 * size
                assert pte & 0xD0 == 0xD0 and not target % size
                return target + iova % size & -4096, pte & 14
            table = target
        return None
