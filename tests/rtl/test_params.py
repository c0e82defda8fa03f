"""Parameters: every limit, from both sides, and what follows from them."""

import dataclasses

import pytest

from rtl.params import (
    CacheParams,
    DmaParams,
    IommuParams,
    RingParams,
    StreamParams,
    SystemParams,
)
from rtl.spec.iommu_regs import CAPABILITIES

#: Class, parameter, its name in messages, lowest and highest value.
RANGES = [
    (IommuParams, "phys_bits", "Physical address width", 32, 56),
    (IommuParams, "id_width", "ID width", 1, 16),
    (IommuParams, "tlb_entries", "TLB entries", 1, 128),
    (IommuParams, "walks", "Page walks", 1, 8),
    (IommuParams, "guest_entries", "Guest entries", 0, 16),
    (IommuParams, "context_entries", "Context entries", 1, 16),
    (IommuParams, "rcid_bits", "RCID width", 1, 12),
    (IommuParams, "mcid_bits", "MCID width", 1, 12),
    (DmaParams, "addr_width", "DMA address width", 32, 64),
    (DmaParams, "id_width", "ID width", 1, 16),
    (DmaParams, "device_id", "Device ID", 0, (1 << 24) - 1),
    (CacheParams, "phys_bits", "Physical address width", 32, 56),
    (SystemParams, "channels", "Channels", 0, 7),
    (SystemParams, "streams", "Stream engines", 0, 3),
    (CacheParams, "id_width", "ID width", 1, 16),
    (CacheParams, "commands", "Queued commands", 1, 8),
    (CacheParams, "guards", "Guard windows", 0, 2),
    (CacheParams, "prefetch", "Prefetched lines", 0, 8),
    (CacheParams, "snoop", "Snooped writes", 0, 8),
    (CacheParams, "snoop_id_width", "Snoop ID width", 1, 17),
]
#: Class, parameter, its name in messages, powers of two from, to.
POWERS = [
    (IommuParams, "data_width", "Data width", 64, 512),
    (IommuParams, "in_flight", "Bursts in flight", 2, 64),
    (IommuParams, "vectors", "Interrupt vectors", 1, 16),
    (DmaParams, "data_width", "Data width", 32, 512),
    (DmaParams, "reads_in_flight", "Reads in flight", 1, 128),
    (DmaParams, "max_beats", "Longest burst", 2, 256),
    (RingParams, "depth", "Ring depth", 8, 256),
    (CacheParams, "data_width", "Data width", 32, 128),
    (CacheParams, "ways", "Ways", 1, 8),
    (CacheParams, "line_bytes", "Line bytes", 16, 128),
    (CacheParams, "size_bytes", "Cache size", 512, 1 << 20),
    (CacheParams, "misses", "Misses in flight", 1, 8),
]


@pytest.mark.parametrize("kind, name, title, low, high", RANGES)
def test_range(kind, name, title, low, high):
    for value in (low, high):
        assert getattr(kind(**{name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"^{title} must be from {low} to {high}, "
                                             f"not {value}$"):
            kind(**{name: value})
    for value in ("4", None, 4.0, True):
        with pytest.raises(TypeError, match=f"^{title} must be an integer, not {value!r}$"):
            kind(**{name: value})


@pytest.mark.parametrize("kind, name, title, low, high", POWERS)
def test_power(kind, name, title, low, high):
    value = low
    while value <= high:
        assert getattr(kind(**{name: value}), name) == value
        value *= 2
    for value in (low // 2, high * 2, low + 1 if low > 1 else 3, 0):
        if name == "size_bytes" and value == low // 2:
            continue                            # the number of sets refuses that
        with pytest.raises(ValueError, match=f"^{title} must be one of .*, not {value}$"):
            kind(**{name: value})
    with pytest.raises(TypeError, match=rf"^{title} must be an integer, not {low}\.0$"):
        kind(**{name: float(low)})


@pytest.mark.parametrize("entries", [256, 513, 8192])
def test_second_tlb(entries):
    assert IommuParams(second_entries=512).second_entries == 512
    with pytest.raises(ValueError, match=f"^Entries of the second TLB must be one of .*, "
                                         f"not {entries}$"):
        IommuParams(second_entries=entries)


def test_cache_geometry():
    params = CacheParams(phys_bits=40, size_bytes=16384, ways=4, line_bytes=64, data_width=64)
    assert (params.sets, params.beats) == (64, 8)
    assert params.tag_bits + params.set_bits + params.offset_bits == 40
    assert (1 << params.way_bits, 1 << params.word_bits) == (4, 8)
    with pytest.raises(ValueError, match=r"^Line of 16 bytes must hold at least two beats of "
                                         r"16 bytes$"):
        CacheParams(line_bytes=16, data_width=128)
    with pytest.raises(ValueError, match=r"^Cache of 256 bytes must have at least two sets of 4 "
                                         r"ways with lines of 64 bytes$"):
        CacheParams(size_bytes=256)
    assert CacheParams(size_bytes=128, ways=1).sets == 2
    assert CacheParams(misses=8).orders == 32


@pytest.mark.parametrize("parts, message", [
    ({"dma": DmaParams(data_width=128)},
     "Data widths must be equal, not IOMMU 64, DMA 128, cache 64"),
    ({"cache": CacheParams(phys_bits=34)},
     "Physical address widths must be equal, not IOMMU 40, cache 34"),
    ({"iommu": IommuParams(poison=True)},
     "Poison must not be asked for in a system, whose buses do not tell it"),
    ({"iommu": IommuParams(qosid=True)},
     "Quality-of-service identifiers must not be asked for in a system, whose buses do not carry "
     "them"),
    ({"iommu": IommuParams(vectors=8)},
     "Interrupt vectors in a system must be one of 1, 2, 4, not 8"),
    ({"dma": DmaParams(id_width=2)}, "ID widths must be equal, not IOMMU 4, DMA 2"),
    ({"coherent": True}, r"Cache of a coherent system must have a snoop port, not CacheParams\(.*"),
])
def test_blocks_must_agree(parts, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        SystemParams(**parts)


def test_coherence_is_a_flag():
    with pytest.raises(TypeError, match=r"^Allocation must be a bool, not 1$"):
        CacheParams(allocate=1)
    with pytest.raises(TypeError, match=r"^Overtaking must be a bool, not 1$"):
        CacheParams(overtake=1)
    with pytest.raises(TypeError, match=r"^Random replacement must be a bool, not 1$"):
        CacheParams(random=1)
    with pytest.raises(TypeError, match=r"^Coherence must be a bool, not 1$"):
        SystemParams(coherent=1)


def test_frozen():
    for params in (IommuParams(), DmaParams(), CacheParams(), SystemParams()):
        assert params == type(params)()
        with pytest.raises(dataclasses.FrozenInstanceError):
            params.id_width = 3


def test_interrupt_kinds():
    assert [IommuParams(igs=igs).messages for igs in range(3)] == [True, False, True]
    with pytest.raises(ValueError, match=r"^Interrupt kinds must be one of 0, 1, 2, not 3$"):
        IommuParams(igs=3)


def test_debug_needs_a_bit_of_the_id():
    assert IommuParams(dbg=True, id_width=15).id_width == 15
    with pytest.raises(ValueError, match=r"^ID width with dbg must be from 1 to 15, not 16$"):
        IommuParams(dbg=True, id_width=16)


@pytest.mark.parametrize("name, what, range_", [
    ("counters", "Event counters", "1 to 31"),
    ("counter_bits", "Width of event counters", "33 to 64")])
def test_counters_of_the_monitor(name, what, range_):
    with pytest.raises(ValueError, match=f"^{what} must be from {range_}, not 65$"):
        IommuParams(hpm=True, **{name: 65})


def test_iommu_for_capabilities():
    params = IommuParams(phys_bits=44, tlb_entries=2)
    assert IommuParams.for_capabilities(params.capabilities, tlb_entries=2) == params
    missing = CAPABILITIES.pack(params.capabilities, sv39=0, ats=1, t2gpa=1)
    with pytest.raises(ValueError, match=r"^Capabilities must be with sv39 and without ats, t2gpa "
                                         rf"to be those of a build, not {missing:#x}$"):
        IommuParams.for_capabilities(missing)
    with pytest.raises(ValueError, match="must be without reserved bits to be"):
        IommuParams.for_capabilities(params.capabilities | 1 << 44)
    with pytest.raises(ValueError, match=r"^Physical address width must be .*, not 57$"):
        IommuParams.for_capabilities(CAPABILITIES.pack(params.capabilities, pas=57))


FEATURES = ["sv48", "sv57", "sv39x4", "sv48x4", "sv57x4", "svpbmt", "svrsw60t59b", "pd8", "pd17",
            "pd20", "msi_flat", "amo_hwad", "end", "qosid", "hpm", "sv32", "sv32x4",
            "msi_mrif", "amo_mrif"]
#: What a feature must come with.
NEEDS = {"sv57": "sv48", "sv48x4": "sv39x4", "sv57x4": "sv48x4", "sv32x4": "sv32",
         "msi_mrif": "msi_flat", "amo_mrif": "msi_mrif"}
#: And besides.
ALSO = {"msi_mrif": {"sv39x4"}, "amo_mrif": {"sv39x4"}}


@pytest.mark.parametrize("name", FEATURES)
def test_iommu_features(name):
    with pytest.raises(TypeError, match=f"^Feature {name} must be a bool, not 1$"):
        IommuParams(**{name: 1})
    if name in NEEDS:
        with pytest.raises(ValueError, match=f"^Feature {name} must come with {NEEDS[name]}, "
                                             "not without$"):
            IommuParams(**{name: True})
    chosen, needed = {name} | ALSO.get(name, set()), name
    while needed := NEEDS.get(needed):
        chosen.add(needed)
    params = IommuParams(**dict.fromkeys(chosen, True))
    fields = CAPABILITIES.unpack(params.capabilities)
    assert {feature for feature in FEATURES if fields[feature]} == chosen
    assert IommuParams.for_capabilities(params.capabilities) == params


def test_interrupt_files_need_a_second_stage():
    with pytest.raises(ValueError, match=r"^Feature msi_mrif must come with a second stage, not "
                                         r"without$"):
        IommuParams(msi_flat=True, msi_mrif=True)


def test_iommu_geometry():
    """What follows from the features."""
    none, some = IommuParams(), IommuParams(sv48=True, sv39x4=True, pd17=True, msi_flat=True)
    assert (none.levels, none.guest_levels, none.depth, none.vpn_bits, none.gpn_bits,
            none.process_bits, none.ppn_bits) == (3, 0, 3, 27, 0, 0, 28)
    assert not (none.two_stage or none.processes or none.msi)
    assert (some.levels, some.guest_levels, some.depth, some.vpn_bits, some.gpn_bits,
            some.process_bits) == (4, 3, 4, 36, 29, 17)
    assert some.two_stage and some.processes and some.msi
    deep = IommuParams(sv48=True, sv57=True, sv39x4=True, sv48x4=True, sv57x4=True, pd20=True)
    assert (deep.levels, deep.guest_levels, deep.vpn_bits, deep.gpn_bits, deep.process_bits) == (
        5, 5, 47, 47, 20)
    assert IommuParams(pd8=True).process_bits == 8
    assert not IommuParams(msi_flat=True).msi


@pytest.mark.parametrize("width", [256, 512])
def test_ring_width(width):
    with pytest.raises(ValueError, match=rf"^Data width of a ring must be one of 32, 64, 128, not "
                                         rf"{width}$"):
        RingParams(data_width=width)


@pytest.mark.parametrize("name, says", [("timer", "Timer"), ("key_hole", "Key-hole")])
def test_list_flags(name, says):
    with pytest.raises(TypeError, match=rf"^{says} must be a bool, not 1$"):
        DmaParams(**{name: 1})


@pytest.mark.parametrize("name", ["mm2s", "s2mm", "own_port", "apps"])
def test_stream_flags(name):
    with pytest.raises(TypeError, match=rf"^Stream parameter {name} must be a bool, not 1$"):
        StreamParams(**{name: 1})


def test_stream_ids():
    with pytest.raises(ValueError, match=r"^ID width of a stream engine must be from 2 to 16, "
                                         r"not 1$"):
        StreamParams(id_width=1)


def test_stream_channels():
    with pytest.raises(ValueError, match=r"^Stream engine must have a channel, not none$"):
        StreamParams(mm2s=False, s2mm=False)


def test_stream_engines():
    """They take bits of the ID, one of which each needs itself, and share the bus."""
    assert SystemParams(streams=1).engine_bits == 1
    assert SystemParams(streams=2, channels=1).engine_bits == 2
    with pytest.raises(ValueError, match=r"^Stream engine must have no port of its own, and "
                                         r"the widths of the DMA engine, not StreamParams\("):
        SystemParams(streams=1, stream=StreamParams(own_port=True))
    with pytest.raises(ValueError, match=r"^ID width must be more than 2 bits for 0 channels and "
                                         r"1 stream engines, not 2$"):
        SystemParams(streams=1, iommu=IommuParams(id_width=2), dma=DmaParams(id_width=2),
                     stream=StreamParams(id_width=2))


def test_own_port():
    with pytest.raises(TypeError, match=r"^Own port must be a bool, not 1$"):
        RingParams(own_port=1)


def test_channels():
    """Channels take bits of the ID, and share the bus of the DMA engine."""
    for count, bits in ((0, 0), (1, 1), (3, 2), (7, 3)):
        assert SystemParams(channels=count).engine_bits == bits
    with pytest.raises(ValueError, match=r"^ID width must be more than 2 bits for 3 channels "
                                         r"and 0 stream engines, not 2$"):
        SystemParams(channels=3, iommu=IommuParams(id_width=2), dma=DmaParams(id_width=2),
                     ring=RingParams(id_width=2))
    for wrong in ({"own_port": True}, {"id_width": 5}, {"data_width": 32}):
        assert not SystemParams(ring=RingParams(**wrong)).channels
        with pytest.raises(ValueError, match=r"^Channel must have no port of its own, and the "
                                             r"widths of the DMA engine, not RingParams\(.*\)$"):
            SystemParams(channels=1, ring=RingParams(**wrong))
