"""Channels of the native ring in the whole system: RTL and golden model do the same."""

import pytest

from kernel_api import boot
from kernel_api.dmaengine.dmatest import DmatestParams, dmatest
from kernel_api.drivers.ring import RingChan
from rtl.spec.platform import Platform
from sim.cli import main
from sim.golden.machine import GoldenMachine
from sim.machine import RtlMachine

CHANNELS = 4


@pytest.fixture(scope="module")
def channels():
    """The RTL with four channels; reset before each program."""
    with RtlMachine(Platform(channels=CHANNELS)) as machine:
        yield machine


def run(machine, params, *, latency=1, jitter=0, stop=None):
    """Run dmatest on all channels; return summaries without times, and memory."""
    lines = []
    with boot(machine) as kernel:
        if latency != 1 or jitter:
            machine.set_memory("latency", cycles=latency, jitter=jitter)
        found = [RingChan(kernel, k) for k in range(CHANNELS)]
        assert [chan.probe() for chan in found] == [0] * CHANNELS
        if stop is not None:
            found[stop].pause()
        failed = dmatest(kernel, [chan for k, chan in enumerate(found) if k != stop], params,
                         lines.append)
        for chan in found:
            chan.remove()
    return failed, [line.split(" failures ")[0] for line in lines]


def test_same_on_both(channels):
    params = DmatestParams(iterations=2, threads_per_chan=2, test_buf_size=900)
    channels.reset()
    expected = run(GoldenMachine(channels.platform), params)
    assert expected[0] == 0 and len(expected[1]) == 2 * CHANNELS
    assert run(channels, params) == expected


@pytest.mark.parametrize("latency", [16, 100])
def test_latency(channels, latency):
    channels.reset()
    failed, lines = run(channels, DmatestParams(iterations=1, test_buf_size=500),
                        latency=latency)
    assert not failed and len(lines) == CHANNELS


def test_stalled_channel_stops_no_other(channels):
    channels.reset()
    failed, lines = run(channels, DmatestParams(iterations=1, test_buf_size=500), stop=0)
    assert not failed and len(lines) == CHANNELS - 1


def test_command(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["dmatest", "--machine", "golden", "--iterations", "3", "--max-channels", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" failures ")[0] for line in lines] == [
        f"dmatest: dma{k}chan0-copy0: summary 3 tests, 0" for k in range(2)]
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["dmatest", "--machine", "golden", "--iterations", "2", "--device", "cdma"])
    assert "cdma0chan0-copy0: summary 2 tests, 0 failures" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["dmatest", "--transfer-size", "20000"])
    assert "Buffers of 16384 bytes must hold transfers of 20000 bytes" in capsys.readouterr().err


@pytest.mark.deep
@pytest.mark.parametrize("latency", [1, 16, 100])
@pytest.mark.parametrize("used", [1, CHANNELS])
@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("kind", [0, 1])
def test_long(channels, kind, threads, used, latency):
    """A thousand copies, and as many fills, before a memory that answers when it likes."""
    channels.reset()
    params = DmatestParams(dmatest=kind, iterations=1000 // threads // used, test_buf_size=2048,
                           threads_per_chan=threads, max_channels=used)
    assert run(channels, params, latency=latency, jitter=7)[0] == 0
