"""kmalloc."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_api import *
from tests.kernel_api.fake import FakeMachine

SIZES = st.integers(1, 20_000)


@pytest.mark.parametrize("line", [16, 32, 64, 128])
@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=30))
def test_r04_no_two_objects_share_a_line(line, script):
    with boot(FakeMachine(line_bytes=line)) as kernel:
        free = kernel.pages.free_pages
        lines, held = set(), []
        assert dma_get_cache_alignment() == line
        for size, keep in script:
            va = kmalloc(size, GFP_KERNEL)
            assert ksize(va) >= size
            covered = set(range(int(va) // line, (int(va) + size - 1) // line + 1))
            assert int(va) % line == 0 and not covered & lines
            if keep:
                lines |= covered
                held.append(va)
            else:
                kfree(va)
        for va in held:
            kfree(va)
        assert kernel.pages.free_pages == free


def test_coherent_platforms_pack_objects(make):
    make(coherent=True)
    assert dma_get_cache_alignment() == 1
    assert kmalloc(8, GFP_KERNEL) - kmalloc(8, GFP_KERNEL) == -8
    assert ksize(kmalloc(90, GFP_KERNEL)) == 96


def test_the_object_freed_last_is_reused_first(kernel):
    objects = [kmalloc(100, GFP_KERNEL) for _ in range(5)]
    kfree(objects[3])
    assert kmalloc(120, GFP_KERNEL) == objects[3]


def test_many_objects_of_a_size(kernel):
    free = kernel.pages.free_pages
    objects = [kmalloc(64, GFP_KERNEL) for _ in range(200)]
    assert len(set(objects)) == 200
    for va in objects[::2] + objects[1::2]:
        kfree(va)
    assert kernel.pages.free_pages == free


def test_zeroed(kernel):
    va = kmalloc(256, GFP_KERNEL)
    memset(va, 0xFF, 256)
    kfree(va)
    assert kzalloc(256, GFP_KERNEL) == va and cpu.load(va, 256) == bytes(256)


def test_nothing(kernel):
    assert kmalloc(0, GFP_KERNEL) == ZERO_SIZE_PTR
    kfree(ZERO_SIZE_PTR)
    kfree(None)


def test_no_memory(kernel):
    assert kmalloc(5 << 20, GFP_KERNEL | Gfp.NOWARN) is None
    while alloc_page(GFP_KERNEL | Gfp.NOWARN):
        pass
    assert kmalloc(64, GFP_KERNEL | Gfp.NOWARN) is None
    assert kzalloc(64, GFP_KERNEL | Gfp.NOWARN) is None


@pytest.mark.parametrize("size", [64, 30_000])
def test_what_was_not_allocated(kernel, size):
    va = kmalloc(size, GFP_KERNEL)
    with pytest.raises(KernelBug, match=r"kfree of .*, which is not the start of an object in use"):
        kfree(va + 8)
    kfree(va)
    with pytest.raises(KernelBug, match=r"kfree of .*, which is not the start of an object in use"):
        kfree(va)
    with pytest.raises(TypeError, match="Address must be a VirtAddr"):
        kfree(virt_to_phys(va))


@pytest.mark.parametrize("line", [16, 32, 64, 128])
def test_r04_objects_share_no_line(line):
    with boot(FakeMachine(line_bytes=line)):
        taken = set()
        for size in (1, 8, 8, 24, 24, 70, 70, 100, 100, 200, 200):
            start = int(kmalloc(size, GFP_KERNEL))
            lines = set(range(start // line, (start + size - 1) // line + 1))
            assert start % line == 0 and not lines & taken
            taken |= lines
