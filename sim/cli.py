"""The command ``dmapath``."""

import sys
from pathlib import Path

import rich_click as click
from rich.console import Console

from rtl.spec.platform import Platform

from .cli_dmatest import dmatest
from .cli_run import map_benchmark, run
from .cli_sweep import sweep
from .engine import EngineError
from .options import simulator_options
from .output import OutputFile, OutputFolder

__all__ = ["main"]

click.rich_click.TEXT_MARKUP = "rich"

#: The file that the demo copies if none is named: every checkout and installation has it.
DEFAULT_FILE = Path(__file__).parent / "demo" / "buffer.py"
MAX_ENTRIES = 256


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dmapath")
def cli() -> None:
    """Simulate the DMA path of a system-on-chip: IOMMU, scatter-gather DMA, write-back cache.

    Real RTL runs in a simulator, driven by the Linux DMA API in Python; a golden model written from
    the specifications answers the same calls.
    """


def read_file(path: Path, platform: Platform) -> bytes:
    """Read the file to copy.

    Raises
    ------
    click.UsageError
        If it is missing, unreadable, empty, or too large for the simulated memory.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"File {str(path)!r} cannot be read: {error.strerror}") from None
    limit = platform.memory_size // 4
    if not 0 < len(data) <= limit:
        raise click.UsageError(
            f"File must have from 1 to {limit} bytes (a quarter of the simulated memory), not "
            f"{len(data)}: {str(path)!r}")
    return data


@cli.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, metavar="N",
              help="Where the pieces lie, and how large they are.")
@click.option("--entries", type=click.IntRange(1, MAX_ENTRIES), metavar="N",
              help="Pieces of each buffer. [dim]\\[default: 16, or fewer for a tiny file][/dim]")
@click.option("--forget", type=click.Choice(["map", "sync_for_device", "sync_for_cpu", "unmap"]),
              help="Leave out one call, and see what it does to the data.")
@simulator_options
@click.option("--vcd", type=OutputFile(), metavar="FILE",
              help="Write a waveform, and a GTKWave save file beside it.")
@click.option("--json", "json_path", type=OutputFile(), metavar="FILE", help="Write all figures.")
def demo(file: Path | None, seed: int, entries: int | None, forget: str | None, engine: str,
         vcd: Path | None, json_path: Path | None) -> None:
    """Map a FILE that lies scattered over memory, and let the RTL copy it.

    The CPU writes the file through the cache as a scatterlist, [b]dma_map_sg[/b] maps it, the DMA
    engine copies it through the IOMMU into a second scattered buffer, and the CPU reads it back.
    The same program runs on the golden model, and both must agree. Without FILE, a source file of
    this program is copied.

    Exit status: 0 if all is as it must be (with [b]--forget[/b]: if the expected damage was seen),
    1 if not, 2 for wrong arguments.
    """
    platform = Platform()
    data = read_file(file or DEFAULT_FILE, platform)
    if entries is not None and entries > len(data):
        raise click.UsageError(f"Entries must be from 1 to {len(data)}, the bytes of the file, not "
                               f"{entries}")
    from .demo.report import run_demo  # slow to import: after the arguments are checked

    try:
        ok = run_demo(data, entries=entries or min(16, len(data)), seed=seed, forget=forget,
                      engine=engine, vcd=vcd, json_path=json_path, platform=platform,
                      console=Console(highlight=False))
    except EngineError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(0 if ok else 1)


@cli.command()
@click.argument("block")
@click.option("--language", type=click.Choice(["verilog", "rtlil"]), default="verilog",
              show_default=True, help="RTLIL is what Yosys reads, and needs no tool.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="A parameter that differs from its default; [b]dma.max_beats=32[/b] for the "
                   "system. May be given many times.")
@click.option("--output", "-o", type=OutputFile(), metavar="FILE",
              help="Where to write. [dim]\\[default: standard output][/dim]")
def generate(block: str, language: str, settings: tuple[str, ...], output: Path | None) -> None:
    """Write the netlist of a BLOCK: iommu, dma, ring, cache, or the whole system.

    Pins have the names that AXI tools look for, such as [b]m_axi_memory_awaddr[/b].
    """
    from rtl.generate import ToolMissing, configure
    from rtl.generate import generate as netlist

    try:
        text = netlist(block, language=language, params=configure(block, settings))
    except (ValueError, ToolMissing) as error:
        raise click.UsageError(str(error)) from None
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text)


@cli.command()
@click.argument("blocks", nargs=-1, metavar="[BLOCK]...")
@click.option("--json", "json_path", type=OutputFile(), default="build/bench.json",
              show_default=True, metavar="FILE", help="Write all figures.")
@simulator_options
def bench(blocks: tuple[str, ...], engine: str, json_path: Path) -> None:
    """Count the cycles that each BLOCK takes, beside the figures of its peers.

    The blocks are dma, ring, iommu and cache; all by default. The RTL runs in simulation, before
    memories whose first beat takes L cycles.
    """
    from .benchmarks.run import BLOCKS, run_benchmarks

    for block in blocks:
        if block not in BLOCKS:
            raise click.UsageError(f"Block must be one of {', '.join(BLOCKS)}, not {block!r}")
    run_benchmarks(blocks or BLOCKS, json_path=json_path, console=Console(highlight=False))


@cli.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...",
                type=click.Path(path_type=Path))
@click.option("--machine", type=click.Choice(["golden", "rtl"]), default="golden",
              show_default=True, help="The golden model, or the RTL in a simulator.")
@simulator_options
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path),
              metavar="FILE", help="Write all results.")
def vectors(files: tuple[Path, ...], machine: str, engine: str, json_path: Path | None) -> None:
    """Replay conformance vectors for IOMMUs: FILEs of scenarios in JSON lines, or gzipped.

    The machine is built with the capabilities that each scenario asks for; what it cannot have is
    refused by name. Prints for each file its scenarios, what was compared, and what differed.

    Exit status: 0 without mismatch, 1 with one, 2 for a malformed file or wrong arguments.
    """
    from .vectors.checks import VectorError
    from .vectors.command import run_vectors

    try:
        ok = run_vectors(list(files), machine=machine, engine=engine, json_path=json_path,
                         console=Console(highlight=False, markup=False))
    except (VectorError, EngineError) as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"File {str(error.filename)!r} cannot be opened: "
                               f"{error.strerror}") from None
    sys.exit(0 if ok else 1)


@cli.command()
@click.argument("folder", type=OutputFolder())
def registers(folder: Path) -> None:
    """Write register maps and formats to FOLDER: C headers, Markdown, SystemRDL."""
    from rtl.spec.export import export

    for path in export(folder):
        click.echo(path)


@cli.command()
@click.argument("blocks", nargs=-1, metavar="[BLOCK]...")
def synth(blocks: tuple[str, ...]) -> None:
    """Measure area and speed of BLOCKs on an ECP5.

    The blocks are iommu, dma, ring, cache and system; all by default.

    Synthesis by yosys, place and route by nextpnr, both from the extra [b]fpga[/b]. Writes
    [b]build/synth.json[/b]. Exit status 1 if a block exceeds [b]constraints/budget.toml[/b].
    """
    from rtl.generate import BLOCKS

    from .synth import ToolMissing, measure

    for block in blocks:
        if block not in BLOCKS:
            raise click.UsageError(f"Block must be one of {', '.join(BLOCKS)}, not {block!r}")
    try:
        kept = measure(list(blocks or BLOCKS), Path("build/synth"), Console(highlight=False))
    except ToolMissing as error:
        raise click.UsageError(str(error)) from None
    sys.exit(0 if kept else 1)


cli.add_command(run)
cli.add_command(map_benchmark)
cli.add_command(dmatest)
cli.add_command(sweep)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; wrong arguments are one line on standard error and exit status 2."""
    try:
        cli.main(arguments, prog_name="dmapath", standalone_mode=False)
    except click.ClickException as error:
        print(f"dmapath: {error.format_message()}", file=sys.stderr)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)


if __name__ == "__main__":
    main()
