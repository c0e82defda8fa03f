"""A CDMA that runs a chain at once, some cycles after its tail pointer was written."""

from rtl.spec.cdma_regs import CDMA_REGISTERS
from rtl.spec.descriptor import CDMA_CONTROL, CDMA_STATUS
from rtl.spec.platform import BusError

LATENCY = 50


class FakeCdma:
    def __init__(self, machine):
        self.machine = machine
        self.at = {register.name: register.offset for register in CDMA_REGISTERS}
        self.regs = dict.fromkeys(self.at, 0)
        self.address_bits = 64
        self.stuck = False                  # never completes
        self.stuck_in_reset = False
        self.device_id = machine.platform.cdma_device_id
        self.version, self.has_sg = 1, 1
        self.resets = 0
        self.chains = []                    # descriptors of each run
        self._run = 0
        self._reset()

    def _reset(self):
        self._run += 1
        self.resets += 1
        self.errors, self.ioc, self.err, self.idle = set(), 0, 0, 1
        self.regs.update(cr=0, curdesc=0, curdesc_msb=0)

    @property
    def irq(self):
        cr = CDMA_REGISTERS["cr"]
        return (self.ioc and cr["ioc_irq_en"].get(self.regs["cr"])) or (
            self.err and cr["err_irq_en"].get(self.regs["cr"]))

    def read(self, offset):
        name = next((name for name, at in self.at.items() if at == offset), None)
        if name == "sr":
            fields = {"idle": self.idle, "sg_incld": self.has_sg, "ioc_irq": self.ioc,
                      "err_irq": self.err, **dict.fromkeys(self.errors, 1)}
            return CDMA_REGISTERS["sr"].pack(fields)
        if name == "cap":
            return CDMA_REGISTERS["cap"].pack({"version": self.version})
        if name == "device_id":
            return self.device_id
        return self.regs.get(name, 0)

    def write(self, offset, value):
        name = next(name for name, at in self.at.items() if at == offset)
        if name == "sr":
            self.ioc &= not CDMA_REGISTERS["sr"]["ioc_irq"].get(value)
            self.err &= not CDMA_REGISTERS["sr"]["err_irq"].get(value)
            return
        if name == "cr" and CDMA_REGISTERS["cr"]["reset"].get(value):
            self._reset()
            if self.stuck_in_reset:
                self.regs["cr"] = value
            return
        if name in ("curdesc", "curdesc_msb"):
            assert self.idle, "CURDESC written while the engine runs"
            if not CDMA_REGISTERS["cr"]["sg_mode"].get(self.regs["cr"]):
                return
            value &= -64 if name == "curdesc" else (1 << self.address_bits - 32) - 1
        self.regs[name] = value
        if name == "taildesc":
            assert CDMA_REGISTERS["cr"]["sg_mode"].get(self.regs["cr"])
            self.idle = 0
            run = self._run
            if not self.stuck:
                self.machine.later(LATENCY, lambda: run == self._run and self._execute())

    def _wide(self, name):
        return self.regs[name] | self.regs[f"{name}_msb"] << 32

    def access(self, addr, size, data=None):
        """Read, or write `data`, page by page through the IOMMU."""
        done = b""
        for at in range(addr & -4096, addr + size, 4096):
            low, high = max(at, addr), min(at + 4096, addr + size)
            phys = self.machine.iommu.translate(self.device_id, low, data is not None)
            if data is None:
                done += self.machine.bus_read(phys, high - low)
            else:
                self.machine.bus_write(phys, data[low - addr:high - addr])
        return done

    def _execute(self):
        at, tail = self._wide("curdesc"), self._wide("taildesc")
        count = CDMA_REGISTERS["cr"]["irq_threshold"].get(self.regs["cr"])
        chain = []
        self.chains.append(chain)
        while not self.errors:
            self.regs["curdesc"], self.regs["curdesc_msb"] = at & 0xFFFF_FFFF, at >> 32
            try:
                words = [int.from_bytes(self.access(at + 4 * i, 4), "little") for i in range(8)]
            except BusError as error:
                self._fail("sg", error, at)
                break
            following, src, dst = (words[i] | words[i + 1] << 32 for i in (0, 2, 4))
            size = CDMA_CONTROL.get(words[6], "btt")
            chain.append((src, dst, size))
            if CDMA_STATUS.get(words[7], "cmplt"):
                self.errors.add("sg_int_err")
            elif max(src, dst) + size > 1 << 64:
                self.errors.add("dma_int_err")
            else:
                try:
                    failing = src
                    data = self.access(src, size)
                    failing = dst
                    self.access(dst, size, data)
                except BusError as error:
                    self._fail("dma", error, failing)
            if self.errors:
                break
            self.access(at + 28, 4, CDMA_STATUS.pack(cmplt=1).to_bytes(4, "little"))
            count -= 1
            if at == tail:
                break
            at = following
        self.err = int(bool(self.errors))
        self.ioc = int(count == 0)
        self.idle = 1

    def _fail(self, who, error, addr):
        self.errors.add(f"{who}_{'dec' if error.resp == 'DECERR' else 'slv'}_err")
        self.regs["err_addr"], self.regs["err_addr_msb"] = addr & 0xFFFF_FFFF, addr >> 32
