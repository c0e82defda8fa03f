"""The IOMMU's registers, and what a write to them keeps."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from rtl.axi import lite
from rtl.params import IommuParams
from rtl.regs.regfile import RegisterFile
from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.page_table import PAGE_BITS, DdtpMode
from rtl.spec.queues import COMMAND_BYTES, FAULT_BYTES

from .drain import DrainSignature
from .queue_control import EngineSignature, QueueControl, WidePpn

__all__ = ["IRQS", "Registers"]

#: Interrupt vectors, each with a wire.
IRQS = 4


class Registers(wiring.Component):
    """All registers behind an AXI4-Lite port.

    - ``fctl`` is fixed: interrupts by wire, little-endian.
    - ``ddtp``: a write of an unsupported mode keeps the mode, and a change from one depth of
      directory to another without Off or Bare between is ignored whole. A write makes ``busy``
      until the accesses that the old value let in are answered; meanwhile writes are ignored.
    - ``icvec`` keeps two bits each for the command and the fault queue.
    - A bit of ``ipsr`` comes back while its source stands.

    Parameters
    ----------
    params : IommuParams
        Parameters of the IOMMU.

    Members
    -------
    bus : ``In(lite.Signature(addr_width=12))``
        Port.
    mode, root : ``Out(...)``
        ``ddtp`` in effect: mode, and page number of the root.
    drain : ``Out(DrainSignature())``
        What a change of ``ddtp`` waits for.
    commands, faults : ``In(...)``
        For each queue: ``engine``, an :class:`EngineSignature`; strobes that set its flags; and
        ``stopped``, high while an error bit is set.
    tlb_hits, tlb_misses, walks : ``In(32)``
        Counters.
    irq : ``Out(IRQS)``
        Level of each vector's wire.

    Source
    ------
    RISC-V IOMMU Architecture Specification, chapter "Memory-mapped register interface".
    """

    def __init__(self, params: IommuParams):
        self._params, self._phys_bits = params, params.phys_bits
        engine = EngineSignature(params.phys_bits)
        super().__init__({
            "bus": In(lite.Signature(addr_width=12)),
            "mode": Out(DdtpMode), "root": Out(params.phys_bits - PAGE_BITS),
            "drain": Out(DrainSignature()),
            "commands": In(wiring.Signature({
                "engine": Out(engine), "stopped": In(1),
                "memory_fault": Out(1), "illegal": Out(1), "fence_done": Out(1)})),
            "faults": In(wiring.Signature({
                "engine": Out(engine), "stopped": In(1),
                "memory_fault": Out(1), "overflow": Out(1), "recorded": Out(1)})),
            "tlb_hits": In(32), "tlb_misses": In(32), "walks": In(32),
            "irq": Out(IRQS),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.file = file = RegisterFile(IOMMU_REGISTERS)
        connect(m, flipped(self.bus), file.bus)
        regs = file.fields

        value = self._params.capabilities
        for register, shift in ((regs.capabilities, 0), (regs.capabilities_msb, 32)):
            for name, (lsb, _) in CAPABILITIES.fields.items():
                if lsb // 32 == shift // 32:
                    m.d.comb += getattr(register, name).eq(CAPABILITIES.get(value, name))
        m.d.comb += [
            regs.fctl.wsi.eq(1),
            regs.tlb_hits.count.eq(self.tlb_hits), regs.tlb_misses.count.eq(self.tlb_misses),
            regs.walks.count.eq(self.walks),
        ]
        self._directory(m, regs.ddtp, regs.ddtp_msb)

        m.submodules.commands = commands = self._queue(
            m, regs, "cq", COMMAND_BYTES, hardware=regs.cqh, software=regs.cqt)
        m.submodules.faults = faults = self._queue(
            m, regs, "fq", FAULT_BYTES, hardware=regs.fqt, software=regs.fqh)
        connect(m, flipped(self.commands.engine), commands.engine)
        connect(m, flipped(self.faults.engine), faults.engine)

        cqcsr, fqcsr, ipsr = regs.cqcsr, regs.fqcsr, regs.ipsr
        command_errors = Cat(cqcsr.cqmf_q, cqcsr.cmd_to_q, cqcsr.cmd_ill_q).any()
        fault_errors = fqcsr.fqmf_q | fqcsr.fqof_q
        m.d.comb += [
            cqcsr.cqmf.eq(self.commands.memory_fault), cqcsr.cmd_ill.eq(self.commands.illegal),
            cqcsr.fence_w_ip.eq(self.commands.fence_done),
            fqcsr.fqmf.eq(self.faults.memory_fault), fqcsr.fqof.eq(self.faults.overflow),
            self.commands.stopped.eq(command_errors), self.faults.stopped.eq(fault_errors),
            ipsr.cip.eq((command_errors | cqcsr.fence_w_ip_q) & commands.ie),
            ipsr.fip.eq((fault_errors | self.faults.recorded) & faults.ie),
        ]
        for flags, start in (((cqcsr.cqmf_clr, cqcsr.cmd_to_clr, cqcsr.cmd_ill_clr,
                               cqcsr.fence_w_ip_clr), commands.start),
                             ((fqcsr.fqmf_clr, fqcsr.fqof_clr), faults.start)):
            m.d.comb += [flag.eq(start) for flag in flags]

        civ, fiv = Signal(2), Signal(2)
        with m.If(regs.icvec.w_stb):
            m.d.sync += [civ.eq(regs.icvec.civ_w), fiv.eq(regs.icvec.fiv_w)]
        m.d.comb += [regs.icvec.civ.eq(civ), regs.icvec.fiv.eq(fiv)]
        m.d.sync += self.irq.eq(ipsr.cip_q << civ | ipsr.fip_q << fiv)
        return m

    def _directory(self, m, low, high):
        """Device-directory pointer, in two registers."""
        m.submodules.root = root = WidePpn(len(self.root))
        busy = Signal()
        supported = low.mode_w <= DdtpMode.LVL3
        keep = (self.mode <= DdtpMode.BARE) | (low.mode_w <= DdtpMode.BARE)
        m.d.comb += [
            root.high_stb.eq(high.w_stb & ~busy), root.high.eq(high.ppn_w),
            root.low_stb.eq(low.w_stb & ~busy), root.low.eq(low.ppn_w), root.keep.eq(keep),
            low.mode.eq(self.mode), low.busy.eq(busy),
            low.ppn.eq(root.read), high.ppn.eq(root.read[len(low.ppn):]),
            self.root.eq(root.value),
            self.drain.want.eq(busy), self.drain.reads.eq(1), self.drain.writes.eq(1),
        ]
        m.d.sync += self.drain.flush.eq(root.low_stb)
        with m.If(root.low_stb):
            m.d.sync += busy.eq(1)
            with m.If(keep & supported):
                m.d.sync += self.mode.eq(low.mode_w)
        with m.Elif(self.drain.done):
            m.d.sync += busy.eq(0)

    def _queue(self, m, regs, name, entry_bytes, *, hardware, software):
        """Control of a queue, between its registers."""
        queue = QueueControl(phys_bits=self._phys_bits, entry_bytes=entry_bytes)
        low, high = getattr(regs, f"{name[0]}qb"), getattr(regs, f"{name[0]}qb_msb")
        csr = getattr(regs, f"{name}csr")
        enable, interrupt = getattr(csr, f"{name}en"), getattr(csr, f"{name[0]}ie")
        m.d.comb += [
            queue.base_low.stb.eq(low.w_stb), queue.base_low.log2sz_1.eq(low.log2sz_1_w),
            queue.base_low.ppn.eq(low.ppn_w),
            queue.base_high.stb.eq(high.w_stb), queue.base_high.ppn.eq(high.ppn_w),
            low.log2sz_1.eq(queue.log2sz_1), low.ppn.eq(queue.ppn),
            high.ppn.eq(queue.ppn[len(low.ppn):]),
            queue.index_write.stb.eq(software.w_stb), queue.index_write.index.eq(software.index_w),
            software.index.eq(queue.software), hardware.index.eq(queue.hardware),
            queue.csr.stb.eq(csr.w_stb), queue.csr.en.eq(getattr(csr, f"{name}en_w")),
            queue.csr.ie.eq(getattr(csr, f"{name[0]}ie_w")),
            enable.eq(queue.en), interrupt.eq(queue.ie),
            getattr(csr, f"{name}on").eq(queue.on), csr.busy.eq(queue.busy),
        ]
        return queue
