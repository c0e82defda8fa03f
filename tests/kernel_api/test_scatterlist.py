"""The CPU side of scatterlists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from tests.kernel_api.fake import FakeMachine


def table(count):
    sgl = [Scatterlist() for _ in range(count)]
    sg_init_table(sgl, count)
    return sgl


def test_walking(kernel):
    sgl = table(3)
    assert sg_next(sgl[0]) is sgl[1] and sg_next(sgl[2]) is None
    assert sg_is_last(sgl[2]) and not sg_is_last(sgl[1])
    assert sg_nents(sgl) == 3 and sg_nents(sgl[1]) == 2 and sg_last(sgl, 3) is sgl[2]
    assert list(for_each_sg(sgl, 2)) == [(sgl[0], 0), (sgl[1], 1)]
    assert list(for_each_sg(sgl[1], 2)) == [(sgl[1], 0), (sgl[2], 1)]
    sg_mark_end(sgl[1])
    assert sg_nents(sgl) == 2


def test_a_part_of_an_array(kernel):
    sgl = [Scatterlist() for _ in range(5)]
    sg_init_table(sgl, 2)
    assert sg_nents(sgl) == 2


def test_a_list_that_is_too_short(kernel):
    with pytest.raises(KernelBug, match="scatterlist ends before entry 3"):
        list(for_each_sg(table(2), 3))


def test_chained_lists(kernel):
    first, second = table(3), table(2)
    sg_chain(first, 3, second)
    assert [sg for sg, _ in for_each_sg(first, 4)] == [*first[:2], *second]
    assert sg_nents(first) == 4


def test_entries(kernel):
    va = kmalloc(8192, GFP_KERNEL) + 100
    (sg,) = table(1)
    sg_set_buf(sg, va, 5000)
    assert (sg_virt(sg), sg_phys(sg), sg.length) == (va, virt_to_phys(va), 5000)
    assert sg_page(sg) is virt_to_page(va) and sg.offset == offset_in_page(va)
    assert repr(sg).startswith("Scatterlist(Page(0x")
    page = alloc_page(GFP_KERNEL)
    sg_set_page(sg, page, 10, 20)
    assert sg_phys(sg) == page_to_phys(page) + 20
    assert sg_dma_address(sg) == DMA_MAPPING_ERROR and sg_dma_len(sg) == 0
    sg_init_one([sg], va, 64)
    assert sg_nents(sg) == 1 and sg_virt(sg) == va
    sg_init_table([sg], 1)
    assert sg.length == 0 and sg_page(sg) is None


@pytest.mark.parametrize("length,count", [(0, 0), (1, 1), (100, 1), (101, 2), (300, 3),
                                          (301, -EINVAL)])
def test_entries_for_a_length(kernel, length, count):
    sgl = table(3)
    for sg in sgl:
        sg_set_buf(sg, kmalloc(100, GFP_KERNEL), 100)
    assert sg_nents_for_len(sgl, length) == count


def test_tables(kernel):
    sgt = SgTable()
    assert sg_alloc_table(sgt, 0, GFP_KERNEL) == -EINVAL
    assert sg_alloc_table(sgt, 4, GFP_KERNEL) == 0
    assert (sgt.nents, sgt.orig_nents, sg_nents(sgt.sgl)) == (4, 4, 4)
    sg_free_table(sgt)
    assert (sgt.nents, sgt.orig_nents, sgt.sgl) == (0, 0, [])


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=6), st.integers(0, 9000),
       st.integers(0, 9000), st.randoms(use_true_random=False))
def test_copies_against_one_flat_buffer(sizes, skip, length, random):
    with boot(FakeMachine()):
        sgl, flat = table(len(sizes)), bytearray(random.randbytes(sum(sizes)))
        for sg, size in zip(sgl, sizes, strict=True):
            sg_set_buf(sg, kmalloc(size + 64, GFP_KERNEL) + random.randrange(64), size)
        assert sg_copy_from_buffer(sgl, len(sizes), bytes(flat), len(flat)) == len(flat)
        data = random.randbytes(length)
        done = sg_pcopy_from_buffer(sgl, len(sizes), data, length, skip)
        assert done == max(0, min(length, len(flat) - skip))
        flat[skip:skip + done] = data[:done]
        assert sg_copy_to_buffer(sgl, len(sizes), len(flat) + 5) == (len(flat), bytes(flat))
        assert sg_pcopy_to_buffer(sgl, len(sizes), length, skip) == (done, data[:done])


def test_no_more_than_the_buffer_has(kernel):
    sgl = table(1)
    sg_set_buf(sgl[0], kmalloc(64, GFP_KERNEL), 64)
    assert sg_copy_from_buffer(sgl, 1, b"abc", 64) == 3
