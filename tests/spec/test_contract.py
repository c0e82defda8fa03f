"""The contract against the documents: offsets and bits as they print them, written down here anew.

A register or word is one line: its offset (or none), then each field as ``name@bits``.
"""

import pytest

from rtl.spec import page_table
from rtl.spec.cache_regs import CacheCommand, CacheMode
from rtl.spec.descriptor import (
    AXI_DMA_APPS,
    AXI_DMA_BYTES,
    CDMA_ALIGN,
    CDMA_BYTES,
    CDMA_MAX_BYTES,
    AxiDmaWord,
    CdmaWord,
)
from rtl.spec.export import BASES, ENUMS, LAYOUTS, MAPS
from rtl.spec.faults import Cause, TransactionType
from rtl.spec.iommu_regs import CAPABILITIES, IOMMU_REGISTERS
from rtl.spec.page_table import DdtpMode, IosatpMode, level_bytes
from rtl.spec.platform import WINDOW_BYTES
from rtl.spec.queues import IODIR_FUNC3, IOFENCE_FUNC3, IOTINVAL_FUNC3, Opcode

#: RISC-V IOMMU, chapter "Memory-mapped register interface"; offsets in bytes, decimal as printed.
IOMMU = """
capabilities 0  version@7:0 sv32@8 sv39@9 sv48@10 sv57@11 svrsw60t59b@14 svpbmt@15 sv32x4@16
    sv39x4@17 sv48x4@18 sv57x4@19 amo_mrif@21 msi_flat@22 msi_mrif@23 amo_hwad@24 ats@25 t2gpa@26
    end@27 igs@29:28 hpm@30 dbg@31
capabilities_msb 4  pas@5:0 pd8@6 pd17@7 pd20@8 qosid@9 nl@10 s@11 custom@31:24
fctl 8          be@0 wsi@1 gxl@2
ddtp 16         mode@3:0 busy@4 ppn@31:10
ddtp_msb 20     ppn@21:0
cqb 24          log2sz_1@4:0 ppn@31:10
cqb_msb 28      ppn@21:0
cqh 32          index@31:0
cqt 36          index@31:0
fqb 40          log2sz_1@4:0 ppn@31:10
fqb_msb 44      ppn@21:0
fqh 48          index@31:0
fqt 52          index@31:0
cqcsr 72        cqen@0 cie@1 cqmf@8 cmd_to@9 cmd_ill@10 fence_w_ip@11 cqon@16 busy@17
fqcsr 76        fqen@0 fie@1 fqmf@8 fqof@9 fqon@16 busy@17
pqcsr 80
ipsr 84         cip@0 fip@1 pmip@2 pip@3
iocountovf 88   cy@0 hpm@31:1
iocountinh 92   cy@0 hpm@31:1
iohpmcycles 96  count@31:0
iohpmcycles_msb 100 count@30:0 of@31
tr_req_iova 600 vpn@31:12
tr_req_iova_msb 604 vpn@31:0
tr_req_ctl 608  go@0 priv@1 exe@2 nw@3 pid@31:12
tr_req_ctl_msb 612 pv@0 did@31:8
tr_response 616 fault@0 pbmt@8:7 s@9 ppn@31:10
tr_response_msb 620 ppn@21:0
iommu_qosid 624 rcid@11:0 mcid@27:16
icvec 760       civ@3:0 fiv@7:4 pmiv@11:8 piv@15:12
""" + "".join(f"""
iohpmctr_{n} {96 + 8 * n} count@31:0
iohpmctr_{n}_msb {100 + 8 * n} count@31:0
iohpmevt_{n} {344 + 8 * n} event@14:0 dmask@15 pid_pscid@31:16
iohpmevt_{n}_msb {348 + 8 * n} pid_pscid@3:0 did_gscid@27:4 pv_pscv@28 dv_gscv@29 idt@30 of@31
""" for n in range(1, 32)) + "".join(f"""
msi_addr_{n} {768 + 16 * n} addr@31:2
msi_addr_{n}_msb {772 + 16 * n} addr@23:0
msi_data_{n} {776 + 16 * n} data@31:0
msi_vec_ctl_{n} {780 + 16 * n} m@0
""" for n in range(16))

#: AMD PG034, section "Register Space".
CDMA = """
cr 0x00         tail_pntr_en@1 reset@2 sg_mode@3 key_hole_read@4 key_hole_write@5 cyclic_bd@6
    ioc_irq_en@12 dly_irq_en@13 err_irq_en@14 irq_threshold@23:16 irq_delay@31:24
sr 0x04         idle@1 sg_incld@3 dma_int_err@4 dma_slv_err@5 dma_dec_err@6 sg_int_err@8
    sg_slv_err@9 sg_dec_err@10 ioc_irq@12 dly_irq@13 err_irq@14 irq_threshold_sts@23:16
    irq_delay_sts@31:24
curdesc 0x08    addr@31:6
curdesc_msb 0x0C addr@31:0
taildesc 0x10   addr@31:6
taildesc_msb 0x14 addr@31:0
sa 0x18         addr@31:0
sa_msb 0x1C     addr@31:0
da 0x20         addr@31:0
da_msb 0x24     addr@31:0
btt 0x28        bytes@25:0
"""

#: AMD PG021, section "Register Space"; the second channel is 0x30 further up.
AXI_DMA = "".join(f"""
{channel}_cr {base}         run@0 tail_pntr_en@1 reset@2 key_hole@3 cyclic_bd@4
    ioc_irq_en@12 dly_irq_en@13 err_irq_en@14 irq_threshold@23:16 irq_delay@31:24
{channel}_sr {base + 4}     halted@0 idle@1 sg_incld@3 dma_int_err@4 dma_slv_err@5 dma_dec_err@6
    sg_int_err@8 sg_slv_err@9 sg_dec_err@10 ioc_irq@12 dly_irq@13 err_irq@14
    irq_threshold_sts@23:16 irq_delay_sts@31:24
{channel}_curdesc {base + 8} addr@31:6
{channel}_curdesc_msb {base + 12} addr@31:0
{channel}_taildesc {base + 16} addr@31:6
{channel}_taildesc_msb {base + 20} addr@31:0
{channel}_{end}a {base + 24}  addr@31:0
{channel}_{end}a_msb {base + 28} addr@31:0
{channel}_length {base + 40} bytes@25:0
""" for channel, base, end in (("mm2s", 0, "s"), ("s2mm", 0x30, "d")))

#: Linux drivers/cache/starfive_starlink_cache.c.
CACHE = """
start 0x00      addr@31:0
start_msb 0x04  addr@31:0
end 0x08        addr@31:0
end_msb 0x0C    addr@31:0
ctl 0x10        enable@0 mode@2:1
"""

#: RISC-V IOMMU, chapters "Data Structures" and "In-memory queue interface"; Privileged
#: Architecture, "Sv39"; PG034, "Scatter Gather Transfer Descriptor Definition"; PG021, "Scatter
#: Gather Descriptor" (``eof`` and ``sof`` of MM2S_CONTROL and S2MM_STATUS).
WORDS = """
ddte            v@0 ppn@53:10
dc_tc           v@0 en_ats@1 en_pri@2 t2gpa@3 dtf@4 pdtv@5 prpr@6 gade@7 sade@8 dpe@9 sbe@10 sxl@11
dc_iohgatp      ppn@43:0 gscid@59:44 mode@63:60
dc_ta           pscid@31:12 rcid@51:40 mcid@63:52
pc_ta           v@0 ens@1 sum@2 pscid@31:12
iosatp          ppn@43:0 mode@63:60
pte             v@0 r@1 w@2 x@3 u@4 g@5 a@6 d@7 rsw@9:8 ppn@53:10 rsw60t59b@60:59 pbmt@62:61 n@63
msi_pte         v@0 m@2:1 ppn@53:10 c@63
msi_pte_mrif    v@0 m@2:1 file@53:7 c@63
msi_pte_notice  low@9:0 ppn@53:10 high@60
iotinval_dw0    opcode@6:0 func3@9:7 av@10 pscid@31:12 pscv@32 gv@33 nl@34 gscid@59:44
iotinval_dw1    s@9 addr@61:10
iofence_dw0     opcode@6:0 func3@9:7 av@10 wsi@11 pr@12 pw@13 data@63:32
iofence_dw1     addr@61:0
iodir_dw0       opcode@6:0 func3@9:7 pid@31:12 dv@33 did@63:40
fault_dw0       cause@11:0 pid@31:12 pv@32 priv@33 ttyp@39:34 did@63:40
iohpmevt event@14:0 dmask@15 pid_pscid@35:16 did_gscid@59:36 pv_pscv@60 dv_gscv@61 idt@62 of@63
cdma_control    btt@25:0
ring_word_0     src@47:0 size@63:48
ring_word_1     dst@47:0 op@51:48 long@52 irq@53 strided@54
ring_word_2     size@31:0 dst_high@47:32 rows@63:48
ring_word_3     src_stride@31:0 dst_stride@63:32
ring_completion slot@15:0 fault@18:16 write@19 refused@20 phase@31 bytes@63:32
cdma_status     dma_int_err@28 dma_slv_err@29 dma_dec_err@30 cmplt@31
axi_dma_control length@25:0 eof@26 sof@27
axi_dma_status  transferred@25:0 eof@26 sof@27 dma_int_err@28 dma_slv_err@29 dma_dec_err@30 cmplt@31
"""

#: Offsets from which everything is an extension of ours, and where it must end.
EXTENSIONS = {"iommu": (688, 760), "cdma": (0x80, 0x1000), "axi_dma": (0x80, 0x1000),
              "cache": (0x20, 0x1000)}
#: Bits within documented registers that are extensions of ours.
OUR_BITS = {("cache", "ctl"): {"whole": (3, 1)},
            **{key: {"err_write": (7, 1), "err_refused": (11, 1)} for key in (
                ("cdma", "sr"), ("axi_dma", "mm2s_sr"), ("axi_dma", "s2mm_sr"))}}
#: Registers that stand for something that is reserved or absent.
PLACEHOLDERS = {("iommu", "pqcsr"): {"zero": (0, 1)}, ("iommu", "icvec_msb"): {"zero": (0, 32)}}


def parse(text: str) -> dict[str, tuple[int | None, dict[str, tuple[int, int]]]]:
    """Name -> (offset, {field: (lsb, width)})."""
    result = {}
    for line in filter(None, text.replace("\n    ", " ").splitlines()):
        name, *words = line.split()
        offset = int(words.pop(0), 0) if words and "@" not in words[0] else None
        fields = {}
        for word in words:
            field, bits = word.split("@")
            high, _, low = bits.partition(":")
            fields[field] = (int(low or high), int(high) - int(low or high) + 1)
        result[name] = (offset, fields)
    return result


@pytest.mark.parametrize("regmap", [item for item in MAPS if item.name in EXTENSIONS],
                         ids=lambda regmap: regmap.name)
def test_registers(regmap):
    documented = parse({"iommu": IOMMU, "cdma": CDMA, "axi_dma": AXI_DMA,
                        "cache": CACHE}[regmap.name])
    first, end = EXTENSIONS[regmap.name]
    for register in regmap:
        fields = {field.name: (field.lsb, field.width) for field in register}
        key = regmap.name, register.name
        for ours in (OUR_BITS, PLACEHOLDERS):
            for name, place in ours.get(key, {}).items():
                assert fields.pop(name) == place
        if register.name in documented:
            assert (register.offset, fields) == documented.pop(register.name), register.name
        else:
            assert key in PLACEHOLDERS or first <= register.offset < end, register.name
    assert not documented


def test_capabilities_is_one_word():
    low, high = IOMMU_REGISTERS["capabilities"], IOMMU_REGISTERS["capabilities_msb"]
    assert CAPABILITIES.fields == {
        **{field.name: (field.lsb, field.width) for field in low},
        **{field.name: (field.lsb + 32, field.width) for field in high}}


def test_words():
    documented = parse(WORDS)
    layouts = {layout.name: layout for layout in LAYOUTS if layout is not CAPABILITIES}
    assert {name: layout.fields for name, layout in layouts.items()} == \
        {name: fields for name, (_, fields) in documented.items()}
    lists = {name for name in layouts if name.startswith(("cdma", "axi_dma"))}
    assert {layouts[name].width for name in lists} == {32}
    assert {layouts[name].width for name in layouts.keys() - lists} == {64}


@pytest.mark.parametrize("codes, values", [
    (DdtpMode, {"OFF": 0, "BARE": 1, "LVL1": 2, "LVL2": 3, "LVL3": 4}),
    (IosatpMode, {"BARE": 0, "SV39": 8, "SV48": 9, "SV57": 10}),
    (Opcode, {"IOTINVAL": 1, "IOFENCE": 2, "IODIR": 3, "ATS": 4}),
    (IOTINVAL_FUNC3, {"VMA": 0, "GVMA": 1}),
    (IOFENCE_FUNC3, {"C": 0}),
    (IODIR_FUNC3, {"INVAL_DDT": 0, "INVAL_PDT": 1}),
    (CacheMode, {"CLEAN_INVALIDATE": 0, "MAKE_INVALIDATE": 1, "CLEAN_SHARED": 2}),
    (CacheCommand, {"CLEAN_INVALIDATE": 0, "MAKE_INVALIDATE": 1, "CLEAN_SHARED": 2, "ZERO": 4,
                    "PREFETCH": 5}),
    (CdmaWord, {"NXTDESC": 0x00, "NXTDESC_MSB": 0x04, "SA": 0x08, "SA_MSB": 0x0C, "DA": 0x10,
                "DA_MSB": 0x14, "CONTROL": 0x18, "STATUS": 0x1C}),
    (AxiDmaWord, {"NXTDESC": 0x00, "NXTDESC_MSB": 0x04, "BUFFER": 0x08, "BUFFER_MSB": 0x0C,
                  "CONTROL": 0x18, "STATUS": 0x1C, "APP0": 0x20}),
    (TransactionType, {
        "NONE": 0, "UNTRANSLATED_EXEC": 1, "UNTRANSLATED_READ": 2, "UNTRANSLATED_WRITE": 3,
        "TRANSLATED_EXEC": 5, "TRANSLATED_READ": 6, "TRANSLATED_WRITE": 7, "ATS_REQUEST": 8,
        "MESSAGE_REQUEST": 9}),
    (Cause, {
        "NONE": 0, "EXEC_ACCESS_FAULT": 1, "READ_MISALIGNED": 4, "READ_ACCESS_FAULT": 5,
        "WRITE_MISALIGNED": 6, "WRITE_ACCESS_FAULT": 7, "EXEC_PAGE_FAULT": 12,
        "READ_PAGE_FAULT": 13, "WRITE_PAGE_FAULT": 15, "EXEC_GUEST_PAGE_FAULT": 20,
        "READ_GUEST_PAGE_FAULT": 21, "WRITE_GUEST_PAGE_FAULT": 23, "ALL_INBOUND_DISALLOWED": 256,
        "DDT_LOAD_FAULT": 257, "DDT_INVALID": 258, "DDT_MISCONFIGURED": 259,
        "TYPE_DISALLOWED": 260, "MSI_PTE_LOAD_FAULT": 261, "MSI_PTE_INVALID": 262,
        "MSI_PTE_MISCONFIGURED": 263, "MRIF_ACCESS_FAULT": 264, "PDT_LOAD_FAULT": 265,
        "PDT_INVALID": 266, "PDT_MISCONFIGURED": 267, "DDT_CORRUPTION": 268,
        "PDT_CORRUPTION": 269, "MSI_PT_CORRUPTION": 270, "MRIF_CORRUPTION": 271,
        "INTERNAL_DATA_PATH_ERROR": 272, "MSI_WRITE_ACCESS_FAULT": 273,
        "PAGE_TABLE_CORRUPTION": 274}),
], ids=lambda item: getattr(item, "__name__", ""))
def test_codes(codes, values):
    assert codes in ENUMS
    assert {code.name: code.value for code in codes} == values


def test_sizes():
    assert (CDMA_ALIGN, CDMA_BYTES, CDMA_MAX_BYTES) == (64, 32, 67_108_863)
    assert max(CdmaWord) + 4 == CDMA_BYTES
    assert AxiDmaWord.APP0 + 4 * AXI_DMA_APPS == AXI_DMA_BYTES <= CDMA_ALIGN
    assert (page_table.PTE_BYTES, page_table.DC_BYTES) == (8, 32)
    assert sum(page_table.DDI_BITS_BASE) == 24
    assert [level_bytes(level) for level in range(4)] == [4 << 10, 2 << 20, 1 << 30, 512 << 30]


@pytest.mark.parametrize("regmap", MAPS, ids=lambda regmap: regmap.name)
def test_house_rules(regmap):
    """Within its window; a 64-bit register is two words, low first; every sentence is one."""
    names = {register.name: register for register in regmap}
    for register in regmap:
        assert 0 <= register.offset < WINDOW_BYTES
        if register.name.endswith("_msb"):
            low = names[register.name.removesuffix("_msb")]
            assert low.offset % 8 == 0 and register.offset == low.offset + 4
        for item in (register, *register):
            assert item.doc.endswith(".") and '"' not in item.doc, f"{register.name}: {item.doc}"


def test_windows_do_not_overlap():
    ordered = sorted(BASES[regmap.name] for regmap in MAPS)
    assert len(ordered) == len(BASES)
    assert all(base % WINDOW_BYTES == 0 for base in ordered)
    assert len(set(ordered)) == len(ordered)
