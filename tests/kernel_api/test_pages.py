"""The page allocator, against a list of intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from kernel_api.memory.buddy import MAX_ORDER, Page, Zone
from kernel_api.memory.pages import PageAllocator

MIB = 1 << 20

operations = st.lists(st.one_of(
    st.tuples(st.just("alloc"), st.integers(0, 6)),
    st.tuples(st.just("free"), st.integers(0, 100))), max_size=60)


def fits(free, order):
    """Whether an aligned block of free pages exists, found the slow way."""
    size = 1 << order
    return any(all(page in free for page in range(start, start + size))
               for start in range(0, max(free, default=0) + 1, size))


@given(st.integers(0, 70), st.integers(1, 150), operations)
def test_zone_against_a_set_of_pages(first, count, script):
    zone = Zone("test", first, first + count)
    free = set(range(first, first + count))
    held = []
    for operation, argument in script:
        if operation == "alloc":
            page = zone.alloc(argument)
            assert (page is not None) == fits(free, argument)
            if page is not None:
                block = set(range(page.pfn, page.pfn + (1 << argument)))
                assert page.pfn % (1 << argument) == 0 and block <= free
                free -= block
                held.append((page, argument))
        elif held:
            page, order = held.pop(argument % len(held))
            zone.free(page, order)
            free |= set(range(page.pfn, page.pfn + (1 << order)))
        assert zone.free_pages == len(free)


def test_fresh_memory_comes_in_order_of_address(kernel):
    zone = Zone("test", 0x80000, 0x80100)
    assert [zone.alloc(0).pfn for _ in range(4)] == [0x80000, 0x80001, 0x80002, 0x80003]


def test_the_block_freed_last_is_reused_first(kernel):
    pages = [alloc_page(GFP_KERNEL) for _ in range(8)]
    __free_page(pages[2])
    __free_page(pages[4])
    assert alloc_page(GFP_KERNEL) is pages[4] and alloc_page(GFP_KERNEL) is pages[2]


def test_two_zones(make):
    kernel = make(memory_base=0xFFE0_0000, memory_size=4 * MIB)
    assert [zone.name for zone in kernel.pages.zones] == ["DMA32", "Normal"]
    assert page_to_pfn(alloc_page(GFP_KERNEL)) >= 1 << 20
    assert page_to_pfn(alloc_page(GFP_DMA32)) < 1 << 20
    held = [alloc_pages(GFP_KERNEL, 0) for _ in range(600)]
    assert {page.pfn >= 1 << 20 for page in held} == {True, False}


def test_no_memory_below_4_gib(make):
    make(memory_base=1 << 32)
    assert alloc_page(GFP_DMA32 | Gfp.NOWARN) is None


def test_partial_pages_are_not_used():
    allocator = PageAllocator(0x8000_0001, 3 * 4096)
    assert allocator.free_pages == 2 and allocator.alloc(0).pfn == 0x8_0001


def test_exhaustion_warns_unless_asked_not_to(kernel):
    assert alloc_pages(GFP_KERNEL | Gfp.NOWARN, MAX_ORDER) is None
    assert not kernel.log.matching("page allocation failure")
    assert alloc_pages(GFP_KERNEL, MAX_ORDER + 1) is None
    assert kernel.log.matching("page allocation failure: order:11")


def test_zeroed(kernel):
    page = alloc_page(GFP_KERNEL)
    memset(page_address(page), 0xFF, 4096)
    __free_page(page)
    va = get_zeroed_page(GFP_KERNEL)
    assert va == page_address(page) and cpu.load(va, 4096) == bytes(4096)
    free_page(va)
    free_page(None)
    va = __get_free_pages(GFP_KERNEL, 2)
    free_pages(va, 2)


def test_no_memory_no_address(kernel):
    assert __get_free_pages(GFP_KERNEL | Gfp.NOWARN, MAX_ORDER) is None


@pytest.mark.parametrize("order", [0, 1])
def test_double_free_and_wrong_order(kernel, order):
    page = alloc_pages(GFP_KERNEL, 1)
    if order == 1:
        __free_pages(page, 1)
    with pytest.raises(KernelBug, match=f"Bad page state: .* freed with order {order}, allocated "):
        __free_pages(page, order)


def test_what_is_not_memory(kernel):
    with pytest.raises(KernelBug, match="page frame 0x1 is not memory"):
        pfn_to_page(1)
    with pytest.raises(KernelBug, match=r"Page\(0x1\) is not memory"):
        __free_page(Page(1))
    assert pfn_valid(0x80000) and not pfn_valid(0x7FFFF)


def test_conversions_agree(kernel):
    page = alloc_page(GFP_KERNEL)
    assert pfn_to_page(page_to_pfn(page)) is page
    assert phys_to_page(page_to_phys(page)) is virt_to_page(page_address(page) + 100) is page
    assert virt_to_phys(page_address(page)) == page_to_phys(page)


def test_r30_sleeping_flags_in_an_atomic_context(kernel):
    local_irq_disable()
    alloc_page(GFP_ATOMIC)
    assert not kernel.log.matching("sleeping function")
    assert alloc_page(GFP_KERNEL) is not None
    assert kernel.log.matching("BUG: sleeping function called from invalid context")
    local_irq_enable()
