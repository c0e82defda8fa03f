"""The command line: what it refuses, in one line and with exit status 2."""

import pytest

from sim.cli import main


@pytest.mark.parametrize("arguments, message", [
    (["demo", "no/such/file"], "File 'no/such/file' cannot be read: No such file or directory"),
    (["demo", "{empty}"], "File must have from 1 to 1048576 bytes"),
    (["demo", "{huge}"], "File must have from 1 to 1048576 bytes"),
    (["demo", "{folder}"], "cannot be read: Is a directory"),
    (["demo", "--seed", "x"], "Invalid value for '--seed': 'x' is not a valid"),
    (["demo", "--seed", "-1"], "Invalid value for '--seed': -1 is not in the range x>=0"),
    (["demo", "--entries", "0"], "Invalid value for '--entries': 0 is not in the range 1<=x<=256"),
    (["demo", "--entries", "9", "{tiny}"], "Entries must be from 1 to 3, the bytes of the file"),
    (["demo", "--forget", "hat"], "Invalid value for '--forget': 'hat' is not one of 'map'"),
    (["demo", "--engine", "steam"], "Invalid value for '--engine': 'steam' is not"),
    (["generate", "gpu"], "Block must be one of iommu, dma, ring, stream, cache, system, not"),
    (["generate", "dma", "--language", "vhdl"], "'vhdl' is not one of 'verilog', 'rtlil'"),
    (["generate", "dma", "--set", "beats=2"], "Parameter of DmaParams must be one of addr_width, "),
    (["generate", "dma", "--set", "max_beats=3"], "Longest burst must be one of 2, 4, 8"),
    (["synth", "gpu"], "Block must be one of iommu, dma, ring, stream, cache, system, not"),
    (["sweep", "gpu"], "Axis must be one of iommu, iommu.tlb_entries, "),
    (["bench", "gpu"], "Block must be one of backend, dma, ring, stream, "
     "translated, iommu, cache, snoop, not 'gpu'"),
    (["demo", "--vcd", "{tiny}/x.vcd"], "cannot be written: "),
    (["demo", "--json", "{tiny}/x.json"], "cannot be written: "),
    (["generate", "dma", "-o", "{tiny}/x.v"], "cannot be written: "),
    (["registers", "{tiny}/x"], "cannot be made: "),
    (["bench", "--json", "{folder}"], "is a directory"),
    (["bench", "--json", "{tiny}/x.json"], "cannot be written: "),
    (["dmeo"], "No such command 'dmeo'"),
])
def test_refused(arguments, message, tmp_path, capsys):
    names = {"empty": b"", "huge": bytes((1 << 20) + 1), "tiny": b"abc"}
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    places = {name: tmp_path / name for name in (*names, "folder")}
    with pytest.raises(SystemExit) as end:
        main([argument.format(**places) for argument in arguments])
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["demo"], ["generate"], ["registers"], ["bench"]])
def test_help(arguments, capsys):
    main([*arguments, "--help"])
    assert "Usage" in capsys.readouterr().out


def test_generate(tmp_path, capsys):
    path = tmp_path / "dma.il"
    arguments = ["generate", "dma", "--language", "rtlil", "--set", "data_width=32"]
    main([*arguments, "-o", str(path)])
    assert "wire width 32 output" in path.read_text()
    assert capsys.readouterr().out == ""
    main(arguments)
    assert capsys.readouterr().out == path.read_text()


def test_registers(tmp_path, capsys):
    main(["registers", str(tmp_path / "regs")])
    printed = capsys.readouterr().out.split()
    assert str(tmp_path / "regs" / "iommu.h") in printed
    assert sorted(printed) == sorted(map(str, (tmp_path / "regs").iterdir()))
