"""The main job as a driver program: a file scattered over memory, copied by DMA.

Written against :mod:`kernel_api` alone, so that it runs on any machine; only the diagnosis of
damage looks at memory by the back door.
"""

import hashlib
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import numpy as np

from kernel_api import (
    DMA_ATTR_SKIP_CPU_SYNC,
    DMA_FROM_DEVICE,
    DMA_TO_DEVICE,
    Kernel,
    Machine,
    boot,
)
from rtl.spec.platform import Irq

from .buffer import Buffer, Progress, scatter

__all__ = ["FORGET", "Outcome", "SimulatedMachine", "digest", "run"]

#: Steps that the program can be told to leave out.
FORGET = ("map", "sync_for_device", "sync_for_cpu", "unmap")


class SimulatedMachine(Machine, Protocol):
    """A machine with a back door."""

    def peek(self, addr: int, size: int) -> bytes:
        """Contents of memory, whatever the cache holds."""

    def image(self) -> np.ndarray:
        """All of memory, as bytes, without what only the cache holds."""


@dataclass
class Outcome:
    """What happened on one machine.

    Parameters
    ----------
    figures : dict
        Counts, by name.
    handles : list of (address, bytes)
        DMA segments of the source, then of the destination.
    records : list of str
        Fault records, decoded.
    data : bytes
        What the CPU read at the end.
    image : ndarray
        All of memory, after the cache was written back.
    damage : list of str
        What went wrong, in words; empty if the copy is right.
    """

    figures: dict[str, int | float] = field(default_factory=dict)
    handles: list[tuple[int, int]] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    data: bytes = b""
    image: np.ndarray | None = None
    damage: list[str] = field(default_factory=list)


def digest(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _counters(kernel: Kernel) -> dict[str, int]:
    iommu, cache = kernel.iommu.regs, kernel.cache.regs
    return {
        "TLB hits": iommu.tlb_hits.read("count"),
        "TLB misses": iommu.tlb_misses.read("count"),
        "page walks": iommu.walks.read("count"),
        "lines cleaned": cache.cleaned.read("count"),
        "lines invalidated": cache.invalidated.read("count"),
        "interrupts": sum(kernel.irq.count(line) for line in Irq),
        "cycles, map to unmap": kernel.machine.cycles,
        "descriptors": kernel.cdma.regs.done_descs.read("count"),
    }


def run(machine: SimulatedMachine, data: bytes, *, entries: int, seed: int,
        forget: str | None = None,
        progress: Progress = lambda step, done, total: None) -> Outcome:
    """Copy ``data`` from one scattered buffer to another by DMA.

    Parameters
    ----------
    machine : SimulatedMachine
        Where to run.
    data : bytes
        The file.
    entries : int, 1 to ``len(data)``
        Pieces of each buffer.
    seed : int
        Where they lie.
    forget : str or None
        A step of :data:`FORGET` to leave out.
    progress : callable
        Told of each step.

    Raises
    ------
    ValueError
        If ``forget`` is not such a step.
    MemoryError
        If a buffer cannot be mapped.
    """
    if forget not in (None, *FORGET):
        raise ValueError(f"Step to forget must be one of {', '.join(FORGET)}, not {forget!r}")
    random = Random(seed)
    plans = [scatter(len(data), entries, random) for _ in range(2)]
    outcome = Outcome()

    def skip_sync(step: str) -> int:
        return DMA_ATTR_SKIP_CPU_SYNC if forget == step else 0

    with boot(machine) as kernel:
        source, target = (Buffer(kernel, plan, random) for plan in plans)
        # What lay there before: no byte is right by chance. The CPU has looked at the target.
        before = bytes(byte ^ 0xFF for byte in data)
        for buffer in (source, target):
            buffer.write(before, "what was there before", progress)
            kernel.cache.wback_inv_all()
        target.read("a look at the target", progress)
        source.write(data, "store the file", progress)

        first = _counters(kernel)
        if forget == "map":
            source.pretend_mapped()
            target.pretend_mapped()
        else:
            source.map(DMA_TO_DEVICE, skip_sync("sync_for_device"))
            target.map(DMA_FROM_DEVICE, 0)
        outcome.handles = source.segments() + target.segments()
        started = machine.cycles
        status = kernel.cdma.copy_sg(source.sgl, source.count, target.sgl, target.count)
        copied, seen = machine.cycles, source.in_memory()
        if forget not in ("map", "unmap"):
            source.unmap(DMA_TO_DEVICE, 0)
            target.unmap(DMA_FROM_DEVICE, skip_sync("sync_for_cpu"))
        last = _counters(kernel)

        outcome.data = target.read("load the copy", progress)
        outcome.records = [str(fault) for fault in kernel.iommu.faults]
        outcome.damage = _damage(kernel, source, target, data, outcome, seen, status)
        if forget == "unmap":
            outcome.damage += _late_access(kernel, source, target, progress)
        outcome.figures = {
            "pieces, source and destination": 2 * entries,
            "segments after merging": source.count + target.count,
            "descriptors": last.pop("descriptors") - first["descriptors"],
            "bytes": len(data),
            "cycles, map to unmap": last.pop("cycles, map to unmap")
            - first["cycles, map to unmap"],
            "cycles, copy to interrupt": copied - started,
            "bytes a cycle": len(data) / (copied - started),
            **{name: value - first[name] for name, value in last.items()},
        }
        kernel.cache.wback_inv_all()
        outcome.image = machine.image()
    return outcome


def _damage(kernel: Kernel, source: Buffer, target: Buffer, data: bytes, outcome: Outcome,
            seen: bytes, status: int) -> list[str]:
    """Explain the first byte that is wrong, and the error of the engine.

    ``seen`` is what the source's memory held during the copy.
    """
    lines = []
    if status:
        lines.append(f"The DMA engine ended with error {status}.")
    lines += [f"Fault record: {record}" for record in outcome.records]
    if outcome.data == data:
        return lines
    index = next(i for i, (got, want) in enumerate(zip(outcome.data, data, strict=True))
                 if got != want)
    wrong = sum(got != want for got, want in zip(outcome.data, data, strict=True))
    line = -kernel.platform.line_bytes
    here, there = target.place(index), source.place(index)
    lines.append(f"{wrong} of {len(data)} bytes are wrong; the first is byte {index} at {here:#x}: "
                 f"{outcome.data[index]:#04x} instead of {data[index]:#04x}.")
    if status:                          # the engine gave up: that says it all
        return lines
    if target.in_memory()[index] == data[index]:
        lines.append(f"Stale cache line {here & line:#x}: memory holds {data[index]:#04x}, which "
                     f"the device wrote; the CPU still reads what it had cached before.")
    elif seen[index] != data[index]:
        lines.append(f"Dirty cache line {there & line:#x} of the source: the CPU's store of "
                     f"{data[index]:#04x} was not written back; the device read "
                     f"{seen[index]:#04x} from memory.")
    return lines


def _late_access(kernel: Kernel, source: Buffer, target: Buffer,
                 progress: Progress) -> list[str]:
    """Give the target's memory to somebody else, and let the device use its old handles."""
    owned = bytes(0x5A for _ in range(target.size))
    target.write(owned, "the next owner's data", progress)
    kernel.cache.wback_inv_all()
    status = kernel.cdma.copy_sg(source.sgl, source.count, target.sgl, target.count)
    found = target.in_memory()
    changed = [i for i, (got, want) in enumerate(zip(found, owned, strict=True)) if got != want]
    if status or not changed:
        return []
    return [f"Use after free: the handles still work. {len(changed)} bytes of the memory's next "
            f"owner were overwritten through them, the first at {target.place(changed[0]):#x}: "
            f"{owned[changed[0]]:#04x} became {found[changed[0]]:#04x}."]
