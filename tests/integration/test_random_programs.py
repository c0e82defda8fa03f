"""Random programs of API calls: legal ones are right everywhere, illegal changes are reported."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_api import *
from sim.device_end import DeviceEnd
from sim.matrix import cells, run_cell

STEPS = st.lists(st.tuples(
    st.sampled_from(["device reads", "device writes", "CPU turn"]), st.integers(0, 200),
    st.integers(1, 60)), max_size=6)
CELLS = list(cells(caches=("coherent", "32", "128")))


def program(size, steps, mutation=None):
    """One mapping, through all of its life; `mutation` leaves out or changes one call."""
    def main(kernel):
        with DeviceEnd(kernel) as device:
            dev, seen = device.dev, []
            buf = kmalloc(size, GFP_KERNEL)
            cpu.store(buf, bytes(index % 251 for index in range(size)))
            dma = dma_map_single(dev, buf, size, DMA_BIDIRECTIONAL)
            if mutation != "no check" and dma_mapping_error(dev, dma):
                return None
            for number, (step, at, count) in enumerate(steps):
                at = min(at, size - 1)
                count = min(count, size - at)
                if step == "device reads":
                    seen.append(device.read(dma + at, count))
                elif step == "device writes":
                    device.write(dma + at, bytes([number + 1]) * count)
                else:
                    if mutation != "no sync":
                        dma_sync_single_for_cpu(dev, dma, size, DMA_BIDIRECTIONAL)
                    seen.append(cpu.load(buf, size))
                    cpu.store(buf + at, bytes([number + 101]) * count)
                    if mutation != "no sync":
                        dma_sync_single_for_device(dev, dma, size, DMA_BIDIRECTIONAL)
            wrong = size + 1 if mutation == "size" else size
            direction = DMA_TO_DEVICE if mutation == "direction" else DMA_BIDIRECTIONAL
            if mutation != "no unmap":
                dma_unmap_single(dev, dma, wrong, direction)
            if mutation == "twice":
                dma_unmap_single(dev, dma, size, DMA_BIDIRECTIONAL)
            return seen, cpu.load(buf, size)

    return main


@settings(max_examples=4)
@given(size=st.integers(1, 300), steps=STEPS)
def test_legal_programs_have_one_image_and_no_report(size, steps):
    images = []
    for cell in CELLS:
        outcome = run_cell(program(size, steps), cell)
        assert not outcome.reports, f"{cell}: {outcome.reports[0]}"
        images.append(outcome.image)
    assert all(image == images[0] for image in images)


@settings(max_examples=6)
@given(size=st.integers(1, 300), steps=STEPS, cell=st.sampled_from(CELLS),
       mutation=st.sampled_from(["no check", "no sync", "size", "direction", "no unmap", "twice"]))
def test_illegal_changes_are_reported(size, steps, cell, mutation):
    steps = [("CPU turn", 0, 1), *steps]
    outcome = run_cell(program(size, steps, mutation), cell)
    expected = {"no check": "D18", "no sync": "X1", "size": "D13", "direction": "D17",
                "no unmap": "D26", "twice": "D12"}[mutation]
    assert expected in outcome.checks
