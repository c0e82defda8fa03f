"""The command ``dmapath vectors``: what it prints, and its exit status."""

import json
import sys
from pathlib import Path

import pytest

from sim.cli import main

BY_HAND = Path(__file__).parent / "by_hand.jsonl"


def run(capsys, *arguments):
    """Exit status, lines printed, and lines of errors."""
    with pytest.raises(SystemExit) as end:
        main(["vectors", *map(str, arguments)])
    printed = capsys.readouterr()
    return end.value.code, printed.out.splitlines(), printed.err.splitlines()


def changed(tmp_path, name, **fields):
    path = tmp_path / name
    path.write_text(json.dumps(json.loads(BY_HAND.read_text()) | fields))
    return path


def test_no_mismatch(capsys):
    status, lines, errors = run(capsys, BY_HAND)
    assert (status, errors) == (0, [])
    assert lines[0].split() == ["family", "scenarios", "refused", "checks", "mismatches", "seconds"]
    assert lines[1].split()[:5] == ["by_hand", "1", "0", "38", "0"]
    assert len(lines) == 2


def test_mismatches_and_report(tmp_path, capsys):
    raw = json.loads(BY_HAND.read_text())
    raw["steps"][17]["value"] = "0x3"
    wrong = changed(tmp_path, "own.jsonl", steps=raw["steps"])
    report = tmp_path / "report.json"
    status, lines, _ = run(capsys, wrong, BY_HAND, "--json", report)
    assert status == 1
    assert [line.split()[:5] for line in lines[1:4]] == [
        ["own", "1", "0", "38", "1"], ["by_hand", "1", "0", "38", "0"],
        ["all", "2", "0", "76", "1"]]
    assert lines[4:] == ["own: by_hand step 17 (reg_expect): register 0x010 is 0x2, must be 0x3"]
    found = json.loads(report.read_text())
    assert (found["machine"], found["engine"]) == ("golden", "")
    assert [family["checks"] for family in found["families"]] == [38, 38]
    assert found["families"][0]["mismatches"] == [{
        "scenario": "by_hand", "step": 17, "op": "reg_expect", "what": "register 0x010",
        "got": 2, "expected": 3}]


def test_refused_by_name_on_rtl(tmp_path, capsys):
    caps = {"sv39": 1, "ats": 1, "igs": 1, "pas": 56}
    path = changed(tmp_path, "own.jsonl", caps=caps, capabilities="0x3812000210")
    report = tmp_path / "report.json"
    status, lines, _ = run(capsys, path, "--machine", "rtl", "--engine", "pysim", "--json", report)
    assert status == 0
    assert lines[1].split()[:5] == ["own", "0", "1", "0", "0"]
    assert lines[2] == ("own: 1 refused: Capabilities must be without ats to be those of a build, "
                        "not 0x3812000210")
    found = json.loads(report.read_text())
    assert (found["machine"], found["engine"]) == ("rtl", "pysim")
    assert found["families"][0]["refused"][0]["scenario"] == "by_hand"


@pytest.mark.parametrize("content, message", [
    ("{}", "dmapath: own.jsonl:1.name: must be there, not None"),
    ("[]\n", "dmapath: own.jsonl:1: must be an object, not []"),
    ("{\n", "dmapath: own.jsonl:1: must be JSON, not b'{\\n' ("),
])
def test_malformed(tmp_path, capsys, content, message):
    path = tmp_path / "own.jsonl"
    path.write_text(content)
    status, lines, errors = run(capsys, BY_HAND, path)
    assert (status, lines) == (2, [])           # before anything is replayed
    assert len(errors) == 1 and errors[0].startswith(message)


@pytest.mark.parametrize("arguments, message", [
    (["no/such.jsonl"], "File 'no/such.jsonl' cannot be opened: No such file or directory"),
    (["{folder}"], "cannot be opened: Is a directory"),
    ([BY_HAND, "--json", "no/such/x.json"], "File 'no/such/x.json' cannot be opened: No such file"),
    ([], "Missing argument 'FILE...'"),
    ([BY_HAND, "--machine", "fpga"], "'fpga' is not one of 'golden', 'rtl'"),
    ([BY_HAND, "--engine", "steam"], "'steam' is not one of"),
])
def test_wrong_arguments(tmp_path, capsys, arguments, message):
    arguments = [str(argument).format(folder=tmp_path) for argument in arguments]
    status, _, errors = run(capsys, *arguments)
    assert status == 2 and len(errors) == 1 and message in errors[0]


def test_engine_not_installed(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    status, _, errors = run(capsys, BY_HAND, "--machine", "rtl", "--engine", "wasm")
    assert status == 2 and len(errors) == 1 and "wasmtime" in errors[0]
