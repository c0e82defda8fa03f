"""What passes between a channel of the stream DMA engine and its registers."""

from typing import Any

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.params import StreamParams

from .jobs import DESC_BITS, LIST_CONTROLS, NOTE_BITS, SPAN_BITS

__all__ = ["ChannelSignature", "connect_frontend"]


class ChannelSignature(wiring.Signature):
    """Starts, stop and results of a channel, seen from its registers.

    Members
    -------
    place, mark, word, doorbell, start, cyclic, tail, simple, addr, size
        Of the front end, see :class:`~rtl.dma.stream_frontend.StreamFrontend`.
    completed, note, counts, faulty, faults, refused, write, address, desc
        See :class:`~rtl.dma.completion.Completion`.
    acked, acked_span
        Bytes were moved, and how many less 1.
    busy : ``In(1)``
        Accesses are outstanding.
    pending : ``In(1)``
        There are buffers that were started and have not ended.
    stop : ``Out(1)``
        Issue no further access.
    clear : ``Out(1)``
        Return the channel to the state after power-on.
    apps : ``Out(1)``
        Packets have application words.
    """

    def __init__(self, params: StreamParams):
        desc_width = params.addr_width - DESC_BITS
        super().__init__({
            **{name: Out(width) for name, width in LIST_CONTROLS.items()},
            "tail":       In(desc_width),
            "simple":     Out(1),
            "addr":       Out(64),
            "size":       Out(SPAN_BITS),
            "completed":  In(1),
            "note":       In(NOTE_BITS),
            "counts":     In(1),
            "faulty":     In(1),
            "faults":     In(8),
            "refused":    In(1),
            "write":      In(1),
            "address":    In(params.addr_width),
            "desc":       In(desc_width),
            "acked":      In(1),
            "acked_span": In(12),
            "busy":       In(1),
            "pending":    In(1),
            "stop":       Out(1),
            "clear":      Out(1),
            "apps":       Out(1),
        })


def connect_frontend(m: Module, control: Any, frontend: Any, completion: Any) -> None:
    """Wire a channel's front end and completion to its ``control`` port."""
    m.d.comb += [getattr(frontend, name).eq(getattr(control, name))
                 for name in (*LIST_CONTROLS, "simple", "addr", "size", "stop")]
    m.d.comb += [getattr(completion, name).eq(getattr(control, name))
                 for name in ("place", "word", "forget", "stop")]
    m.d.comb += [getattr(control, name).eq(getattr(completion, name)) for name in (
        "completed", "note", "counts", "faulty", "faults", "refused", "write", "address", "desc")]
    m.d.comb += control.tail.eq(frontend.tail)
