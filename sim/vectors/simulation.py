"""A simulated IOMMU whose time passes only inside calls."""

from collections.abc import Callable
from contextlib import suppress

from amaranth.hdl import Value

from rtl.params import IommuParams
from sim.golden.memory import Memory

from .replay import HangError
from .responder import burst_of, respond
from .rig import HANG_CYCLES, Op, Rig

__all__ = ["Simulation"]

PERIOD = 10e-9


class Simulation:
    """A :class:`Rig` in a simulator.

    Parameters
    ----------
    params : IommuParams
        Parameters of the IOMMU.
    make : callable
        Makes a simulator of a design, see :func:`sim.engine.choose`.

    Attributes
    ----------
    note : callable or None
        Called with quality-of-service identifiers and address of each own access, and whether it is
        a write.
    """

    def __init__(self, params: IommuParams, make: Callable):
        self.rig = Rig(params)
        self.memory: Memory | None = None
        self.note: Callable[[tuple[int, int], int, bool], None] | None = None
        self._rcid_bits = params.rcid_bits
        self._inputs = {name: Value.cast(getattr(self.rig.commands, name)) for name in (
            "op", "settle", "write", "wide", "addr", "value", "len", "prot", "user",
            "strb")}
        self._ctx = self._program = None
        self._coroutines = []
        self._simulator = make(self.rig)
        self._simulator.add_clock(PERIOD)
        for testbench in (self._answer, self._serve):
            self._simulator.add_testbench(self._kept(testbench), background=True)
        while self._ctx is None:
            self._simulator.advance()

    def reset(self, memory: Memory) -> None:
        """Reset all, and connect ``memory``."""
        self.memory = memory
        self._run({})

    def command(self, op: Op, **inputs: int) -> tuple[int, bool]:
        """Run one command of :class:`~sim.vectors.rig.Commands`.

        Returns what was read from a register, and whether the answer was an error.

        Raises
        ------
        HangError
            If it does not end.
        """
        self._run({"op": op.value, "write": 0, "wide": 0, "settle": 0, **inputs})
        result, error, hung = self._done
        if hung:
            raise HangError(f"no end after {HANG_CYCLES} cycles")
        return result, bool(error)

    def observed(self) -> tuple[bool, int, int, tuple[int, int]]:
        """Tell whether an access got through in the last command, where, AxCACHE, identifiers."""
        get, target = self._ctx.get, self.rig.target
        if not get(target.seen):
            return False, 0, 0, (0, 0)
        return (True, get(target.addr), get(target.cache),
                self._qos(get(Value.cast(target.user))))

    def wires(self) -> int:
        """Levels of the interrupt wires."""
        return self._ctx.get(self.rig.iommu.irq)

    def close(self) -> None:
        """End the simulation."""
        # Up to Python 3.12, a coroutine parked in `until()` raises when the collector closes it.
        for coroutine in self._coroutines:
            with suppress(RuntimeError):
                coroutine.close()
        self._coroutines = []
        self._simulator = self._ctx = None      # a compiled model is large

    def _qos(self, user: int) -> tuple[int, int]:
        return user % (1 << self._rcid_bits), user >> self._rcid_bits

    def _kept(self, testbench: Callable) -> Callable:
        async def run(ctx):
            self._coroutines.append(testbench(ctx))
            await self._coroutines[-1]
        return run

    def _run(self, inputs: dict[str, int]) -> None:
        self._program = inputs
        while self._program is not None:
            self._simulator.run()

    async def _serve(self, ctx) -> None:
        self._ctx, self._went = ctx, 0
        while True:
            await ctx.tick()
            if self._program is not None:
                with ctx.critical():
                    await (self._command if self._program else self._reset)(ctx)
                self._program = None

    async def _reset(self, ctx) -> None:
        ctx.set(self.rig.rst, 1)
        ctx.set(self.rig.commands.go, 0)
        self._went = 0
        await ctx.tick().repeat(2)
        ctx.set(self.rig.tables.ack, 0)     # now nothing asks any more, and nothing is answered
        ctx.set(self.rig.rst, 0)

    async def _command(self, ctx) -> None:
        commands = self.rig.commands
        for name, value in self._program.items():
            ctx.set(self._inputs[name], value)
        self._went ^= 1
        ctx.set(commands.go, self._went)
        self._done = await ctx.tick().sample(
            commands.result, commands.error, commands.hung).until(commands.done)

    async def _answer(self, ctx) -> None:
        port = self.rig.tables
        trigger = ctx.tick().sample(*burst_of(port))
        while True:
            burst = await trigger.until(port.asks)
            if self.note:
                self.note(self._qos(ctx.get(Value.cast(port.burst.user))), burst[1],
                          bool(burst[0]))
            for name, value in respond(self.memory, *burst, poison=port.poisons).items():
                ctx.set(getattr(port, name), value)
            ctx.set(port.ack, 1 - ctx.get(port.ack))
