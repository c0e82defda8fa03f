"""The rings of the IOMMU: commands, fences, errors; fault records."""

import pytest

from kernel_api import *
from kernel_api.drivers import riscv_iommu_commands
from kernel_api.drivers.riscv_iommu_commands import inval_ddt, inval_vma
from kernel_api.drivers.riscv_iommu_faults import FaultRecord
from rtl.spec.faults import Cause, TransactionType
from tests.kernel_api.fake import FakeMachine


@pytest.fixture
def iommu(kernel):
    kernel.machine.iommu.commands.clear()
    return kernel.iommu


def test_commands_by_the_specification():
    assert inval_ddt() == (0x3, 0)
    assert inval_ddt(0x123456) == (0x3 | 1 << 33 | 0x123456 << 40, 0)
    assert inval_vma() == (0x1, 0)
    assert inval_vma(5) == (0x1 | 5 << 12 | 1 << 32, 0)
    assert inval_vma(5, 0x3F_FFFF_F000) == (0x1 | 1 << 10 | 5 << 12 | 1 << 32, 0x3F_FFFF_F << 10)


def test_the_ring_goes_round(iommu):
    machine = iommu.kernel.machine
    sent = []
    for count in (1, 100, 255, 256, 300, 700):
        assert iommu._commands.sync([inval_vma(index % 7) for index in range(count)]) == 0
        sent += [("vma", index % 7, None) for index in range(count)] + [("fence", 3)]
    assert machine.iommu.commands == sent


@pytest.mark.parametrize("log2sz_1,entries", [(9, 256), (7, 256), (3, 16), (0, 2)])
def test_rings_as_large_as_the_hardware_has(make, log2sz_1, entries):
    machine = FakeMachine()
    machine.iommu.max_log2sz_1 = log2sz_1
    kernel = make(machine)
    assert kernel.iommu._commands.entries == entries
    assert kernel.iommu._fault_queue.entries == min(128, entries)
    machine.iommu.commands.clear()
    assert kernel.iommu._commands.sync([inval_vma(index) for index in range(40)]) == 0
    assert [item[1] for item in machine.iommu.commands[:-1]] == list(range(40))


def test_commands_are_in_memory_before_the_doorbell(iommu, monkeypatch):
    kernel, steps = iommu.kernel, []
    monkeypatch.setattr(kernel.machine, "barrier", lambda: steps.append("barrier"))
    write = kernel.machine.iommu.write
    monkeypatch.setattr(kernel.machine.iommu, "write", lambda offset, value: (
        steps.append(offset), write(offset, value)))
    iommu.invalidate(1)
    assert steps == ["barrier", 0x24]


def test_an_illegal_command_is_reported_and_the_ring_restarts(iommu):
    kernel = iommu.kernel
    assert iommu._commands.sync([inval_vma(1), (0x7F, 0)]) == -EIO
    assert kernel.log.matching("command queue error: cmd_ill at index ", level=3)
    assert iommu.invalidate(1) == 0
    assert kernel.machine.iommu.commands[-2:] == [("vma", 1, None), ("fence", 3)]


def test_an_illegal_command_with_interrupts_off(iommu, monkeypatch):
    monkeypatch.setattr(riscv_iommu_commands, "FENCE_CYCLES", 1000)
    local_irq_disable()
    assert iommu._commands.sync([(0x7F, 0)]) == -EIO
    local_irq_enable()
    assert iommu.kernel.log.matching("command queue error: cmd_ill at index ", level=3)
    assert iommu.invalidate(1) == 0


def test_hardware_that_does_nothing(iommu, monkeypatch):
    monkeypatch.setattr(riscv_iommu_commands, "FENCE_CYCLES", 1000)
    kernel = iommu.kernel
    kernel.machine.iommu.stuck = True
    assert iommu.invalidate(1) == -ETIMEDOUT
    assert kernel.log.matching("riscv-iommu: command queue timeout", level=3)
    assert iommu._commands.sync([inval_vma(1)] * 300) == -ETIMEDOUT      # not even room
    kernel.machine.iommu.stuck = False
    assert iommu.invalidate(1) == 0


def test_counters(iommu):
    before = iommu.kernel.stats.snapshot()
    iommu._commands.sync([inval_vma(1), inval_vma(2), inval_ddt(3)])
    cost = iommu.kernel.stats - before
    assert (cost.iotlb_commands, cost.iodir_commands, cost.fences) == (2, 1, 1)


# Faults


def test_a_record_by_the_specification():
    word = 15 | 0x12345 << 12 | 1 << 32 | 1 << 33 | 3 << 34 | 0xABCDEF << 40
    record = FaultRecord.decode(b"".join(item.to_bytes(8, "little")
                                         for item in (word, 0, 0xDEAD_B000, 7)))
    assert record == FaultRecord(Cause.WRITE_PAGE_FAULT, TransactionType.UNTRANSLATED_WRITE,
                                 0xABCDEF, 0x12345, True, 0xDEAD_B000, 7)
    assert str(record) == ("fault WRITE_PAGE_FAULT (15): device 0xabcdef, UNTRANSLATED_WRITE "
                           "at 0xdeadb000")


def test_a_record_with_unknown_codes():
    word = 999 | 60 << 34 | 5 << 40
    record = FaultRecord.decode(word.to_bytes(8, "little") + bytes(24))
    assert (record.cause, record.ttyp, record.process_id) == (999, 60, None)
    assert str(record) == "fault unknown (999): device 0x5, 60 at 0x0"


def fault(machine, did, iova):
    with pytest.raises(BusError):
        machine.iommu.translate(did, iova, False)


def test_faults_are_kept_counted_and_logged(iommu):
    kernel = iommu.kernel
    for index in range(300):                    # more than the ring has
        fault(kernel.machine, 0x50, index << 12)
        if index % 100 == 99:
            kernel.machine.wait(1)
    assert [record.iova for record in iommu.faults] == [index << 12 for index in range(300)]
    assert iommu.fault_counts == {Cause.DDT_INVALID: 300}
    assert len(kernel.log.matching("fault DDT_INVALID (258): device 0x50", level=4)) == 300


def test_a_ring_that_is_full_drops_records_and_says_so(iommu):
    kernel = iommu.kernel
    for index in range(130):
        fault(kernel.machine, 0x50, index << 12)
    kernel.machine.wait(1)
    assert len(iommu.faults) == 127
    assert kernel.log.matching("fault queue error: fqof", level=3)
    fault(kernel.machine, 0x50, 0xABC000)
    kernel.machine.wait(1)
    assert iommu.faults[-1].iova == 0xABC000
    assert not kernel.machine.lines


@pytest.mark.parametrize("handler", ["_command_interrupt", "_fault_interrupt"])
def test_an_interrupt_of_somebody_else(iommu, handler):
    assert getattr(iommu, handler)(0, iommu) == IRQ_NONE


def test_a_command_interrupt_without_error(iommu):
    iommu.kernel.machine.iommu.ipsr = 1
    assert iommu._command_interrupt(0, iommu) == IRQ_HANDLED
    assert iommu.kernel.machine.iommu.ipsr == 0 and iommu.invalidate(1) == 0
