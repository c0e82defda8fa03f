"""One entry of the TLB."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .permissions import Permissions
from .records import VPN_WIDTH, access_layout, flags_layout, same_page

__all__ = ["KeyLayout", "TlbEntry"]


class KeyLayout(data.StructLayout):
    """A page to compare an entry with, of the size that ``covers`` tells.

    ``g``: it is in every address space.
    """

    def __init__(self):
        super().__init__({"vpn": VPN_WIDTH, "covers": 3, "pscid": 20, "g": 1})


class TlbEntry(wiring.Component):
    """Tag and flags of an entry, with the comparators for two keys.

    The physical page is not here, since it is only needed for the entry that matches; the flags
    are, so that the permissions of all entries are looked at while the tags are compared. ``match``
    and ``denied`` are combinational; ``fill`` and ``drop`` take effect with the next cycle.

    Members
    -------
    key, access : ``In(...).array(2)``
        Two questions.
    match : ``Out(1).array(2)``
        The entry is valid and overlaps the page of the key.
    denied : ``Out(1).array(2)``
        It does not permit the access.
    valid : ``Out(1)``
        The entry holds something.
    fill, write, flags : ``In(...)``
        ``key[0]`` is being filled with ``flags``: into this entry if ``write``, else this entry
        goes if it overlaps.
    drop, av, pscv : ``In(1)``
        Drop the entry if it is of page ``key[0].vpn`` or not ``av``, and if it is of the space
        ``key[0].pscid`` and not of every space, or not ``pscv``.
    """

    key: In(KeyLayout()).array(2)
    access: In(access_layout()).array(2)
    match: Out(1).array(2)
    denied: Out(1).array(2)
    valid: Out(1)
    fill: In(1)
    write: In(1)
    flags: In(flags_layout())
    drop: In(1)
    av: In(1)
    pscv: In(1)

    def elaborate(self, platform):
        m = Module()
        tag = Signal(KeyLayout())
        flags = Signal(flags_layout())

        page, space = Signal(2), Signal(2)
        for n, key in enumerate(self.key):
            m.submodules[f"permissions_{n}"] = permissions = Permissions()
            m.d.comb += [
                page[n].eq(same_page(tag.vpn, key.vpn, tag.covers | key.covers)),
                space[n].eq(tag.pscid == key.pscid),
                self.match[n].eq(self.valid & page[n] & (space[n] | tag.g | key.g)),
                permissions.access.eq(self.access[n]),
                permissions.flags.eq(flags),
                self.denied[n].eq(permissions.denied),
            ]

        with m.If(self.drop):
            with m.If((page[0] | ~self.av) & (space[0] & ~tag.g | ~self.pscv)):
                m.d.sync += self.valid.eq(0)
        with m.Elif(self.fill & self.write):
            m.d.sync += [self.valid.eq(1), tag.eq(self.key[0]), flags.eq(self.flags)]
        with m.Elif(self.fill & self.match[0]):
            m.d.sync += self.valid.eq(0)
        return m
