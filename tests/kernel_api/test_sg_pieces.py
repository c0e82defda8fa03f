"""Lists that are walked page by page, cut, filled, and that own their pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from tests.kernel_api.fake import FakeMachine

P = PAGE_SIZE


def make_list(sizes, offsets=None):
    sgl = [Scatterlist() for _ in sizes]
    sg_init_table(sgl, len(sgl))
    for sg, size, offset in zip(sgl, sizes, offsets or [0] * len(sizes), strict=True):
        sg_set_buf(sg, kmalloc(size + offset, GFP_KERNEL) + offset, size)
    return sgl


def test_ends_and_chains(kernel):
    sgl = [Scatterlist() for _ in range(3)]
    sg_init_table(sgl, 3)
    sg_mark_end(sgl[0])
    assert sg_nents(sgl) == 1 and sg_is_last(sgl[0])
    sg_unmark_end(sgl[0])
    assert sg_nents(sgl) == 3 and not sg_is_last(sgl[0])
    more = [Scatterlist() for _ in range(2)]
    sg_init_table(more, 2)
    sg_chain(sgl, 3, more)
    assert [sg_is_chain(sg) for sg in (*sgl, *more)] == [False, False, True, False, False]
    assert sg_next(sgl[1]) is more[0] and sg_nents(sgl) == 4
    sg_init_table(sgl, 3)
    assert not sg_is_chain(sgl[2]) and sg_nents(sgl) == 3


def test_a_chain_with_an_end_before_it(kernel):
    sgl, more = make_list([64, 64]), make_list([64])
    sg_chain(sgl, 2, more)
    sg_mark_end(sgl[0])
    assert sg_nents(sgl) == 1
    sg_unmark_end(sgl[0])
    assert sg_next(sgl[0]) is more[0]


def test_folios(kernel):
    sg, folio = Scatterlist(), alloc_pages(GFP_KERNEL, 2)
    sg_set_folio(sg, folio, 3 * P, 100)
    assert (sg_page(sg), sg.length, sg.offset) == (folio, 3 * P, 100)


# sg_miter


def walk(miter):
    pieces = []
    while sg_miter_next(miter):
        pieces.append((miter.addr, miter.length))
    return pieces


def test_a_walk_ends_at_pages(kernel):
    sgl = make_list([3 * P, 50], [0, 10])
    sg_set_buf(sgl[0], sg_virt(sgl[0]) + 100, 2 * P)
    va, other = sg_virt(sgl[0]), sg_virt(sgl[1])
    miter = SgMappingIter()
    sg_miter_start(miter, sgl, 2, SG_MITER_FROM_SG)
    assert walk(miter) == [(va, P - 100), (va + P - 100, P), (va + 2 * P - 100, 100), (other, 50)]
    assert miter.addr is None and miter.page is None and not sg_miter_next(miter)


def test_a_piece_is_consumed_in_part(kernel):
    (sg,) = make_list([P])
    miter = SgMappingIter()
    sg_miter_start(miter, sg, 1, SG_MITER_TO_SG)
    assert sg_miter_next(miter) and miter.page is sg_page(sg) and miter.consumed == P
    miter.consumed = 100
    sg_miter_stop(miter)
    assert sg_miter_next(miter) and (miter.addr, miter.length) == (sg_virt(sg) + 100, P - 100)


def test_a_walk_skips(kernel):
    sgl = make_list([100, 200, 300])
    miter = SgMappingIter()
    sg_miter_start(miter, sgl, 3, SG_MITER_FROM_SG)
    assert sg_miter_skip(miter, 150)
    assert walk(miter) == [(sg_virt(sgl[1]) + 50, 150), (sg_virt(sgl[2]), 300)]
    sg_miter_start(miter, sgl, 3, SG_MITER_FROM_SG)
    assert sg_miter_skip(miter, 600) and not sg_miter_next(miter)
    assert not sg_miter_skip(miter, 1)


def test_a_skip_goes_on_behind_what_was_consumed(kernel):
    (sg,) = make_list([P])
    miter = SgMappingIter()
    sg_miter_start(miter, sg, 1, SG_MITER_TO_SG)
    assert sg_miter_next(miter)
    miter.consumed = 100
    assert sg_miter_skip(miter, 50) and miter.addr is None and sg_miter_next(miter)
    assert (miter.addr, miter.length) == (sg_virt(sg) + 150, P - 150)


def test_only_an_atomic_walk_is_for_interrupts(kernel):
    (sg,) = make_list([64])
    miter = SgMappingIter()
    with atomic_context():
        sg_miter_start(miter, sg, 1, SG_MITER_ATOMIC | SG_MITER_FROM_SG)
        assert sg_miter_next(miter)
        assert "sleeping function" not in dmesg()
        sg_miter_start(miter, sg, 1, SG_MITER_FROM_SG)
        sg_miter_next(miter)
    assert "sleeping function called from invalid context: sg_miter_next" in dmesg()


# Copies


def test_copies_into_and_out_of_a_buffer(kernel):
    sgl = make_list([100, 200])
    assert sg_copy_buffer(sgl, 2, bytearray(range(250)), 250, 20, False) == 250
    buf = bytearray(100)
    assert sg_copy_buffer(sgl, 2, buf, 40, 25, True) == 40
    assert buf == bytes(range(5, 45)) + bytes(60)
    assert sg_copy_buffer(sgl, 2, bytearray(10), 10, 400, True) == 0


def test_zeros(kernel):
    sgl = make_list([100, 200])
    sg_copy_from_buffer(sgl, 2, b"\xff" * 300, 300)
    assert sg_zero_buffer(sgl, 2, 60, 70) == 60
    assert sg_copy_to_buffer(sgl, 2, 300)[1] == b"\xff" * 70 + bytes(60) + b"\xff" * 170
    assert sg_zero_buffer(sgl, 2, 1000, 290) == 10


# sg_split


@given(st.lists(st.integers(1, 500), min_size=1, max_size=5), st.integers(0, 300),
       st.lists(st.integers(1, 600), min_size=1, max_size=4), st.booleans())
def test_split_against_one_flat_buffer(lengths, skip, sizes, mapped):
    with boot(FakeMachine(), swiotlb=None) as kernel:
        dev, sgl, flat = kernel.cdma.dev, make_list(lengths), bytes(range(256)) * 10
        sg_copy_from_buffer(sgl, len(sgl), flat, sum(lengths))
        count = dma_map_sg(dev, sgl, len(sgl), DMA_TO_DEVICE) if mapped else 0
        rc, out, out_mapped = sg_split(sgl, count, skip, len(sizes), sizes, GFP_KERNEL)
        if skip + sum(sizes) > sum(lengths):
            assert (rc, out, out_mapped) == (-EINVAL, [], [])
            return
        assert rc == 0 and len(out) == len(sizes)
        for part, segments, size in zip(out, out_mapped, sizes, strict=True):
            got, data = sg_copy_to_buffer(part, sg_nents(part), size + 100)
            assert (got, data) == (size, flat[skip:skip + size])
            if mapped:
                device = b"".join(
                    kernel.cpu.load(phys_to_virt(dev.dma_ops.to_phys(dev, sg.dma_address)),
                                    sg.dma_length) for sg in part[:segments])
                assert device == data
            else:
                assert segments == 0 and sg_dma_len(part[0]) == 0
            skip += size


def test_nothing_to_split(kernel):
    sgl = make_list([100])
    assert sg_split(sgl, 0, 0, 1, [101], GFP_KERNEL)[0] == -EINVAL
    assert sg_split(sgl, 0, 100, 1, [1], GFP_KERNEL)[0] == -EINVAL
    assert sg_split(sgl, 0, 0, 2, [50, 0], GFP_KERNEL)[0] == -EINVAL
    assert sg_split(sgl, 0, 0, 1, [40, 1000], GFP_KERNEL)[0] == 0       # one split was asked for


# sgl_alloc


def test_lists_own_their_pages(kernel):
    before = kernel.pages.free_pages
    sgl, nent = sgl_alloc(3 * P + 1, GFP_KERNEL)
    assert nent == len(sgl) == 4 and [sg.length for sg in sgl] == [P, P, P, 1]
    assert kernel.pages.free_pages == before - 4
    sgl_free(sgl)
    assert kernel.pages.free_pages == before


def test_lists_of_larger_blocks(kernel):
    before = kernel.pages.free_pages
    sgl, nent = sgl_alloc_order(5 * P, 1, True, GFP_KERNEL)
    assert (nent, len(sgl)) == (3, 4) and [sg.length for sg in sgl[:3]] == [2 * P, 2 * P, P]
    more, _ = sgl_alloc(P, GFP_KERNEL)
    sg_chain(sgl, 4, more)
    assert sg_nents(sgl) == 4
    sgl_free(more)
    sg_init_one(sgl[3], kmalloc(64, GFP_KERNEL), 64)
    sgl_free_n_order(sgl, 1, 1)
    assert sg_page(sgl[0]) is None and sg_page(sgl[1]) is not None
    sgl_free_n_order(sgl, 3, 1)
    sgl, _ = sgl_alloc_order(3 * P, 1, False, GFP_KERNEL)
    sgl_free_order(sgl, 1)
    assert kernel.pages.free_pages >= before - 1


def test_no_list_without_memory_or_length(kernel):
    before = kernel.pages.free_pages
    assert sgl_alloc(0, GFP_KERNEL) == (None, 0)
    assert sgl_alloc((before + 5) * P, GFP_KERNEL | __GFP_NOWARN) == (None, 0)
    assert kernel.pages.free_pages == before


# Walking


def test_pages_of_lists(kernel):
    sgl = make_list([2 * P, P])
    pages = [*range(sgl[0].page.pfn, sgl[0].page.pfn + 2), sgl[1].page.pfn]
    assert [page.pfn for page in for_each_sg_page(sgl, 2, 0)] == pages
    assert [page.pfn for page in for_each_sg_page(sgl, 2, 1)] == pages[1:]
    assert [page.pfn for page in for_each_sg_page(sgl, 2, 2)] == pages[2:]
    assert list(for_each_sg_page(sgl, 1, 2)) == []
    table = SgTable()
    table.sgl, table.nents, table.orig_nents = sgl, 1, 2
    assert [page.pfn for page in for_each_sgtable_page(table, 1)] == pages[1:]
    assert dma_map_sgtable(kernel.cdma.dev, table, DMA_TO_DEVICE, 0) == 0
    assert table.nents == 1
    start = sg_dma_address(sgl[0])
    expected = [start, start + P, start + 2 * P]
    assert list(for_each_sgtable_dma_page(table, 0)) == expected
    assert list(for_each_sg_dma_page(sgl, 1, 2)) == expected[2:]


# extract_iter_to_sg


def entries(table):
    return [(sg.page.pfn, sg.offset, sg.length) for sg in table.sgl[:table.nents]]


def room(count):
    table = SgTable()
    sg_alloc_table(table, count, GFP_KERNEL)
    table.nents = 0
    return table


def test_pieces_given_by_page(kernel):
    page, table = alloc_pages(GFP_KERNEL, 1), room(4)
    pieces = iov_iter_bvec([BioVec(page, 100, 50), BioVec(page, 2 * P - 10, 10)])
    assert extract_iter_to_sg(pieces, 150, table, 4, 0) == 150 and pieces.count == 2 * P - 60
    assert entries(table) == [(page.pfn, 50, 100), (page.pfn, 10, 50)]
    assert extract_iter_to_sg(pieces, 10 * P, table, 4, 0) == 2 * P - 60 and pieces.count == 0
    assert entries(table)[2:] == [(page.pfn, 60, 2 * P - 60)]


def test_pieces_given_by_address(kernel):
    linear, virtual, table = kmalloc(P, GFP_KERNEL), vmalloc(2 * P), room(4)
    pieces = iov_iter_kvec([(linear + 8, 16), (virtual + 100, P)])
    assert extract_iter_to_sg(pieces, 10 * P, table, 2, 0) == 16 + P - 100
    assert entries(table) == [(virt_to_page(linear).pfn, offset_in_page(linear + 8), 16),
                              (vmalloc_to_page(virtual).pfn, 100, P - 100)]
    assert extract_iter_to_sg(pieces, 10 * P, table, 2, 0) == 100
    assert entries(table)[2:] == [(vmalloc_to_page(virtual + P).pfn, 0, 100)]


def test_a_table_that_is_full_takes_nothing(kernel):
    pieces = iov_iter_kvec([(kmalloc(64, GFP_KERNEL), 64)] * 2)
    assert extract_iter_to_sg(pieces, 128, room(1), 9, 0) == 64 and pieces.count == 64
    assert extract_iter_to_sg(pieces, 64, room(1), 0, 0) == 0


def test_append_tables_are_freed(kernel):
    table, page = SgTable(), alloc_page(GFP_KERNEL)
    sg_alloc_append_table_from_pages(table, [page], 1, 0, P, P, 0, GFP_KERNEL)
    sg_free_append_table(table)
    assert (table.sgl, table.orig_nents) == ([], 0)


def test_pieces_of_block_and_network_layers(kernel):
    dev, page = kernel.cdma.dev, alloc_pages(GFP_KERNEL, 1)
    handle = dma_map_bvec(dev, BioVec(page, 300, 4090), DMA_TO_DEVICE, 0)
    assert dev.dma_ops.to_phys(dev, handle) == page_to_phys(page) + 4090
    dma_unmap_page(dev, handle, 300, DMA_TO_DEVICE)
    with pytest.raises(KernelBug, match="invalid DMA direction"):
        dma_map_bvec(dev, BioVec(page, 300), DMA_NONE, 0)
    handle = skb_frag_dma_map(dev, SkbFrag(page, 1500, 64), 100, 1000, DMA_TO_DEVICE)
    assert dev.dma_ops.to_phys(dev, handle) == page_to_phys(page) + 164
    dma_unmap_page(dev, handle, 1000, DMA_TO_DEVICE)
