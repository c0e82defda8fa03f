"""I/O page tables, walked by the fake hardware and checked against a dictionary of pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from kernel_api.iommu.page_table import IoPageTable
from rtl.spec.page_table import PTE
from tests.kernel_api.fake import FakeMachine

PAGE, NAPOT, MEGA, GIGA = 1 << 12, 1 << 16, 1 << 21, 1 << 30
BOTH = IOMMU_READ | IOMMU_WRITE


def make_table(kernel, levels=3, clean=None):
    return IoPageTable(kernel, levels, clean or kernel.iommu.clean)


def walked(kernel, table, iova):
    """What the hardware finds, from memory, not from the cache."""
    fsc = 8 << 60 | int(table.root) >> 12
    leaf = kernel.machine.iommu._walk(fsc, iova)
    return leaf and (leaf[0], leaf[1] & 6)


runs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1100), st.integers(1, 1100),
                          st.integers(0, 600), st.booleans()), max_size=8)


@given(runs)
def test_against_a_dictionary(script):
    with boot(FakeMachine(memory_size=64 << 20)) as kernel:
        free = kernel.pages.free_pages
        table, pages = make_table(kernel), {}
        for block, first, count, target, is_map in script:
            first += block * 1024
            wanted = range(first, first + count)
            if is_map:
                rc, done = table.map(first * PAGE, PhysAddr((0x8_0000 + target) * PAGE),
                                     count * PAGE, IOMMU_READ)
                if not any(page in pages for page in wanted):
                    assert (rc, done) == (0, count * PAGE)
                    pages.update((page, 0x8_0000 + target + page - first) for page in wanted)
                else:
                    assert rc == -EEXIST and done < count * PAGE
                    table.unmap(first * PAGE, done)
                kernel.iommu.invalidate(0)
                table.release_detached()
            elif large := {size for page, size in sizes(table, wanted) if size > PAGE}:
                assert large <= {NAPOT, MEGA}       # parts of large pages are not taken out here
            else:
                done, _ = table.unmap(first * PAGE, count * PAGE)
                for page in range(first, first + done // PAGE):
                    del pages[page]
                assert done == count * PAGE or first + done // PAGE not in pages
            for page in {*wanted[:3], *wanted[-3:], first - 1, first + count}:
                expected = pages.get(page)
                found = page >= 0 and walked(kernel, table, page * PAGE)
                assert (found or None) == (expected and (expected * PAGE, 2))
                assert page < 0 or table.to_phys(page * PAGE + 5) == (
                    expected and expected * PAGE + 5)
        table.release()
        assert kernel.pages.free_pages == free


def sizes(table, pages):
    """Page and size of the leaf that maps it, where there is one."""
    for page in pages:
        leaf = table._leaf(page * PAGE)
        if leaf:
            yield page, NAPOT if leaf[2] >> 63 else PAGE << 9 * leaf[1]


@pytest.mark.parametrize("iova,phys,size,entries", [
    (0x1000, 0x8000_0000, PAGE, 1), (0x1000, 0x8000_0000, 3 * PAGE, 3),
    (MEGA, 0x8020_0000, MEGA, 1), (MEGA, 0x8020_1000, MEGA, 512),
    (MEGA - PAGE, 0x801F_F000, MEGA + 2 * PAGE, 3), (2 * MEGA, 0x8020_0000, 3 * MEGA, 3),
    (GIGA, 0x8000_0000, GIGA, 1), (GIGA, 0x8020_0000, GIGA, 512),
])
def test_the_largest_pages_that_fit(make, iova, phys, size, entries):
    kernel = make(memory_size=8 << 30)
    table = make_table(kernel)
    before, tables = kernel.stats.pte_writes, kernel.stats.table_pages
    assert table.map(iova, PhysAddr(phys), size, BOTH) == (0, size)
    made = kernel.stats.table_pages - tables
    assert kernel.stats.pte_writes - before == entries + made
    for at in (0, size // 2 & PAGE_MASK, size - PAGE):
        assert walked(kernel, table, iova + at) == (phys + at, 6)
    assert table.unmap(iova, size)[0] == size
    assert walked(kernel, table, iova) is None and table.to_phys(iova) is None


@pytest.mark.parametrize("levels", [4, 5])
def test_more_levels(kernel, levels):
    table = make_table(kernel, levels)
    iova = 5 << 12 + 9 * (levels - 1)
    assert table.map(iova, PhysAddr(0x8000_0000), PAGE, BOTH) == (0, PAGE)
    assert table.to_phys(iova + 7) == 0x8000_0007 and table.to_phys(iova - 1) is None
    table.release()


@pytest.mark.parametrize("prot,bits", [(IOMMU_READ, "r"), (IOMMU_WRITE, "rw"), (BOTH, "rw")])
def test_r59_permissions_that_riscv_has(kernel, prot, bits):
    table = make_table(kernel)
    table.map(0x1000, PhysAddr(0x8000_0000), PAGE, prot)
    _, _, entry = table._leaf(0x1000)
    found = PTE.unpack(entry)
    assert "".join(name for name in "rwx" if found[name]) == bits
    assert found["u"] == found["a"] == found["d"] == found["v"] == 1


@pytest.mark.parametrize("iova,size,smallest", [
    (MEGA - PAGE, MEGA + PAGE, PAGE), (MEGA, MEGA + PAGE, PAGE), (MEGA, MEGA, MEGA)])
def test_the_smallest_page_that_was_unmapped(make, iova, size, smallest):
    table = make_table(make(memory_size=16 << 20))
    table.map(iova, PhysAddr(0x8000_0000 + iova), size, BOTH)
    assert table.unmap(iova, size) == (size, smallest)


@pytest.mark.parametrize("first,count,sizes_found", [
    (0, 16, {NAPOT}), (0, 40, {NAPOT, PAGE}), (1, 15, {PAGE}), (1, 31, {PAGE, NAPOT}),
    (15, 2, {PAGE}), (496, 48, {NAPOT})])
def test_sixteen_pages_in_a_row_are_one(kernel, first, count, sizes_found):
    """Where both addresses are aligned; what is before and behind has pages of its own."""
    table = make_table(kernel)
    iova, phys, size = first * PAGE, 0x8000_0000 + first * PAGE, count * PAGE
    writes = kernel.stats.pte_writes - kernel.stats.table_pages
    assert table.map(iova, PhysAddr(phys), size, BOTH) == (0, size)
    assert kernel.stats.pte_writes - kernel.stats.table_pages - writes == count
    found = dict(sizes(table, range(first - 1, first + count + 1)))
    assert set(found.values()) == sizes_found and len(found) == count
    for page in range(first, first + count):
        assert walked(kernel, table, page * PAGE) == (0x8000_0000 + page * PAGE, 6)
        assert table.to_phys(page * PAGE + 9) == 0x8000_0000 + page * PAGE + 9
        if found[page] == NAPOT and page % 16:
            assert table.unmap(page * PAGE, PAGE) == (0, 0)
    assert table.unmap(iova, size) == (size, PAGE)
    assert not dict(sizes(table, range(first - 1, first + count + 1)))


def test_no_large_page_where_only_one_address_is_aligned(kernel):
    table = make_table(kernel)
    assert table.map(NAPOT, PhysAddr(0x8000_1000), 2 * NAPOT, BOTH) == (0, 2 * NAPOT)
    assert {size for _, size in sizes(table, range(16, 48))} == {PAGE}


def test_a_hole_ends_an_unmap(kernel):
    table = make_table(kernel)
    table.map(0x1000, PhysAddr(0x8000_0000), 2 * PAGE, BOTH)
    table.map(0x4000, PhysAddr(0x8000_0000), PAGE, BOTH)
    assert table.unmap(0x1000, 4 * PAGE) == (2 * PAGE, PAGE)
    assert table.unmap(0x1000, PAGE) == (0, 0)
    assert table.to_phys(0x4000) is not None


def test_a_large_page_goes_as_a_whole_or_not_at_all(make):
    table = make_table(make(memory_size=16 << 20))
    table.map(MEGA, PhysAddr(0x8020_0000), MEGA, BOTH)
    assert table.unmap(MEGA + PAGE, PAGE) == (0, 0)
    assert table.to_phys(MEGA) == 0x8020_0000
    assert table.unmap(MEGA, PAGE) == (MEGA, MEGA)
    assert table.to_phys(MEGA) is None


def test_what_is_mapped_is_not_mapped_again(make):
    table = make_table(make(memory_size=16 << 20))
    table.map(MEGA, PhysAddr(0x8020_0000), MEGA, BOTH)
    assert table.map(MEGA + PAGE, PhysAddr(0x8000_0000), PAGE, BOTH) == (-EEXIST, 0)
    assert table.map(MEGA - PAGE, PhysAddr(0x8000_0000), 2 * PAGE, BOTH) == (-EEXIST, PAGE)


def test_an_empty_table_makes_room_for_a_large_page(make):
    kernel = make(memory_size=16 << 20)
    table = make_table(kernel)
    table.map(MEGA, PhysAddr(0x8000_0000), PAGE, BOTH)
    table.unmap(MEGA, PAGE)
    free = kernel.pages.free_pages
    assert table.map(MEGA, PhysAddr(0x8020_0000), MEGA, BOTH) == (0, MEGA)
    assert len(table.detached) == 1 and kernel.pages.free_pages == free
    table.release_detached()
    assert not table.detached and kernel.pages.free_pages == free + 1


def test_no_memory_for_a_table(kernel):
    table = make_table(kernel)
    while alloc_page(GFP_KERNEL | Gfp.NOWARN):
        pass
    assert table.map(0x1000, PhysAddr(0x8000_0000), PAGE, BOTH) == (-ENOMEM, 0)
    with pytest.raises(MemoryError, match="Page table must have a root page, and there is no mem"):
        make_table(kernel)


def test_what_is_not_cleaned_is_not_seen(kernel):
    table = make_table(kernel, clean=lambda phys, size: None)
    table.map(0x1000, PhysAddr(0x8012_3000), PAGE, BOTH)
    assert table.to_phys(0x1000) == 0x8012_3000 and walked(kernel, table, 0x1000)[0] != 0x8012_3000
