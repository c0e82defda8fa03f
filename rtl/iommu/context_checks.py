"""What a context must not contain, and what is kept of it."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import reserved, struct
from rtl.params import IommuParams
from rtl.spec.page_table import (
    DC_IOHGATP,
    DC_TA,
    DC_TC,
    IOSATP,
    PC_TA,
    IosatpMode,
    MsiptpMode,
    PdtpMode,
)

from .records import context_layout, narrow

__all__ = ["PROCESS_CONTEXT", "ContextChecks"]

#: Number of the first doubleword of a process context; those of a device context begin at 0.
PROCESS_CONTEXT = 8
_CUSTOM = 0xFF << 24                    # DC.tc bits for custom use; this build has none
_ROOT_ALIGN = 2                         # log2 of the pages of a second stage's root
_SATP_SV39 = int(IosatpMode.SV39)


class ContextChecks(wiring.Component):
    """Take the doublewords of a device context, and then perhaps those of a process context.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    valid, index, word : ``In(...)``
        A doubleword: from 0 for a device context, from ``PROCESS_CONTEXT`` for a process context.
    big, gxl : ``In(1)``
        ``fctl.be`` and ``fctl.gxl``.
    first : ``In(1)``
        Forget what was wrong so far.
    invalid, misconfigured : ``Out(1)``
        What is wrong, with the doubleword that is being taken.
    context : ``Out(context_layout(params))``
        What is kept, from the cycle after. ``did`` is not known here.
    pdtv, dpe, ens, process_mode : ``Out(...)``
        Likewise, what decides whether there is a process directory and who may use a context. Until
        there is a process context, ``root`` is the directory, and the first stage is Bare.

    Source
    ------
    RISC-V IOMMU Architecture Specification, sections "Device-context configuration checks" and
    "Process-context configuration checks", for a build without ATS.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "valid": In(1), "index": In(4), "word": In(64), "first": In(1), "big": In(1),
            "gxl": In(1),
            "invalid": Out(1), "misconfigured": Out(1), "context": Out(context_layout(params)),
            "pdtv": Out(1), "dpe": Out(1), "ens": Out(1), "process_mode": Out(2)})

    def elaborate(self, platform):
        m = Module()
        params = self._params
        absent, wrong = Signal(), Signal()      # in this doubleword
        was_invalid, was_wrong = Signal(), Signal()
        m.d.comb += [self.invalid.eq(was_invalid | absent),
                     self.misconfigured.eq(was_wrong | wrong)]
        with m.If(self.valid):
            m.d.sync += [was_invalid.eq(self.invalid), was_wrong.eq(self.misconfigured)]
        with m.If(self.first):
            m.d.sync += [was_invalid.eq(0), was_wrong.eq(0)]

        with m.Switch(self.index):
            for index, check in ((0, self._control), (1, self._second_stage),
                                 (2, self._attributes), (3, self._first_stage)):
                with m.Case(index):
                    check(m, absent, wrong)
            if params.msi_flat:
                with m.Case(4):
                    self._msi_pointer(m, wrong)
                for index, name in ((5, "msi_mask"), (6, "msi_pattern"), (7, None)):
                    with m.Case(index):
                        self._msi_address(m, wrong, name)
            if params.processes:
                with m.Case(PROCESS_CONTEXT):
                    self._process(m, absent, wrong)
                with m.Case(PROCESS_CONTEXT + 1):
                    self._process_first_stage(m, absent, wrong)
        return m

    def _keep(self, m, **values):
        with m.If(self.valid):
            for name, value in values.items():
                m.d.sync += getattr(self.context, name).eq(value)

    def _control(self, m, absent, wrong):
        tc = data.View(struct(DC_TC), self.word)
        unsupported = [tc.en_ats, tc.en_pri, tc.t2gpa, tc.prpr,
                       self.gxl & ~tc.sxl if self._params.narrow else tc.sxl]
        if not self._params.end:
            unsupported.append(tc.sbe)
        if not self._params.amo_hwad:
            unsupported += [tc.gade, tc.sade]
        m.d.comb += [
            absent.eq(~tc.v),
            wrong.eq(Cat(*unsupported, tc.dpe & ~tc.pdtv,
                         reserved(DC_TC, tc, ignore=_CUSTOM)).any()),
        ]
        self._keep(m, dtf=tc.dtf, sade=tc.sade, gade=tc.gade, sbe=tc.sbe, big=self.big,
                   sxl=tc.sxl, gxl=self.gxl)
        with m.If(self.valid):
            m.d.sync += [self.pdtv.eq(tc.pdtv), self.dpe.eq(tc.dpe)]

    def _second_stage(self, m, absent, wrong):
        iohgatp = data.View(struct(DC_IOHGATP), self.word)
        on = self._is_mode(iohgatp.mode, self._params.guest_levels, self.gxl,
                           self._params.sv32x4)
        m.d.comb += wrong.eq((iohgatp.mode != IosatpMode.BARE) &
                             (~on | iohgatp.ppn[:_ROOT_ALIGN].any()))
        self._keep(m, guest=on, guest_levels=iohgatp.mode - _SATP_SV39, gscid=iohgatp.gscid,
                   guest_root=iohgatp.ppn)

    def _attributes(self, m, absent, wrong):
        ta = data.View(struct(DC_TA), self.word)
        rcid, mcid = len(self.context.qos.rcid), len(self.context.qos.mcid)
        m.d.comb += wrong.eq(Cat(ta.rcid[rcid:], ta.mcid[mcid:], reserved(DC_TA, ta)).any())
        self._keep(m, pscid=ta.pscid, qos=Cat(ta.rcid[:rcid], ta.mcid[:mcid]))

    def _first_stage(self, m, absent, wrong):
        fsc, params = data.View(struct(IOSATP), self.word), self._params
        modes = [mode for mode, there in ((PdtpMode.PD8, params.pd8), (PdtpMode.PD17, params.pd17),
                                          (PdtpMode.PD20, params.pd20)) if there]
        paged = self._is_first(fsc.mode) & ~self.pdtv
        directory = self.pdtv & fsc.mode.matches(*modes)
        m.d.comb += wrong.eq((fsc.mode != IosatpMode.BARE) & ~paged & ~directory |
                             reserved(IOSATP, fsc))
        self._keep(m, paged=paged, levels=fsc.mode - _SATP_SV39, root=narrow(params, fsc.ppn),
                   sum=0)
        with m.If(self.valid):
            m.d.sync += self.process_mode.eq(fsc.mode)

    def _msi_pointer(self, m, wrong):
        msiptp = data.View(struct(IOSATP), self.word)
        flat = msiptp.mode == MsiptpMode.FLAT
        m.d.comb += wrong.eq(reserved(IOSATP, msiptp) | (msiptp.mode != MsiptpMode.OFF) &
                             ~(flat & self.context.guest))
        self._keep(m, msi=flat, msi_root=msiptp.ppn)

    def _msi_address(self, m, wrong, name):
        params = self._params
        used = params.gpn_bits or params.ppn_bits
        m.d.comb += wrong.eq(self.word[used:].any() if name else self.word.any())
        if name:
            self._keep(m, **{name: self.word})

    def _process(self, m, absent, wrong):
        ta = data.View(struct(PC_TA), self.word)
        m.d.comb += [absent.eq(~ta.v), wrong.eq(reserved(PC_TA, ta))]
        self._keep(m, pscid=ta.pscid, sum=ta.sum)
        with m.If(self.valid):
            m.d.sync += self.ens.eq(ta.ens)

    def _process_first_stage(self, m, absent, wrong):
        fsc = data.View(struct(IOSATP), self.word)
        paged = self._is_first(fsc.mode)
        m.d.comb += wrong.eq((fsc.mode != IosatpMode.BARE) & ~paged | reserved(IOSATP, fsc))
        self._keep(m, paged=paged, levels=fsc.mode - _SATP_SV39,
                   root=narrow(self._params, fsc.ppn))

    def _is_first(self, mode):
        """Whether ``mode`` is one of the first stage."""
        return self._is_mode(mode, self._params.levels, self.context.sxl.any(), self._params.sv32)

    def _is_mode(self, mode, levels, narrow, sv32):
        """Whether ``mode`` is one with a table of at most so many levels, or if ``narrow`` Sv32."""
        wide = mode.matches(*range(_SATP_SV39, _SATP_SV39 + max(levels - 2, 0)))
        if not self._params.narrow:
            return wide
        return Mux(narrow, (mode == IosatpMode.SV32) & int(sv32), wide)
