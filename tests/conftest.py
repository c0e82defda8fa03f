"""Fixtures shared by all tests."""

import re
from pathlib import Path

import hypothesis
import pytest

from sim.bench import Bench

hypothesis.settings.register_profile(
    "default", derandomize=True, deadline=None, max_examples=25, database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
hypothesis.settings.load_profile("default")


@pytest.fixture
def bench(request):
    """Make a bench whose waveform is named after the test."""
    name = re.sub(r"[^\w.-]+", "_", request.node.nodeid)

    def make(dut, **kwargs):
        return Bench(dut, waves=Path("build/waves") / f"{name}.vcd", **kwargs)

    return make
