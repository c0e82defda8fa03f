"""What memory answers to one burst."""

from amaranth.hdl import Value

from rtl.axi.signature import Burst, Resp
from rtl.spec.platform import BusError
from sim.golden.memory import Memory, PoisonError

from .rig import BurstPort

__all__ = ["burst_of", "respond"]

_WORD = 8                               # bytes of the bus


def burst_of(port: BurstPort) -> tuple[Value, ...]:
    """Signals that :func:`respond` wants the values of."""
    burst = port.burst
    return (port.write, burst.addr, burst.len, burst.size, Value.cast(burst.burst), burst.lock,
            port.data, port.strb)


def respond(memory: Memory, write: int, addr: int, last: int, size: int, burst: int, lock: int,
            data: int, strobes: int, *, poison: bool) -> dict[str, int]:
    """Do to ``memory`` what a burst asks for; inputs of a :class:`BurstPort` to answer it.

    An exclusive write always succeeds: nobody else writes. With ``poison``, corrupt data is marked
    as such, else it is an error of the bus.
    """
    addresses = _words(addr, last + 1, size, Burst(burst))
    good = Resp.EXOKAY if lock else Resp.OKAY
    if write:
        answers = [_write(memory, at, data >> 8 * _WORD * beat, strobes >> _WORD * beat)
                   for beat, at in enumerate(addresses)]
        worst = next((answer for answer in answers if answer is not Resp.OKAY), good)
        return {"resp": worst.value}
    data = resp = corrupt = 0
    for beat, at in enumerate(addresses):
        answer, word = good, 0
        try:
            word = memory.load(at, _WORD)
        except PoisonError:
            corrupt |= 1 << beat
            if not poison:
                answer = Resp.SLVERR
        except BusError as error:
            answer = Resp[error.resp]
        data |= word << 8 * _WORD * beat
        resp |= answer.value << 2 * beat
    return {"reply": data, "resp": resp, "poison": corrupt}


def _write(memory: Memory, addr: int, data: int, strobes: int) -> Resp:
    """Write each run of bytes of one word."""
    octets, lanes = (data % (1 << 8 * _WORD)).to_bytes(_WORD, "little"), range(_WORD + 1)
    marks = [False, *(bool(strobes >> lane & 1) for lane in range(_WORD)), False]
    edges = [lane for lane in lanes if marks[lane] != marks[lane + 1]]
    try:
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            memory.write(addr + start, octets[start:end])
    except BusError as error:
        return Resp[error.resp]
    return Resp.OKAY


def _words(addr: int, beats: int, size: int, burst: Burst) -> list[int]:
    """Address of the bus word of each beat."""
    step, span = 1 << size, beats << size
    start = addr & -step
    places = [start + step * beat for beat in range(beats)]
    if burst is Burst.WRAP:
        places = [addr & -span | at % span for at in places]
    return [at & -_WORD for at in places]
