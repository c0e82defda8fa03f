"""The RTL as a target, on any engine."""

from collections import OrderedDict
from collections.abc import Callable

from rtl.axi.signature import PROT_INSTRUCTION, PROT_PRIVILEGED
from rtl.params import IommuParams
from rtl.spec.iommu_regs import IOMMU_REGISTERS
from rtl.spec.page_table import PAGE_BYTES
from sim.engine import choose

from .format import Scenario, Step
from .memory import ScenarioMemory
from .replay import Answer
from .rig import Op
from .simulation import Simulation

__all__ = ["RtlTarget", "params_for"]

_FCTL = IOMMU_REGISTERS["fctl"].offset
#: Simulations that are kept, each for other parameters.
KEPT = 8
#: Memory type by AxCACHE, for a device whose accesses are write-back: 0 leaves them as they are.
_NORMAL, _MODIFIABLE = 0b1100, 0b0010


def params_for(scenario: Scenario) -> IommuParams:
    """Parameters of a build with exactly the scenario's capabilities.

    Raises
    ------
    ValueError
        If there is no such build; names what it cannot have.
    """
    vectors = 1 << max(2, scenario.vector_bits)
    return IommuParams.for_capabilities(scenario.capabilities, vectors=vectors,
                                         poison=scenario.poisons)


class RtlTarget:
    """The RTL, built with each scenario's capabilities.

    Scenarios of equal parameters share a simulation, which is reset between them. Simulated time
    passes only inside a call that needs it.

    Parameters
    ----------
    engine : str
        One of :data:`sim.engine.ENGINES`.

    Raises
    ------
    ValueError
        If there is no such engine.
    EngineError
        If the engine is not installed.
    """

    patience = 64

    def __init__(self, *, engine: str = "auto"):
        self._make = choose(engine)
        self.engine = self._make.engine
        self._simulations: OrderedDict[IommuParams, Simulation] = OrderedDict()

    def refuses(self, scenario: Scenario) -> str:
        """Why the RTL cannot be built for the scenario."""
        try:
            params_for(scenario)
        except ValueError as error:
            return str(error)
        return ""

    def reset(self, scenario: Scenario) -> None:
        """Reset the IOMMU, and give it the scenario's memory."""
        self._simulation = self._simulation_for(params_for(scenario))
        self._active = True             # something may be under way
        self.memory = ScenarioMemory(scenario)
        self._simulation.reset(self.memory)
        self.write(_FCTL, scenario.fctl, 4)

    def _simulation_for(self, params: IommuParams) -> Simulation:
        found = self._simulations.pop(params, None) or Simulation(params, self._make)
        self._simulations[params] = found
        if len(self._simulations) > KEPT:
            self._simulations.popitem(last=False)[1].close()
        return found

    def _command(self, op: Op, **inputs: int) -> tuple[int, bool]:
        self._active = op is not Op.SETTLE
        return self._simulation.command(op, **inputs)

    def idle(self) -> None:
        """Nothing to do: all but accesses of the device wait for silence before they begin."""

    def _settle(self) -> None:
        if self._active:
            self._command(Op.SETTLE, settle=1)

    def read(self, offset: int, size: int) -> int:
        """Read a register."""
        return self._command(Op.READ, settle=1, addr=offset, wide=size == 8)[0]

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register, the high half first."""
        self._command(Op.WRITE, settle=1, addr=offset, wide=size == 8, value=value)

    def peek(self, addr: int) -> int:
        """Read a 64-bit word of memory."""
        self._settle()
        return self.memory.peek_word(addr)

    def poke(self, addr: int, value: int) -> None:
        """Write a 64-bit word of memory."""
        self._settle()
        self.memory.poke_word(addr, value)

    def translate(self, step: Step) -> Answer:
        """Let the device make the access; a target that is no memory answers it."""
        user = (step.did | (step.pid or 0) << 24 | (step.pid is not None) << 44
                | (step.type == "translated") << 45)
        prot = PROT_PRIVILEGED * step.priv | PROT_INSTRUCTION * (step.access == "x")
        room = PAGE_BYTES - step.iova % PAGE_BYTES      # a burst ends with the page
        beats = (step.iova % 8 + min(max(step.length, 1), room) + 7) // 8
        data, lane = getattr(step, "data", None), step.iova & 7
        written = {"value": 0, "strb": 0xFF} if data is None else {
            "value": int.from_bytes(data, "little") << 8 * lane,
            "strb": (1 << len(data)) - 1 << lane & 0xFF}
        _, error = self._command(Op.ACCESS, write=step.access == "w", addr=step.iova,
                                 len=beats - 1, prot=prot, user=user, **written)
        seen, addr, cache, qos = self._simulation.observed()
        if not seen:
            return Answer(not error)
        pbmt = 0 if cache & _NORMAL else 1 if cache & _MODIFIABLE else 2
        return Answer(True, addr, pbmt, qos=qos)

    def watch(self, note: Callable[[tuple[int, int], int, bool], None] | None) -> None:
        """Call ``note`` of own accesses, with identifiers and address, and whether they write."""
        self._simulation.note = note

    def inject(self, lo: int, hi: int, access: str, *, poison: bool) -> None:
        """Refuse or poison accesses."""
        self._settle()
        self.memory.inject(lo, hi, access, poison=poison)

    def clear_injected(self) -> None:
        """Forget every injected range."""
        self._settle()
        self.memory.clear_injected()

    def wires(self) -> int:
        """Levels of the wires."""
        self._settle()
        return self._simulation.wires()

    def messages(self) -> list[tuple[int, int]]:
        """Messages since the last call."""
        self._settle()
        return self.memory.take_messages()

    def close(self) -> None:
        """End all simulations."""
        while self._simulations:
            self._simulations.popitem()[1].close()
