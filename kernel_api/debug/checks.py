"""Reports of misuse: of dma-debug (D) and of the ownership checker (X).

``boot(machine, check="warn")`` writes them to the log, ``"raise"`` raises :exc:`CheckError`,
``"collect"`` only keeps them in ``kernel.reports``.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from ..core.kernel import Kernel
from ..core.log import KERN_WARNING
from ..device.device import Device

__all__ = ["CheckError", "Report", "Reporter"]

#: Modules on which programs stand: this package, machines, and models of devices.
_BELOW = ("kernel_api.", "contextlib", "sim.machine", "sim.golden.", "sim.store_buffer",
          "sim.device")


@dataclass(frozen=True)
class Report:
    """One misuse.

    Parameters
    ----------
    check : str
        Number of the check: ``"D13"``, ``"X11"``.
    cycle : int
        When it was noticed.
    device : str
        Name of the device; empty if none is known.
    text : str
        What happened, and what was lost.
    missing : str
        The call that is missing or wrong; empty if none is.
    caller : str
        File and line of the program.
    """

    check: str
    cycle: int
    device: str
    text: str
    missing: str = ""
    caller: str = ""

    def __str__(self):
        missing = f"; {self.missing} missing" if self.missing else ""
        return f"{self.check} {self.device}: {self.text}{missing}"


class CheckError(Exception):
    """Misuse of the API.

    Parameters
    ----------
    report : Report
        What it was.
    """

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report


class Reporter:
    """Keeps reports, and says them.

    Parameters
    ----------
    kernel : Kernel
        Whose.
    mode : str
        ``"warn"``, ``"raise"`` or ``"collect"``.
    """

    def __init__(self, kernel: Kernel, mode: str):
        self._kernel, self.mode = kernel, mode
        self.reports: list[Report] = []

    def close(self) -> None:
        """Keep what there is; say nothing any more."""
        self.mode = "collect"

    def report(self, check: str, dev: Device | None, text: str, missing: str = "", *,
               quiet: bool = False) -> None:
        """Add a report.

        Parameters
        ----------
        check, dev, text, missing
            As of :class:`Report`.
        quiet : bool
            Do not log it.

        Raises
        ------
        CheckError
            In mode ``"raise"``.
        """
        report = Report(check, self._kernel.machine.cycles, dev.name if dev else "", text, missing,
                        caller())
        self.reports.append(report)
        if self.mode == "raise":
            raise CheckError(report)
        if self.mode == "warn" and not quiet:
            self._kernel.log.write(f"{KERN_WARNING}DMA-API: {report}")


def caller() -> str:
    """File and line of the innermost code that is neither the kernel's nor the machine's."""
    frame = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").startswith(_BELOW):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else ""
