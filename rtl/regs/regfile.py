"""A register file on AXI4-Lite, generated from a register map."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.axi import lite
from rtl.spec.regmap import Access, RegisterMap

__all__ = ["RegisterFile"]


class RegisterFile(wiring.Component):
    """Registers of ``regmap`` behind an AXI4-Lite port.

    A write takes two cycles, a read three; the answer is ``OKAY``. An offset that has no register
    reads zero and ignores writes, as reserved space does. Writes are 32 bits wide: a write whose
    strobes are not all set is answered ``SLVERR`` and changes nothing.

    Parameters
    ----------
    regmap : RegisterMap
        Description of the registers.
    addr_width : int
        Width of the port's byte addresses; 12 (a window of 4 KiB) by default.
    groups : tuple of str
        Beginnings of names of registers that are cleared together; by default all registers are.

    Members
    -------
    bus : ``In(lite.Signature(...))``
        Bus.
    clear : ``In(len(groups))``
        Return every stored field of a group to its reset value; an access that is under way ends as
        usual.
    word : ``Out(addr_width - 2)``, elsewhere : ``In(width)``
        For read-only fields that are kept elsewhere, such as in a RAM: which word a read needs, in
        the one cycle in which it does; bits to put into it.
    fields : ``Out(...)``
        One member for each register, holding ``w_stb: Out(1)``, high for one cycle after a write to
        the register, and for each field:

        - :attr:`Access.RW`: ``Out(width)``, the stored value; new in the cycle of ``w_stb``;
        - :attr:`Access.RO`: ``In(width)``, the value to read;
        - :attr:`Access.W1C`: ``In(width)``, bits to set, ``<field>_clr: In(width)``, bits that
          hardware clears, ``<field>_q: Out(width)``, the stored value, and
          ``<field>_w: Out(width)``, the bits written as ones, valid in the cycle of ``w_stb``; a
          bit set and cleared at once stays set;
        - :attr:`Access.WO`: ``Out(width)``, the value written, valid in the cycle of ``w_stb``;
        - :attr:`Access.WARL`: ``In(width)``, the value to read, and ``<field>_w: Out(width)``, the
          value written, valid in the cycle of ``w_stb``.

    Raises
    ------
    ValueError
        If the registers do not fit in ``addr_width``.
    """

    def __init__(self, regmap: RegisterMap, *, addr_width: int = 12,
                 groups: tuple[str, ...] = ("",)):
        if regmap.addr_width > addr_width:
            raise ValueError(f"Register map {regmap.name!r} needs {regmap.addr_width} address "
                             f"bits, not {addr_width!r}")
        self.regmap, self._groups = regmap, groups
        super().__init__({
            "bus":    In(lite.Signature(addr_width=addr_width, data_width=regmap.width)),
            "clear":  In(len(groups)),
            "word":   Out(addr_width - 2), "elsewhere": In(regmap.width),
            "fields": Out(wiring.Signature({
                register.name: Out(self._register_signature(register)) for register in regmap
            })),
        })

    @staticmethod
    def _register_signature(register) -> wiring.Signature:
        members = {"w_stb": Out(1)}
        for field in register:
            match field.access:
                case Access.RW:
                    members[field.name] = Out(field.width, init=field.reset)
                case Access.RO:
                    members[field.name] = In(field.width)
                case Access.W1C:
                    members[field.name] = In(field.width)
                    members[f"{field.name}_clr"] = In(field.width)
                    members[f"{field.name}_q"] = Out(field.width, init=field.reset)
                    members[f"{field.name}_w"] = Out(field.width)
                case Access.WO:
                    members[field.name] = Out(field.width)
                case Access.WARL:
                    members[field.name] = In(field.width)
                    members[f"{field.name}_w"] = Out(field.width)
        return wiring.Signature(members)

    def elaborate(self, platform):
        m = Module()
        bus = self.bus

        # One access at a time, writes first; the response is registered.
        write = Signal()
        read = Signal()
        free = Signal(init=1)               # no access is under way
        reading = Signal()                  # the word is being chosen
        m.d.sync += free.eq(~write & ~read & ~reading & (~bus.b.valid | bus.b.ready) &
                            (~bus.r.valid | bus.r.ready))
        m.d.comb += [
            write.eq(free & bus.aw.valid & bus.w.valid),
            read.eq(free & bus.ar.valid & ~write),
            bus.aw.ready.eq(write),
            bus.w.ready.eq(write),
            bus.ar.ready.eq(read),
        ]
        whole = bus.w.p.strb.all()

        with m.If(bus.b.ready):
            m.d.sync += bus.b.valid.eq(0)
        with m.If(bus.r.ready):
            m.d.sync += bus.r.valid.eq(0)
        with m.If(write):
            m.d.sync += bus.b.valid.eq(1)
            m.d.sync += bus.b.p.resp.eq(Mux(whole, lite.Resp.OKAY, lite.Resp.SLVERR))
        # The address is decoded first: the words then need no more than an AND and an OR.
        chosen = Signal(len(self.regmap.registers))
        m.d.sync += [reading.eq(read), self.word.eq(bus.ar.p.addr[2:])]
        with m.If(reading):
            m.d.sync += bus.r.valid.eq(1)
            m.d.sync += bus.r.p.data.eq(self._select(chosen) | self.elsewhere)

        # Written values that have no storage of their own are held for the cycle of the strobe.
        written = Signal(self.regmap.width)
        with m.If(write):
            m.d.sync += written.eq(bus.w.p.data)

        for register in self.regmap:
            port = getattr(self.fields, register.name)
            m.d.sync += port.w_stb.eq(0)
            for field in register:
                self._elaborate_default(m, port, field, written)

        # Each address has a decoder of its own, which does not wait for which of them is taken.
        for k, register in enumerate(self.regmap):
            with m.If((bus.aw.p.addr[2:] == register.offset >> 2) & whole & write):
                self._elaborate_write(m, register)
            m.d.sync += chosen[k].eq((bus.ar.p.addr[2:] == register.offset >> 2) & read)

        for k, group in enumerate(self._groups):
            with m.If(self.clear[k]):
                for register in self.regmap:
                    if register.name.startswith(group):
                        self._elaborate_clear(m, register)
        return m

    def _elaborate_default(self, m, port, field, written):
        """Outside any access: hardware sets, and the views of the value just written."""
        value = getattr(port, field.name)
        lanes = written[field.lsb:field.msb + 1]
        match field.access:
            case Access.W1C:
                storage = getattr(port, f"{field.name}_q")
                m.d.sync += storage.eq(storage & ~getattr(port, f"{field.name}_clr") | value)
                m.d.comb += getattr(port, f"{field.name}_w").eq(lanes)
            case Access.WO:
                m.d.comb += value.eq(lanes)
            case Access.WARL:
                m.d.comb += getattr(port, f"{field.name}_w").eq(lanes)

    def _elaborate_write(self, m, register):
        port = getattr(self.fields, register.name)
        m.d.sync += port.w_stb.eq(1)
        for field in register:
            value = getattr(port, field.name)
            lanes = self.bus.w.p.data[field.lsb:field.msb + 1]
            match field.access:
                case Access.RW:
                    m.d.sync += value.eq(lanes)
                case Access.W1C:
                    storage = getattr(port, f"{field.name}_q")
                    kept = ~lanes & ~getattr(port, f"{field.name}_clr")
                    m.d.sync += storage.eq(storage & kept | value)

    def _elaborate_clear(self, m, register):
        port = getattr(self.fields, register.name)
        for field in register:
            match field.access:
                case Access.RW:
                    m.d.sync += getattr(port, field.name).eq(field.reset)
                case Access.W1C:
                    m.d.sync += getattr(port, f"{field.name}_q").eq(field.reset)

    def _select(self, chosen):
        """Word of the register whose bit in ``chosen`` is set."""
        word = 0
        for bit, register in zip(chosen, self.regmap, strict=True):
            word |= self._word(register) & bit.replicate(self.regmap.width)
        return word

    def _word(self, register):
        """Word to read."""
        port = getattr(self.fields, register.name)
        word = 0
        for field in register:
            if field.access is Access.WO:
                continue
            suffix = "_q" if field.access is Access.W1C else ""
            word |= getattr(port, field.name + suffix) << field.lsb
        return word
