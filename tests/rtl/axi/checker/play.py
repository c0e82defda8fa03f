"""Play scripted cycles on the signals of a bus that has nothing but a checker."""


from rtl.axi.signature import Burst
from sim.engine import choose


class Stalled(dict):
    """Payload that is offered while ready is low."""


def address(**fields) -> dict:
    return {"len": 0, "size": 3, "burst": Burst.INCR, **fields}


class Player:
    """A bus and its checker, in a simulator that is used for many scripts.

    Parameters
    ----------
    bus : interface
        Bus whose signals are played.
    checker : Elaboratable
        Checker of this bus, which must call it ``here``.
    """

    def __init__(self, bus, checker):
        self._channels = {name: getattr(bus, name) for name in bus.signature.members}
        self._cycles, self._played = [], False
        self._simulator = choose()(checker)
        self._simulator.add_clock(1e-8)
        self._simulator.add_testbench(self._script)

    async def _script(self, ctx):
        for cycle in self._cycles:
            for name, channel in self._channels.items():
                payload = cycle.get(name)
                ctx.set(channel.valid, payload is not None)
                ctx.set(channel.payload, payload or {})
                ctx.set(channel.ready, not isinstance(payload, Stalled))
            await ctx.tick()

    def message(self, cycles) -> str | None:
        """Message of the first violation, or None.

        Each of ``cycles`` maps channels to the payload that is offered, and taken unless it is
        :class:`Stalled`.
        """
        self._cycles[:] = cycles
        if self._played:
            self._simulator.reset()
        self._played = True
        try:
            self._simulator.run()
        except AssertionError as error:
            prefix, message = str(error).split(": ", 1)
            assert prefix == "Assertion violated"
            return message
        return None

    def violated(self, cycles) -> str | None:
        """Name of the rule that the first violation names, or None."""
        message = self.message(cycles)
        if message is None:
            return None
        rule, *place = message.split(" ")
        assert place[:2] == ["at", "here:"]
        return rule
