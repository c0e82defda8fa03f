"""Interrupts for several completions, and for what is left over after a while."""

__all__ = ["Coalescer"]

_UNIT = 125                             # steps of a unit of the delay


class Coalescer:
    """Count completions; each method returns the interrupts that are due, by name.

    Source: AMD PG034, "SG Interrupt Threshold and Interrupt Coalescing"; PG021, "Interrupts".
    Without a delay, what is left over is reported when nothing more will complete.
    """

    def __init__(self):
        self.threshold = self.left = 1
        self.delay = self._waited = 0
        self._untold = False

    @property
    def units(self) -> int:
        """Units of delay since the last completion that was not reported."""
        return self._waited // _UNIT

    @property
    def waits(self) -> bool:
        """Whether the timer will yet report something."""
        return self._untold and self.delay != 0

    def control(self, threshold: int, delay: int) -> None:
        """Take what was written to the control register; a threshold of 0 is not kept."""
        self.threshold = threshold or self.threshold
        self.left, self.delay = self.threshold, delay

    def completed(self) -> set[str]:
        """Count a completion."""
        self._untold, self._waited = True, 0
        self.left -= 1
        return set() if self.left else self._tell("ioc_irq")

    def idle(self) -> set[str]:
        """Nothing more will complete."""
        return self._tell("ioc_irq") if self._untold and not self.delay else set()

    def tick(self) -> set[str]:
        """Let a step pass."""
        if not self.waits:
            self._waited = 0
            return set()
        if self.units >= self.delay:
            return self._tell("dly_irq")
        self._waited += 1
        return set()

    def _tell(self, irq: str) -> set[str]:
        self.left, self._untold, self._waited = self.threshold, False, 0
        return {irq}
