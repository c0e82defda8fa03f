"""Fixtures shared by all tests."""

import re
from pathlib import Path

import hypothesis
import pytest

from sim.bench import Bench

_COMMON = {"derandomize": True, "deadline": None, "database": None,
           "suppress_health_check": [hypothesis.HealthCheck.function_scoped_fixture,
                                     hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("default", max_examples=25, **_COMMON)
hypothesis.settings.register_profile("deep", max_examples=500, **_COMMON)


def pytest_addoption(parser):
    """Options of this suite."""
    parser.addoption("--deep", action="store_true",
                     help="more examples of every generated case (with the deep tests)")


def pytest_configure(config):
    """Choose how many examples hypothesis makes."""
    hypothesis.settings.load_profile("deep" if config.getoption("--deep") else "default")


@pytest.fixture
def bench(request):
    """Make a bench whose waveform is named after the test."""
    name = re.sub(r"[^\w.-]+", "_", request.node.nodeid)

    def make(dut, **kwargs):
        return Bench(dut, waves=Path("build/waves") / f"{name}.vcd", **kwargs)

    return make
