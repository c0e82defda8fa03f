"""Interrupt files in memory: what becomes of a message to one."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams
from rtl.spec.faults import Cause

from .records import qos_layout
from .tables import ReadSignature, WriteSignature

__all__ = ["FILE_BITS", "CaptureSignature", "FileSignature", "InterruptFile", "file_layout"]

#: log2 of the bytes of a file, and width of the identity of an interrupt.
FILE_BITS, _IDENTITY_BITS = 9, 11


def file_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of where a message goes.

    Number of the ``file``; ``notice``, the page that is told about it, and with which ``number``;
    ``beyond``: one of the two is not within the physical addresses.
    """
    return data.StructLayout({"file": params.phys_bits - FILE_BITS, "notice": params.ppn_bits,
                              "number": _IDENTITY_BITS, "beyond": 1})


class FileSignature(wiring.Signature):
    """A message to an interrupt file, one at a time. Directions are those of who has it.

    Members
    -------
    want : ``Out(1)``
        There is one; goes low in the cycle after ``done``.
    qos, to, at : ``Out(...)``
        Identifiers of the access, where it goes, and which doubleword of the page it was written.
    done : ``In(1)``
        It has been carried out, in this cycle only.
    cause : ``In(12)``
        With ``done``: :attr:`Cause.NONE`, or why it was not.
    good : ``Out(1)``
        After ``done``: the write is to be answered as one that succeeded.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "want": Out(1), "qos": Out(qos_layout(params)), "to": Out(file_layout(params)),
            "at": Out(9), "done": In(1), "cause": In(12), "good": Out(1)})


class CaptureSignature(wiring.Signature):
    """Data of a write that does not go to memory. Directions are those of who has it.

    ``valid``: all of it has come, and all writes before it have ended. ``whole``: its first beat
    has the 4 bytes ``word`` and no others, which are word number ``lane`` of the bus.
    """

    def __init__(self, data_width: int):
        super().__init__({"valid": Out(1), "whole": Out(1), "word": Out(32),
                          "lane": Out(range(data_width // 32))})


class InterruptFile(wiring.Component):
    """Set the bit of a message in its interrupt file, and then give notice by a message.

    It costs a read of 8 bytes, a write of them, and a write of 4. With ``amo_mrif`` the first two
    are exclusive, and are repeated until nobody has come between. Files are little-endian, and so
    are messages; a write to another place of the page than its first word has no effect, and one
    that is not of 4 bytes is not supported.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    message : ``In(FileSignature(params))``
        Messages.
    capture : ``In(CaptureSignature(data_width))``
        Their data.
    locks : ``In(1)``
        A walker updates an entry.
    holds : ``Out(1)``
        Walkers must not begin to, since memory has one reservation for all.
    table, store : ``Out(...)``
        Memory.

    Source
    ------
    RISC-V Advanced Interrupt Architecture, "Recording of incoming MSIs to memory-resident interrupt
    files" and "MSI PTE, MRIF mode".
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "message": In(FileSignature(params)),
            "capture": In(CaptureSignature(params.data_width)),
            "locks": In(1), "holds": Out(1), "table": Out(ReadSignature(params.phys_bits)),
            "store": Out(WriteSignature(params.phys_bits))})

    def elaborate(self, platform):
        m = Module()
        message, capture, table, store = self.message, self.capture, self.table, self.store
        atomic = self._params.amo_mrif
        word = Signal(64)
        to, identity = message.to, capture.word[:_IDENTITY_BITS]
        # The number of the doubleword in the page, and that of the word in the bus, overlap.
        elsewhere = capture.lane.any() | message.at.any() | capture.word[_IDENTITY_BITS:].any()
        m.d.comb += [
            table.request.p.addr.eq(Cat(Const(0, 4), identity[6:], to.file)),
            table.request.p.lock.eq(int(atomic)), store.lock.eq(int(atomic)),
            store.addr.eq(table.request.p.addr), store.data.eq(word),
        ]

        def end(cause):
            m.d.comb += [message.done.eq(1), message.cause.eq(cause)]
            m.d.sync += self.holds.eq(0)
            m.next = "IDLE"

        with m.FSM(name="message"):
            with m.State("IDLE"):
                with m.If(message.want & capture.valid):
                    with m.If(~capture.whole):
                        end(Cause.TYPE_DISALLOWED)
                    with m.Elif(to.beyond):
                        end(Cause.MRIF_ACCESS_FAULT)
                    with m.Elif(elsewhere):
                        end(Cause.NONE)
                    with m.Elif(~self.locks):
                        m.d.sync += self.holds.eq(int(atomic))
                        m.next = "READ"
            with m.State("READ"):
                m.d.comb += table.request.valid.eq(1)
                with m.If(table.request.ready):
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += word.eq(table.reply.data | 1 << identity[:6])
                with m.If(table.reply.valid):
                    m.next = "WRITE"
                    with m.If(table.reply.error):
                        end(Mux(table.reply.poison, Cause.MRIF_CORRUPTION, Cause.MRIF_ACCESS_FAULT))
            with m.State("WRITE"):
                m.d.comb += store.valid.eq(1)
                with m.If(store.done):
                    m.next = "NOTICE"
                    with m.If(store.error):
                        end(Cause.MRIF_ACCESS_FAULT)
                    with m.Elif(store.missed):
                        m.next = "READ"
            with m.State("NOTICE"):
                m.d.comb += [store.valid.eq(1), store.lock.eq(0), store.word.eq(1),
                             store.addr.eq(Cat(Const(0, 12), to.notice)), store.data.eq(to.number)]
                with m.If(store.done):
                    end(Mux(store.error, Cause.MSI_WRITE_ACCESS_FAULT, Cause.NONE))
        return m
