"""One entry of the TLB."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.params import IommuParams

from .geometry import drop_page
from .permissions import Permissions
from .records import access_layout, flags_layout, same_page

__all__ = ["KeyLayout", "SelectLayout", "TlbEntry", "to_drop"]


class KeyLayout(data.StructLayout):
    """A page to compare an entry with, of the size that ``covers`` tells.

    ``g``: it is in every address space of its ``domain``: the host or a virtual machine. There,
    ``paged`` and ``guest`` tell the stages that are not Bare. Devices with an MSI page table have a
    domain each, since that table may give a page another meaning.
    """

    def __init__(self, params: IommuParams):
        two, msi = params.two_stage, params.msi
        super().__init__({
            "vpn": params.vpn_bits, "covers": params.depth, "pscid": 20, "g": 1,
            "domain": data.StructLayout({
                "paged": two, "guest": two, "gscid": 16 * two, "msi": msi, "did": 24 * msi})})

    def of(self, vpn: Value, context: data.View) -> dict[str, Value]:
        """Key of page ``vpn`` in ``context``, as the value of each field that it has."""
        domain = Cat(context[name] for name in self["domain"].shape.members)
        return {"vpn": vpn[:self["vpn"].width], "pscid": context.pscid, "domain": domain}


class SelectLayout(data.StructLayout):
    """Which entries to drop, those that agree with the key in what is named.

    ``av``: page; ``pscv``: address space, without global entries; ``gv``: virtual machine, else
    the host; ``gvma``: of the second stage, and ``gv`` low for those of all virtual machines.
    """

    def __init__(self, params: IommuParams):
        super().__init__({
            "av": 1, "pscv": 1, "gv": params.two_stage, "gvma": params.two_stage})


def to_drop(params: IommuParams, tag: data.View, select: data.View, *, page: Value, space: Value,
            gscid: Value) -> Value:
    """Whether an entry with ``tag`` must go, if it has the ``page`` or ``space`` of the command.

    The page of a virtual machine's entry may be smaller than those it was made from, and is not the
    guest page; so all its pages go.
    """
    mine = space & ~tag.g | ~select.pscv
    named = (page | ~select.av) & mine
    if not params.two_stage:
        return named
    guest, machine = tag.domain.guest, tag.domain.gscid == gscid
    return Mux(select.gvma, guest & (machine | ~select.gv),
               Mux(select.gv, guest & machine & mine, ~guest & named))


class TlbEntry(wiring.Component):
    """Tag and flags of an entry, with the comparators for two keys.

    The physical page is not here, since it is only needed for the entry that matches; the flags
    are, so that the permissions of all entries are looked at while the tags are compared. ``match``
    and ``denied`` are combinational; ``fill`` and ``drop`` take effect with the next cycle.

    Parameters
    ----------
    params : IommuParams
        Parameters.

    Members
    -------
    key, access, sum : ``In(...).array(2)``
        Two questions.
    match : ``Out(1).array(2)``
        The entry is valid and overlaps the page of the key.
    denied : ``Out(1).array(2)``
        It does not permit the access.
    valid, tag, held : ``Out(...)``
        The entry holds something: for which pages, and with which flags.
    fill, write, flags : ``In(...)``
        ``key[0]`` is being filled with ``flags``: into this entry if ``write``, else this entry
        goes if it overlaps.
    drop, select : ``In(...)``
        Drop the entry if it agrees with ``key[0]`` in what ``select`` names.
    """

    def __init__(self, params: IommuParams):
        self._params = params
        super().__init__({
            "key": In(KeyLayout(params)).array(2), "access": In(access_layout()).array(2),
            "sum": In(1).array(2), "match": Out(1).array(2), "denied": Out(1).array(2),
            "valid": Out(1), "tag": Out(KeyLayout(params)), "held": Out(flags_layout()),
            "fill": In(1), "write": In(1), "flags": In(flags_layout()),
            "drop": In(1), "select": In(SelectLayout(params))})

    def elaborate(self, platform):
        m = Module()
        tag, flags = self.tag, self.held

        page, space = Signal(2), Signal(2)
        for n, key in enumerate(self.key):
            vpn = key.vpn
            if n == 0 and self._params.narrow:
                vpn = Mux(self.drop, drop_page(self._params, vpn, tag.vpn, tag.covers), vpn)
            m.submodules[f"permissions_{n}"] = permissions = Permissions()
            m.d.comb += [
                page[n].eq(same_page(tag.vpn, vpn, tag.covers | key.covers)),
                space[n].eq(tag.pscid == key.pscid),
                self.match[n].eq(self.valid & page[n] & (space[n] | tag.g | key.g) &
                                 (tag.domain.as_value() == key.domain.as_value())),
                permissions.access.eq(self.access[n]), permissions.sum.eq(self.sum[n]),
                permissions.flags.eq(flags),
                self.denied[n].eq(permissions.denied),
            ]

        goes = to_drop(self._params, tag, self.select, page=page[0], space=space[0],
                       gscid=self.key[0].domain.gscid)
        with m.If(self.drop):
            with m.If(goes):
                m.d.sync += self.valid.eq(0)
        with m.Elif(self.fill & self.write):
            m.d.sync += [self.valid.eq(1), tag.eq(self.key[0]), flags.eq(self.flags)]
        with m.Elif(self.fill & self.match[0]):
            m.d.sync += self.valid.eq(0)
        return m
