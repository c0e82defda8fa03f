"""The kernel's own cases of tables made of pages."""

import pytest

from kernel_api import *

U, P = (1 << 32) - 1, PAGE_SIZE
CASES = [
    ([0], P + 1, 1), ([0], U, 1), ([0, 1], U, 1), ([1, 0], U, 2), ([0, 1, 2], U, 1),
    ([0, 2, 1], U, 3), ([0, 1, 3], U, 2), ([1, 2, 4], U, 2), ([1, 3, 4], U, 2),
    ([0, 1, 3, 4], U, 2), ([0, 1, 3, 4, 5], U, 2), ([0, 1, 3, 4, 6], U, 3),
    ([0, 1, 2, 3, 4], U, 1), ([0, 1, 2, 3, 4], 2 * P, 3), ([0, 1, 2, 3, 4, 5], 2 * P, 3),
    ([0, 2, 3, 4, 5, 6], 2 * P, 4),
]
APPENDED = [([0, 1, 2], [3, 4, 5], U, 1), ([0, 1, 2], [4, 5, 6], U, 2),
            ([0, 1, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], 12 * P, 2)]


@pytest.fixture
def pages(kernel):
    first = page_to_pfn(alloc_pages(GFP_KERNEL, 4))
    return lambda numbers: [pfn_to_page(first + number) for number in numbers]


def check(table, expected, count):
    assert table.nents == table.orig_nents == count
    assert [page.pfn for page in for_each_sgtable_page(table, 0)] == [page.pfn for page in expected]
    assert sum(sg.length for sg, _ in for_each_sgtable_sg(table)) == len(expected) * P


@pytest.mark.parametrize("numbers, longest, count", CASES)
def test_pages_are_joined(pages, numbers, longest, count):
    table, given = SgTable(), pages(numbers)
    assert sg_alloc_table_from_pages_segment(table, given, len(given), 0, len(given) * P, longest,
                                             GFP_KERNEL) == 0
    check(table, given, count)


@pytest.mark.parametrize("numbers, more, longest, count", APPENDED)
def test_pages_are_appended(pages, numbers, more, longest, count):
    table, one, two = SgTable(), pages(numbers), pages(more)
    for part in (one, two):
        assert sg_alloc_append_table_from_pages(table, part, len(part), 0, len(part) * P, longest,
                                                0, GFP_KERNEL) == 0
    check(table, one + two, count)


def test_a_byte_an_offset_and_nothing(pages):
    table = SgTable()
    assert sg_alloc_table_from_pages(table, pages([0]), 1, 0, 1, GFP_KERNEL) == 0
    assert [(sg.offset, sg.length) for sg in table.sgl] == [(0, 1)]
    assert sg_alloc_table_from_pages(table, pages([0, 1]), 2, 100, P, GFP_KERNEL) == 0
    assert [(sg.offset, sg.length) for sg in table.sgl] == [(100, P)]
    assert sg_alloc_table_from_pages_segment(table, pages([0]), 1, 0, P, 0, GFP_KERNEL) == -EINVAL


def test_the_device_side(kernel, pages):
    table = SgTable()
    sg_alloc_table_from_pages(table, given := pages([0, 2]), 2, 0, 2 * P, GFP_KERNEL)
    assert dma_map_sgtable(kernel.cdma.dev, table, DMA_TO_DEVICE, 0) == 0
    segments = list(for_each_sgtable_dma_sg(table))
    assert [(sg.dma_length, index) for sg, index in segments] == [(2 * P, 0)] and len(given) == 2
