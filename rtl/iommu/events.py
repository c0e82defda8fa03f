"""What happens in the IOMMU, as the performance monitor wants to know it."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from rtl.params import IommuParams
from rtl.spec.hpm import HpmEvent

__all__ = ["EventSignature", "event_layout", "origin_layout", "tell"]


def origin_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of whose access it is, with no bits in a build without the monitor.

    ``process``: in the name of process ``pid``, else that is 0.
    """
    there = int(params.hpm)
    return data.StructLayout({"did": 24 * there, "process": there, "pid": 20 * there})


def event_layout(params: IommuParams) -> data.StructLayout:
    """Make the layout of an event: its number, and what it can be told by.

    ``origin``; and if ``paged`` the ``pscid``, if ``guest`` the ``gscid`` of the address space.
    """
    two = params.two_stage
    return data.StructLayout({
        "event": range(max(HpmEvent) + 1), "origin": origin_layout(params), "paged": 1, "pscid": 20,
        "guest": two, "gscid": 16 * two})


class EventSignature(wiring.Signature):
    """One event in each cycle. Directions are the source's.

    Members
    -------
    valid : ``Out(1)``
        Something happens.
    p : ``Out(event_layout(params))``
        What.
    """

    def __init__(self, params: IommuParams):
        super().__init__({"valid": Out(1), "p": Out(event_layout(params))})


def tell(m: Module, port, event: Value | HpmEvent, strobe: Value, context: data.View) -> None:
    """Drive ``port`` with an event that concerns ``context``."""
    m.d.comb += [port.valid.eq(strobe), port.p.event.eq(event)]
    m.d.comb += [getattr(port.p, name).eq(getattr(context, name))
                 for name in ("origin", "paged", "pscid", "guest", "gscid")]
