"""The device-directory pointer ``ddtp``."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.spec.page_table import PAGE_BITS, DdtpMode

from .drain import DrainSignature
from .queue_control import WidePpn

__all__ = ["DirectoryPointer"]


class DirectoryPointer(wiring.Component):
    """Mode and root of the device directory, with the rules for what a write keeps.

    A write of an unsupported mode keeps the mode, and a change from one depth of directory to
    another without Off or Bare between is ignored whole. A write makes ``busy`` until the accesses
    that the old value let in are answered; meanwhile writes are ignored.

    Parameters
    ----------
    params : IommuParams
        Parameters of the IOMMU.

    Members
    -------
    low, high : ``In(...)``
        ``stb`` and the fields written to either half.
    mode, root : ``Out(...)``
        What is in effect.
    ppn, busy : ``Out(...)``
        What else the registers read; ``ppn`` with a high half that was written last.
    drain : ``Out(DrainSignature())``
        What a change waits for.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Device-directory-table pointer".
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "low": In(wiring.Signature({"stb": Out(1), "mode": Out(4), "ppn": Out(22)})),
            "high": In(wiring.Signature({"stb": Out(1), "ppn": Out(22)})),
            "mode": Out(DdtpMode), "root": Out(params.phys_bits - PAGE_BITS),
            "ppn": Out(44), "busy": Out(1), "drain": Out(DrainSignature())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.root = root = WidePpn(len(self.root))
        supported = self.low.mode <= DdtpMode.LVL3
        keep = (self.mode <= DdtpMode.BARE) | (self.low.mode <= DdtpMode.BARE)
        m.d.comb += [
            root.high_stb.eq(self.high.stb & ~self.busy), root.high.eq(self.high.ppn),
            root.low_stb.eq(self.low.stb & ~self.busy), root.low.eq(self.low.ppn),
            root.keep.eq(keep), self.ppn.eq(root.read), self.root.eq(root.value),
            self.drain.want.eq(self.busy), self.drain.reads.eq(1), self.drain.writes.eq(1),
        ]
        m.d.sync += self.drain.flush.eq(root.low_stb)
        with m.If(root.low_stb):
            m.d.sync += self.busy.eq(1)
            with m.If(keep & supported):
                m.d.sync += self.mode.eq(self.low.mode)
        with m.Elif(self.drain.done):
            m.d.sync += self.busy.eq(0)
        return m
