"""Driver of the CDMA: jobs, batches, errors."""

import pytest

from kernel_api import *
from kernel_api.drivers import cdma as driver
from kernel_api.drivers.cdma import Cdma
from tests.kernel_api.fake import FakeMachine


class Buffers:
    """Two mapped buffers of 64 KiB."""

    def __init__(self, kernel, size=65536):
        self.kernel, self.size, self.dev = kernel, size, kernel.cdma.dev
        self.data = bytes(i * 31 + i // 256 & 255 for i in range(size))
        self.src, self.dst = (kmalloc(size, GFP_KERNEL) for _ in range(2))
        cpu.store(self.src, self.data)
        cpu.store(self.dst, bytes(size))
        self.a = dma_map_single(self.dev, self.src, size, DMA_TO_DEVICE)
        self.b = dma_map_single(self.dev, self.dst, size, DMA_FROM_DEVICE)

    def copied(self):
        dma_sync_single_for_cpu(self.dev, self.b, self.size, DMA_FROM_DEVICE)
        return cpu.load(self.dst, self.size)


@pytest.fixture
def buffers(kernel):
    return Buffers(kernel)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 128, 200])
def test_any_number_of_transfers(buffers, count):
    cdma, machine = buffers.kernel.cdma, buffers.kernel.machine
    step = 65536 // 256
    transfers = [(buffers.a + i * step, buffers.b + i * step, step) for i in range(count)]
    assert cdma.copy(transfers) == 0
    assert buffers.copied() == buffers.data[:count * step] + bytes(65536 - count * step)
    assert [len(chain) for chain in machine.cdma.chains] == [
        min(64, count - at) for at in range(0, count, 64)]
    assert buffers.kernel.irq.count(4) == len(machine.cdma.chains)


def test_a_larger_ring_takes_larger_batches(make):
    machine = FakeMachine()
    kernel = make(machine)
    buffers = Buffers(kernel)
    kernel.cdma.remove()
    kernel.cdma = cdma = Cdma(kernel, pages=5)
    assert cdma.probe() == 0
    buffers.dev = cdma.dev
    buffers.a = dma_map_single(cdma.dev, buffers.src, 65536, DMA_TO_DEVICE)
    buffers.b = dma_map_single(cdma.dev, buffers.dst, 65536, DMA_FROM_DEVICE)
    assert cdma.copy([(buffers.a + i, buffers.b + i, 1) for i in range(300)]) == 0
    assert [len(chain) for chain in machine.cdma.chains] == [255, 45]
    cdma.remove()
    kernel.on_shutdown.pop()


def test_jobs_are_done_in_order(buffers):
    cdma = buffers.kernel.cdma
    jobs = [cdma.submit([(buffers.a + i, buffers.b, 64)]) for i in (0, 100, 200)]
    assert [job.status for job in jobs] == [None] * 3
    assert cdma.wait(jobs[2]) == 0
    assert [job.status for job in jobs] == [0] * 3 and all(job.done == 1 for job in jobs)
    assert buffers.copied()[:64] == buffers.data[200:264]
    assert [cdma.wait(job) for job in jobs[:2]] == [0, 0]


def test_descriptors_are_coherent_and_before_the_doorbell(buffers, monkeypatch):
    machine, steps = buffers.kernel.machine, []
    monkeypatch.setattr(machine, "barrier", lambda: steps.append("barrier"))
    store, write = machine.store, machine.cdma.write
    monkeypatch.setattr(machine, "store", lambda addr, data, cached: (
        steps.append(("store", cached)), store(addr, data, cached=cached)))
    monkeypatch.setattr(machine.cdma, "write", lambda offset, value: (
        steps.append(offset), write(offset, value)))
    buffers.kernel.cdma.copy([(buffers.a, buffers.b, 64)])
    assert steps[:2] == [("store", False), "barrier"]
    assert steps[2:7] == [0x00, 0x0C, 0x08, 0x14, 0x10]     # cr, curdesc, taildesc: high first


@pytest.mark.parametrize("spoil,error", [("src", "dma_slv_err"), ("dst", "dma_slv_err")])
def test_an_unmapped_address(buffers, spoil, error):
    kernel = buffers.kernel
    hole = DmaAddr(0x10_0000)
    bad = (hole, buffers.b, 64) if spoil == "src" else (buffers.a, hole, 64)
    job = kernel.cdma.submit([(buffers.a, buffers.b, 64)] * 70 + [bad, (buffers.a, buffers.b, 64)])
    assert kernel.cdma.wait(job) == -EIO
    assert (job.errors, job.failed, job.err_addr) == ((error,), 70, 0x10_0000)
    assert kernel.log.matching(f"cdma: {error} at 0x100000, transfer 70", level=3)
    record = kernel.iommu.faults[-1]
    assert (record.device_id, record.iova) == (kernel.platform.cdma_device_id, 0x10_0000)
    assert kernel.cdma.copy([(buffers.a, buffers.b, 64)]) == 0


def test_m01_an_unchecked_handle_ends_in_an_error(buffers):
    job = buffers.kernel.cdma.submit([(DMA_MAPPING_ERROR, buffers.b, 64)])
    assert buffers.kernel.cdma.wait(job) == -EIO and job.errors == ("dma_int_err",)


def test_a_bus_error_below_the_iommu(buffers):
    cdma, machine = buffers.kernel.cdma, buffers.kernel.machine
    for va, error in ((buffers.src, "dma_slv_err"), (cdma._ring, "sg_slv_err")):
        phys, _ = buffers.kernel.cpu.translate(va)
        job = cdma.submit([(buffers.a, buffers.b, 64)])
        machine.broken.append((int(phys), int(phys) + 64))
        assert cdma.wait(job) == -EIO
        assert job.errors == (error,) and job.failed == 0
        machine.broken.clear()


def test_memory_that_is_not_there(make):
    kernel = make(has_iommu=False)
    job = kernel.cdma.submit([(DmaAddr(0x100), DmaAddr(0x200), 64)])
    assert kernel.cdma.wait(job) == -EIO and job.errors == ("dma_dec_err",)


def test_a_stale_descriptor(buffers, monkeypatch):
    """Who starts the same chain again without writing it anew is told so."""
    kernel = buffers.kernel
    assert kernel.cdma.copy([(buffers.a, buffers.b, 64)]) == 0
    monkeypatch.setattr(kernel.cpu, "store", lambda va, data: None)
    job = kernel.cdma.submit([(buffers.a, buffers.b, 64)])
    assert kernel.cdma.wait(job) == -EIO and job.errors == ("sg_int_err",)


def test_the_job_behind_a_failed_one_runs(buffers):
    cdma = buffers.kernel.cdma
    bad = cdma.submit([(DmaAddr(0), buffers.b, 64)])
    good = cdma.submit([(buffers.a, buffers.b, 64)])
    assert cdma.wait(good) == 0 and bad.status == -EIO
    assert buffers.copied()[:64] == buffers.data[:64]


def test_an_engine_that_does_not_answer(buffers):
    kernel, machine = buffers.kernel, buffers.kernel.machine
    machine.cdma.stuck = True
    jobs = [kernel.cdma.submit([(buffers.a, buffers.b, 64)]) for _ in range(2)]
    assert kernel.cdma.wait(jobs[0], 1000) == -ETIMEDOUT
    assert jobs[1].status == -ETIMEDOUT and kernel.cdma.wait(jobs[1]) == -ETIMEDOUT
    assert kernel.log.matching("cdma: no completion after 1000 cycles", level=3)
    machine.cdma.stuck = False
    assert kernel.cdma.copy([(buffers.a, buffers.b, 64)]) == 0


def test_interrupts_of_nobody(buffers):
    cdma, machine = buffers.kernel.cdma, buffers.kernel.machine
    assert cdma._interrupt(4, cdma) == IRQ_NONE
    machine.cdma.ioc = 1
    assert cdma._interrupt(4, cdma) == IRQ_HANDLED and machine.cdma.ioc == 0


def test_bad_jobs(buffers):
    cdma, a, b = buffers.kernel.cdma, buffers.a, buffers.b
    with pytest.raises(ValueError, match="Job must have at least one transfer"):
        cdma.submit([])
    with pytest.raises(ValueError, match="Transfer must have at least 1 byte, not 0"):
        cdma.submit([(a, b, 0)])
    for src, dst in ((buffers.src, b), (a, int(b)), (a, virt_to_phys(buffers.dst))):
        with pytest.raises(TypeError, match="Address must be a DmaAddr, not "):
            cdma.submit([(src, dst, 64)])
    assert cdma.copy([(a, b, 64)]) == 0


# Probing


@pytest.mark.parametrize("bits", [32, 40, 64])
def test_the_mask_is_as_wide_as_the_engine(make, bits):
    machine = FakeMachine()
    machine.cdma.address_bits = bits
    dev = make(machine).cdma.dev
    assert dma_get_mask(dev) == dev.coherent_dma_mask == DMA_BIT_MASK(bits)


@pytest.mark.parametrize("name,value,text", [
    ("version", 0, "scatter-gather and version 1 of the extensions are needed"),
    ("has_sg", 0, "scatter-gather and version 1 of the extensions are needed"),
    ("device_id", 0x11, "device ID 0x11, the platform says 0x10")])
def test_an_engine_of_another_kind(make, name, value, text):
    machine = FakeMachine()
    setattr(machine.cdma, name, value)
    kernel = make(machine)
    assert kernel.cdma is None and kernel.log.matching(f"cdma: {text}", level=3)
    assert kernel.log.matching("cdma: probe failed: -ENODEV", level=3)


def test_an_engine_that_does_not_reset(make, monkeypatch):
    monkeypatch.setattr(driver, "RESET_CYCLES", 100)
    machine = FakeMachine()
    machine.cdma.stuck_in_reset = True
    kernel = make(machine)
    assert kernel.cdma is None and kernel.log.matching("cdma: reset timed out", level=3)
    assert kernel.log.matching("cdma: probe failed: -ETIMEDOUT", level=3)


@pytest.mark.parametrize("name,result", [
    ("device_register", -ENOMEM), ("dma_set_mask_and_coherent", -EIO), ("request_irq", -EBUSY)])
def test_a_step_of_the_probe_that_fails(make, monkeypatch, name, result):
    monkeypatch.setattr(driver, name, lambda *args: result)
    kernel = make()
    assert kernel.cdma is None
    assert kernel.log.matching(f"cdma: probe failed: {errno_name(result)}", level=3)


def test_no_memory_for_descriptors(make, monkeypatch):
    monkeypatch.setattr(driver, "dma_alloc_coherent", lambda *args: (None, DMA_MAPPING_ERROR))
    assert make().log.matching("cdma: probe failed: -ENOMEM", level=3)
