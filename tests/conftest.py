"""Fixtures shared by all tests."""

import os
import re
from pathlib import Path

import hypothesis
import pytest

from sim.bench import Bench
from sim.engine import ENGINES, choose, prefer
from sim.engine.cache import cache

_COMMON = {"derandomize": True, "deadline": None, "database": None,
           "suppress_health_check": [hypothesis.HealthCheck.function_scoped_fixture,
                                     hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("default", max_examples=25, **_COMMON)
hypothesis.settings.register_profile("deep", max_examples=500, **_COMMON)


def pytest_addoption(parser):
    """Options of this suite."""
    parser.addoption("--deep", action="store_true",
                     help="more examples of every generated case (with the deep tests)")
    parser.addoption("--engine", choices=ENGINES, default="auto",
                     help="simulator of all tests that do not name one (default: auto, which is "
                          "wasm where wasmtime is installed, and pysim otherwise)")


def pytest_report_header(config):
    """Say which simulator it is."""
    return f"simulator: {choose().engine}"


def pytest_configure(config):
    """Choose the simulator, and how many examples hypothesis makes."""
    prefer(config.getoption("--engine"))
    if "AMARANTH_ENGINE_CACHE" not in os.environ:
        cache.folder = Path("build/engine").absolute()
    hypothesis.settings.load_profile("deep" if config.getoption("--deep") else "default")


@pytest.fixture
def bench(request):
    """Make a bench whose waveform is named after the test."""
    name = re.sub(r"[^\w.-]+", "_", request.node.nodeid)

    def make(dut, **kwargs):
        return Bench(dut, waves=Path("build/waves") / f"{name}.vcd", **kwargs)

    return make
