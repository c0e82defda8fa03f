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
from rtl.spec.regmap import RegisterMap

from .debug_request import DebugSignature
from .directory_pointer import DirectoryPointer
from .drain import DrainSignature
from .event_counter import CounterSignature
from .interrupts import InterruptSignature
from .monitor import MonitorSignature
from .queue_control import EngineSignature, QueueControl
from .records import qos_layout

__all__ = ["Registers", "present"]


def present(params: IommuParams) -> RegisterMap:
    """Leave only the registers that a build has."""
    def kept(name: str) -> bool:
        kind, number = name.split("_")[0], name.removesuffix("_msb").split("_")[-1]
        counter = params.hpm and number.isdecimal() and int(number) <= params.counters
        return {"msi": params.messages and number.isdecimal() and int(number) < params.vectors,
                "tr": params.dbg, "iocountovf": params.hpm, "iocountinh": params.hpm,
                "iohpmcycles": params.hpm, "iohpmctr": counter, "iohpmevt": counter,
                "iommu": params.qosid}.get(kind, True)
    return RegisterMap(IOMMU_REGISTERS.name, IOMMU_REGISTERS.doc, tuple(
        register for register in IOMMU_REGISTERS if kept(register.name)))


class Registers(wiring.Component):
    """All registers behind an AXI4-Lite port.

    - ``fctl`` keeps ``wsi`` if there are interrupts of both kinds, ``be`` with ``end``, and ``gxl``
      with ``sv32``; all else is fixed.
    - ``icvec`` keeps as many bits as there are vectors for.
    - ``iommu_qosid`` keeps as many bits as identifiers have.
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
    interrupts : ``Out(InterruptSignature(params))``
        Pending interrupts, and how to signal them.
    debug : ``Out(DebugSignature())``
        Translation requests.
    monitor, counters : ``Out(MonitorSignature())``, ``Out(CounterSignature()).array(...)``
        Performance monitor, and its counters of events.
    qos, hold : ``Out(qos_layout(params))``, ``In(1)``
        Identifiers of own accesses; they stay while ``hold``.
    gxl : ``Out(1)``
        ``fctl.gxl``.
    tlb_hits, tlb_misses, walks : ``In(32)``
        Counters.

    Source
    ------
    RISC-V IOMMU Architecture Specification, chapter "Memory-mapped register interface".
    """

    def __init__(self, params: IommuParams):
        self._params = params
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
            "interrupts": Out(InterruptSignature(params)),
            "debug": Out(DebugSignature()), "monitor": Out(MonitorSignature()),
            "counters": Out(CounterSignature()).array(params.counters * params.hpm),
            "qos": Out(qos_layout(params)), "hold": In(1), "gxl": Out(1),
            "tlb_hits": In(32), "tlb_misses": In(32), "walks": In(32),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.file = file = RegisterFile(present(self._params))
        connect(m, flipped(self.bus), file.bus)
        regs = file.fields

        value = self._params.capabilities
        for register, shift in ((regs.capabilities, 0), (regs.capabilities_msb, 32)):
            for name, (lsb, _) in CAPABILITIES.fields.items():
                if lsb // 32 == shift // 32:
                    m.d.comb += getattr(register, name).eq(CAPABILITIES.get(value, name))
        for name in ("tlb_hits", "tlb_misses", "walks"):
            m.d.comb += getattr(regs, name).count.eq(getattr(self, name))

        m.submodules.directory = directory = DirectoryPointer(self._params)
        connect(m, directory.drain, flipped(self.drain))
        ddtp, high = regs.ddtp, regs.ddtp_msb
        m.d.comb += [
            directory.low.stb.eq(ddtp.w_stb), directory.low.mode.eq(ddtp.mode_w),
            directory.low.ppn.eq(ddtp.ppn_w),
            directory.high.stb.eq(high.w_stb), directory.high.ppn.eq(high.ppn_w),
            ddtp.mode.eq(directory.mode), ddtp.busy.eq(directory.busy),
            ddtp.ppn.eq(directory.ppn), high.ppn.eq(directory.ppn[len(ddtp.ppn):]),
            self.mode.eq(directory.mode), self.root.eq(directory.root),
        ]

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
        self._interrupts(m, regs)
        if self._params.dbg:
            self._debug(m, regs)
        if self._params.hpm:
            self._monitor(m, regs)
        if self._params.qosid:
            qosid, kept = regs.iommu_qosid, Signal.like(self.qos)
            with m.If(qosid.w_stb):
                m.d.sync += [kept.rcid.eq(qosid.rcid_w), kept.mcid.eq(qosid.mcid_w)]
            with m.If(~self.hold):
                m.d.sync += self.qos.eq(kept)
            m.d.comb += [qosid.rcid.eq(kept.rcid), qosid.mcid.eq(kept.mcid)]
        return m

    def _monitor(self, m, regs):
        """Connect cycles and counters. Each half of them is written by itself."""
        monitor, inhibit = self.monitor, Signal(1 + self._params.counters)
        which, over = regs.iocountinh, [monitor.cycles[-1]]
        with m.If(which.w_stb):
            m.d.sync += inhibit.eq(Cat(which.cy_w, which.hpm_w))
        m.d.comb += [which.cy.eq(inhibit[0]), which.hpm.eq(inhibit[1:]),
                     monitor.inhibit.eq(inhibit[0]), regs.ipsr.pmip.eq(monitor.overflow),
                     # Of all registers here, which show the same word written.
                     monitor.value.eq(Cat(which.cy_w, which.hpm_w))]
        words = [("iohpmcycles", monitor.cycles, monitor.cycles_stb)]
        for number, counter in enumerate(self.counters, start=1):
            words += [(f"iohpmctr_{number}", counter.count, counter.count_stb),
                      (f"iohpmevt_{number}", counter.select, counter.select_stb)]
            over.append(counter.select[-1])
            m.d.comb += [counter.value.eq(monitor.value), counter.inhibit.eq(inhibit[number])]
        for name, value, strobes in words:
            for half, register in enumerate((getattr(regs, name), getattr(regs, f"{name}_msb"))):
                m.d.comb += strobes[half].eq(register.w_stb)
                for field in IOMMU_REGISTERS[name + "_msb" * half]:
                    m.d.comb += getattr(register, field.name).eq(
                        value[32 * half + field.lsb:][:field.width])
        m.d.comb += [regs.iocountovf.cy.eq(over[0]), regs.iocountovf.hpm.eq(Cat(over[1:]))]

    def _debug(self, m, regs):
        """Connect translation requests."""
        debug, low, high = self.debug, regs.tr_req_ctl, regs.tr_req_ctl_msb
        response, iova = regs.tr_response, Cat(regs.tr_req_iova.vpn, regs.tr_req_iova_msb.vpn)
        m.d.comb += [
            debug.go.eq(low.w_stb & low.go_w), debug.vpn.eq(iova), low.go.eq(debug.busy),
            *(getattr(debug, name).eq(getattr(low, name)) for name in ("priv", "exe", "nw", "pid")),
            debug.pv.eq(high.pv), debug.did.eq(high.did),
            response.fault.eq(debug.fault), response.pbmt.eq(debug.pbmt),
            response.ppn.eq(debug.ppn), regs.tr_response_msb.ppn.eq(debug.ppn[22:]),
        ]

    def _interrupts(self, m, regs):
        """Pending bits, and what tells how to signal them."""
        params, out, ipsr, icvec = self._params, self.interrupts, regs.ipsr, regs.icvec
        names = ("cip", "fip", "pmip", "pip")
        pending = Cat(getattr(ipsr, f"{name}_q") for name in names)
        cleared = Cat(getattr(ipsr, f"{name}_w") & ipsr.w_stb for name in names)
        before = Signal.like(out.pending)
        m.d.sync += before.eq(pending)
        # A bit that is cleared while its source stands begins anew.
        m.d.comb += [out.pending.eq(pending), out.raised.eq(pending & (~before | cleared))]
        if params.igs == 2:
            wired = Signal()
            with m.If(regs.fctl.w_stb):
                m.d.sync += wired.eq(regs.fctl.wsi_w)
            m.d.comb += out.wired.eq(wired)
        else:
            m.d.comb += out.wired.eq(params.igs == 1)
        if params.end:
            big = Signal()
            with m.If(regs.fctl.w_stb):
                m.d.sync += big.eq(regs.fctl.be_w)
            m.d.comb += out.big.eq(big)
        if params.narrow:
            with m.If(regs.fctl.w_stb):
                m.d.sync += self.gxl.eq(regs.fctl.gxl_w)
        m.d.comb += [regs.fctl.wsi.eq(out.wired), regs.fctl.be.eq(out.big),
                     regs.fctl.gxl.eq(self.gxl)]

        vectors = [(out.vector[0], "civ"), (out.vector[1], "fiv")]
        vectors += [(out.vector[2], "pmiv")] * params.hpm
        for vector, name in vectors:
            kept = Signal.like(vector, name=name)
            with m.If(icvec.w_stb):
                m.d.sync += kept.eq(getattr(icvec, f"{name}_w"))
            m.d.comb += [vector.eq(kept), getattr(icvec, name).eq(kept)]
        for number, message in enumerate(out.messages):
            low, high, data, control = (getattr(regs, name) for name in _message(number))
            m.d.comb += [message.addr.eq(Cat(low.addr, high.addr)), message.data.eq(data.data),
                         message.m.eq(control.m)]

    def _queue(self, m, regs, name, entry_bytes, *, hardware, software):
        """Control of a queue, between its registers."""
        queue = QueueControl(phys_bits=self._params.phys_bits, entry_bytes=entry_bytes)
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


def _message(vector: int) -> tuple[str, ...]:
    """Names of the registers of a message."""
    return (f"msi_addr_{vector}", f"msi_addr_{vector}_msb", f"msi_data_{vector}",
            f"msi_vec_ctl_{vector}")
