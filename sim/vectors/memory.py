"""Memory of a scenario: it notices messages."""

from sim.golden.memory import Memory

from .format import Scenario

__all__ = ["ScenarioMemory"]


class ScenarioMemory(Memory):
    """Memory as a scenario describes it, that notices messages: 4-byte stores into a window.

    Parameters
    ----------
    scenario : Scenario
        Scenario.
    """

    def __init__(self, scenario: Scenario):
        super().__init__(scenario.mem_base, scenario.mem_size)
        self._window = scenario.msi_window or (0, 0)
        self._messages: list[tuple[int, int]] = []
        for addr, value in scenario.mem:
            self.poke_word(addr, value)

    def write(self, addr: int, data: bytes) -> None:
        """Write ``data``, as a bus would."""
        super().write(addr, data)
        if len(data) == 4 and self._window[0] <= addr < self._window[1]:
            self._messages.append((addr, int.from_bytes(data, "little")))

    def peek_word(self, addr: int) -> int:
        """Read a 64-bit word, as software."""
        return int.from_bytes(self.peek(addr, 8), "little")

    def poke_word(self, addr: int, value: int) -> None:
        """Write a 64-bit word, as software."""
        self.poke(addr, value.to_bytes(8, "little"))

    def take_messages(self) -> list[tuple[int, int]]:
        """Address and data of the messages since the last call."""
        seen, self._messages = self._messages, []
        return seen
