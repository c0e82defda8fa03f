"""The command ``dmapath dmatest``."""

import sys

import rich_click as click

from rtl.spec.platform import Platform

from .engine import EngineError
from .options import simulator_options

__all__ = ["dmatest"]

MOST_CHANNELS = 7


@click.command()
@click.option("--machine", "kind", type=click.Choice(["golden", "rtl"]), default="rtl",
              show_default=True, help="The golden model, or the RTL in a simulator.")
@simulator_options
@click.option("--latency", type=click.IntRange(min=1), default=1, show_default=True, metavar="L",
              help="Cycles of the memory before its first beat; RTL only.")
@click.option("--device", type=click.Choice(["ring", "cdma"]), default="ring", show_default=True,
              help="Channels of the native ring, or that of the CDMA list, which only copies.")
@click.option("--dmatest", "dmatest", type=click.IntRange(0, 1), default=0, show_default=True,
              metavar="0|1", help="0 for memcpy, 1 for memset.")
@click.option("--max-channels", type=click.IntRange(1, MOST_CHANNELS), default=1,
              show_default=True, metavar="N", help="Channels that are built and tested.")
@click.option("--threads-per-chan", type=click.IntRange(min=1), default=1, show_default=True,
              metavar="N", help="Threads that share each channel's queue.")
@click.option("--iterations", type=click.IntRange(min=1), default=10, show_default=True,
              metavar="N", help="Transfers of each thread.")
@click.option("--test-buf-size", type=click.IntRange(min=1), default=16384, show_default=True,
              metavar="BYTES", help="Size of each buffer.")
@click.option("--transfer-size", type=click.IntRange(min=0), default=0, show_default=True,
              metavar="BYTES", help="Length of each transfer; 0 is random.")
@click.option("--alignment", type=click.IntRange(0, 12), default=0, show_default=True,
              metavar="N", help="Lengths and offsets are multiples of 2^N.")
@click.option("--timeout", type=click.IntRange(min=1), default=3000, show_default=True,
              metavar="MS", help="Milliseconds to wait for a transfer, of 1000 cycles each.")
@click.option("--norandom", is_flag=True, help="Whole buffers, without offsets.")
@click.option("--noverify", is_flag=True, help="Do not look at the data.")
@click.option("--polled", is_flag=True, help="Ask for the status instead of being called back.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N",
              help="For lengths and offsets.")
def dmatest(kind: str, engine: str, latency: int, device: str, **params: int) -> None:
    """Test the channels of the DMA engines as the kernel's [b]dmatest[/b] does.

    Copies or sets random pieces of patterned buffers through [b]dmaengine[/b] and looks at every
    byte before, in and behind them. Ends with a summary line for each thread.

    Exit status: 0 without failure, 1 with one, 2 for wrong arguments.
    """
    from kernel_api import boot
    from kernel_api.dmaengine.dmatest import DmatestParams
    from kernel_api.dmaengine.dmatest import dmatest as test
    from kernel_api.drivers.cdma_chan import CdmaChan
    from kernel_api.drivers.ring import RingChan

    from .golden.machine import GoldenMachine
    from .machine import RtlMachine

    platform = Platform(channels=params["max_channels"] if device == "ring" else 0)
    try:
        chosen = DmatestParams(**params)
        machine = (GoldenMachine(platform) if kind == "golden" else
                   RtlMachine(platform, engine=engine))
    except (ValueError, EngineError) as error:
        raise click.UsageError(str(error)) from None
    with machine, boot(machine) as kernel:
        if kind == "rtl":
            machine.set_memory("latency", cycles=latency)
        channels = ([CdmaChan(kernel.cdma)] if device == "cdma" else
                    [RingChan(kernel, k) for k in range(platform.channels)])
        failures = sum(chan.probe() != 0 for chan in channels)
        if not failures:
            failures = test(kernel, channels, chosen, click.echo)
        for chan in channels:
            chan.remove()
    sys.exit(1 if failures else 0)
