"""What a client may choose of a channel of the native ring, and what its errors say.

Source: docs/ring.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rtl.spec.ring_formats import RingFault

from ..dmaengine.engine import DmaengineResult

__all__ = ["RingConfig", "failure"]


@dataclass(frozen=True)
class RingConfig:
    """``peripheral_config`` of a :class:`~kernel_api.dmaengine.transfers.DmaSlaveConfig`.

    ``process_id``: on whose behalf accesses are, or None. ``urgent``: bursts go before those of
    other channels. ``proceed``: the channel itself goes on behind what failed; without, the driver
    resets it and hands over the rest again.
    """

    process_id: int | None = None
    urgent: bool = False
    proceed: bool = False

    def needs(self) -> set[str]:
        """Capabilities that a build must have."""
        return {name for name, wanted in (("process_id", self.process_id is not None),
                                          ("urgent", self.urgent), ("proceed", self.proceed))
                if wanted}


def failure(fault: RingFault, size: int, said: Mapping[str, int],
            address: int | None) -> DmaengineResult:
    """Make what a callback is told of a descriptor of ``size`` bytes that failed.

    ``said`` has ``write`` and ``refused``, of a completion or of the status register.
    """
    failed = "write_failed" if said["write"] else "read_failed"
    return DmaengineResult("aborted" if fault is RingFault.INVALID else failed, size,
                           bool(said["refused"]), address)
