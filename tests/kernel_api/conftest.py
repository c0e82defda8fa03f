"""Fixtures: a fake machine, and a kernel on it."""

import pytest

from kernel_api import boot
from tests.kernel_api.fake import FakeMachine


@pytest.fixture
def make():
    """Boot a kernel on a new fake machine; `machine=` gives one."""
    kernels = []

    def make(machine=None, *, passthrough=False, **platform):
        kernels.append(boot(machine or FakeMachine(**platform), passthrough=passthrough))
        return kernels[-1]

    yield make
    for kernel in reversed(kernels):
        kernel.__exit__(None, None, None)


@pytest.fixture
def kernel(make):
    """A kernel on a machine that is not coherent, with IOMMU."""
    return make()
