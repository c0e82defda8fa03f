"""What a command asks for, and whether it may."""

from amaranth import *
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from rtl.layouts import reserved, struct
from rtl.params import IommuParams
from rtl.spec.page_table import DdtpMode
from rtl.spec.queues import (
    IODIR_DW0,
    IODIR_FUNC3,
    IOFENCE_DW0,
    IOFENCE_DW1,
    IOFENCE_FUNC3,
    IOTINVAL_DW0,
    IOTINVAL_DW1,
    IOTINVAL_FUNC3,
    Opcode,
)

from .directory_walker import too_wide

__all__ = ["Action", "CommandDecoder"]


class Action(enum.Enum, shape=3):
    """What to do for a command."""

    ILLEGAL = 0
    #: Legal, but there is nothing of that kind to invalidate.
    NOTHING = 1
    DROP_TRANSLATIONS = 2
    DROP_CONTEXTS = 3
    FENCE = 4


class CommandDecoder(wiring.Component):
    """Decide what to do for a command. Combinational.

    Without a second stage there are no virtual machines, about which IOTINVAL with GV = 1 and
    IOTINVAL.GVMA are; without process directories any PID but 0 is too wide for INVAL_PDT.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    command : ``In(128)``
        The two doublewords.
    mode : ``In(DdtpMode)``
        ``ddtp.iommu_mode``, which limits a DID.
    wired : ``In(1)``
        ``fctl.wsi``, which a fence with an interrupt needs.
    action : ``Out(Action)``
        What to do. Operands are where the formats of :mod:`rtl.spec.queues` have them.

    Source
    ------
    RISC-V IOMMU Architecture Specification, section "Command-Queue (CQ)", chapter "Extensions".
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({"command": In(128), "mode": In(DdtpMode), "wired": In(1),
                          "action": Out(Action)})

    def elaborate(self, platform):
        m = Module()
        low, high = self.command[:64], self.command[64:]
        invalidate = data.View(struct(IOTINVAL_DW0), low)
        directory = data.View(struct(IODIR_DW0), low)

        # Reserved bits, among them those of extensions that are not there.
        bad_invalidate = reserved(IOTINVAL_DW0, low) | reserved(IOTINVAL_DW1, high)
        if not self._params.nl:
            bad_invalidate |= invalidate.nl
        if not self._params.s:
            bad_invalidate |= (high & IOTINVAL_DW1.mask("s")).any()
        bad_fence = (reserved(IOFENCE_DW0, low) | reserved(IOFENCE_DW1, high) |
                     data.View(struct(IOFENCE_DW0), low).wsi & ~self.wired)
        bad_directory = (reserved(IODIR_DW0, low) | high.any() |
                         directory.dv & too_wide(self._params, self.mode, directory.did))
        guests, processes = self._params.two_stage, self._params.processes

        def when(layout, opcode, func3):
            return low[:10] == layout.pack(opcode=opcode, func3=func3)

        with m.If(when(IOTINVAL_DW0, Opcode.IOTINVAL, IOTINVAL_FUNC3.VMA)):
            with m.If(~bad_invalidate):
                m.d.comb += self.action.eq(
                    Action.DROP_TRANSLATIONS if guests else
                    Mux(invalidate.gv, Action.NOTHING, Action.DROP_TRANSLATIONS))
        with m.If(when(IOTINVAL_DW0, Opcode.IOTINVAL, IOTINVAL_FUNC3.GVMA)):
            with m.If(~bad_invalidate & ~invalidate.pscv):
                m.d.comb += self.action.eq(
                    Action.DROP_TRANSLATIONS if guests else Action.NOTHING)
        with m.If(when(IOFENCE_DW0, Opcode.IOFENCE, IOFENCE_FUNC3.C)):
            with m.If(~bad_fence):
                m.d.comb += self.action.eq(Action.FENCE)
        with m.If(when(IODIR_DW0, Opcode.IODIR, IODIR_FUNC3.INVAL_DDT)):
            with m.If(~bad_directory & ~directory.pid.any()):
                m.d.comb += self.action.eq(Action.DROP_CONTEXTS)
        with m.If(when(IODIR_DW0, Opcode.IODIR, IODIR_FUNC3.INVAL_PDT)):
            with m.If(~bad_directory & directory.dv &
                      ~directory.pid[self._params.process_bits:].any()):
                m.d.comb += self.action.eq(Action.DROP_CONTEXTS if processes else Action.NOTHING)
        return m
