"""Fixtures: a fake machine, and a kernel on it."""

import dataclasses

import pytest

from kernel_api import boot
from rtl.spec.platform import Platform
from sim.golden.machine import GoldenMachine
from tests.kernel_api.fake import FakeMachine


@pytest.fixture
def make():
    """Boot a kernel on a new fake machine; `machine=` gives one."""
    kernels = []

    def make(machine=None, *, passthrough=False, check=None, **platform):
        kernels.append(boot(machine or FakeMachine(**platform), passthrough=passthrough,
                            check=check))
        return kernels[-1]

    yield make
    for kernel in reversed(kernels):
        kernel.__exit__(None, None, None)


@pytest.fixture
def kernel(make):
    """A kernel on a machine that is not coherent, with IOMMU."""
    return make()


@pytest.fixture
def golden():
    """Boot a kernel on the golden machine; keywords of `Platform` and of `boot` together."""
    kernels = []

    def golden(machine=None, **options):
        names = {field.name for field in dataclasses.fields(Platform)}
        platform = Platform(**{name: options.pop(name) for name in names & options.keys()})
        kernels.append(boot(machine or GoldenMachine(platform, seed=1), **options))
        return kernels[-1]

    yield golden
    for kernel in reversed(kernels):
        kernel.__exit__(None, None, None)


@pytest.fixture
def bouncing(golden):
    """Boot without IOMMU and with a small bounce pool; all is bounced."""
    def bouncing(**options):
        return golden(**{"has_iommu": False, "swiotlb": "force", "swiotlb_bytes": 1 << 20,
                         **options})

    return bouncing
