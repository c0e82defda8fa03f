"""Conformance vectors: the format and its errors, the replay, and the golden model on them."""

import copy
import gzip
import json
from pathlib import Path

import pytest

from rtl.spec.iommu_regs import CAPABILITIES
from sim.vectors import (
    VectorError,
    read_file,
    read_folder,
    replay,
    replay_families,
    to_text,
)
from sim.vectors.__main__ import main
from sim.vectors.golden import GoldenTarget, rebase

BY_HAND = Path(__file__).parent / "by_hand.jsonl"
RAW = json.loads(BY_HAND.read_text())


def scenario(tmp_path, raw=RAW):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(raw) + "\n")
    return next(read_file(path))


def changed(**changes):
    """A copy of the scenario with other values; ``steps__3__mask`` is a path."""
    raw = copy.deepcopy(RAW)
    for path, value in changes.items():
        place = raw
        *way, last = (int(name) if name.isdigit() else name for name in path.split("__"))
        for name in way:
            place = place[name]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value
    return raw


@pytest.mark.parametrize("cache", [True, False])
def test_by_hand(tmp_path, cache):
    outcome = replay(GoldenTarget(cache=cache), scenario(tmp_path))
    assert outcome.mismatches == []
    assert outcome.checks == 38


EXPECTATIONS = [(n, step) for n, step in enumerate(RAW["steps"])
                if step["op"].endswith("expect") or step["op"] == "translate"]


@pytest.mark.parametrize("index, step", EXPECTATIONS)
def test_every_expectation_is_checked(tmp_path, index, step):
    path = {"reg_expect": "value", "mem_expect": "value", "msi_expect": "data",
            "wsi_expect": "wires", "fault_expect": "record__0"}.get(step["op"])
    if step["op"] == "translate":
        path = "expect__pa" if step["expect"]["ok"] else "expect__cause"
    raw = changed(**{f"steps__{index}__{path}": 1})
    found = replay(GoldenTarget(), scenario(tmp_path, raw)).mismatches
    assert [(item.step, item.op, item.expected) for item in found] == [(index, step["op"], 1)]
    assert str(found[0]).startswith(f"by_hand step {index} ({step['op']}): ")


def test_missing_records_and_messages(tmp_path):
    raw = changed(fctl=2)                               # wires: no messages
    del raw["steps"][12]                                # and one record less
    found = {(item.op, item.what) for item in replay(
        GoldenTarget(), scenario(tmp_path, raw)).mismatches}
    assert ("msi_expect", "message address") in found
    assert ("fault_expect", "record") in found
    assert ("wsi_expect", "wires") in found


@pytest.mark.parametrize("changes, message", [
    ({"name": 5}, "name: must be a string, not 5"),
    ({"name": KeyError}, "name: must be there, not None"),
    ({"capabilities": "0xg"}, "capabilities: must be a number or hexadecimal string, not '0xg'"),
    ({"mem_base": -1}, "mem_base: must be a number or hexadecimal string, not -1"),
    ({"caps__sv48": 1}, "caps: must be as capabilities for sv48, not"),
    ({"caps__sv64": 1}, "caps: must be without field 'sv64', not"),
    ({"extra": 1}, ": must be without field 'extra', not"),
    ({"mem__0": ["0x1"]}, "mem[0]: must be a list of 2, not ['0x1']"),
    ({"msi_window": [1]}, "msi_window: must be a list of 2, not [1]"),
    ({"steps": {}}, "steps: must be a list, not {}"),
    ({"steps__2": 7}, "steps[2].op: must be one of reg_write, reg_expect,"),
    ({"steps__2__op": "jump"}, "steps[2].op: must be one of reg_write, reg_expect,"),
    ({"steps__0__size": 2}, "steps[0].size: must be one of 4, 8, not 2"),
    ({"steps__7__mask": KeyError}, "steps[7].mask: must be there, not None"),
    ({"steps__12__access": "z"}, "steps[12].access: must be one of 'r', 'w', 'x', not 'z'"),
    ({"steps__12__expect__ok": "no"}, "steps[12].expect.ok: must be true or false, not 'no'"),
    ({"steps__12__expect__cause": KeyError}, "steps[12].expect.cause: must be there, not None"),
    ({"steps__13__record__2": []}, "steps[13].record[2]: must be a number or hexadecimal string")])
def test_malformed_scenarios(tmp_path, changes, message):
    with pytest.raises(VectorError) as error:
        scenario(tmp_path, changed(**changes))
    assert str(error.value).startswith("own.jsonl:1")
    assert message in str(error.value)


def test_malformed_json_and_objects(tmp_path):
    path = tmp_path / "own.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(RAW) + "\n{oops\n")
    lines = read_file(path)
    assert next(lines).name == "by_hand"
    with pytest.raises(VectorError, match=r"own\.jsonl\.gz:2: must be JSON, not '\{oops"):
        next(lines)
    with pytest.raises(VectorError, match=r"own\.jsonl:1: must be an object, not 3"):
        scenario(tmp_path, 3)


def test_summary_and_refusal(tmp_path, capsys):
    (tmp_path / "fine.jsonl").write_text(json.dumps(RAW) + "\n")
    lacking = changed(caps__ats=1, capabilities=hex(0x38_2000_0210 | 1 << 25), name="asks_ats")
    (tmp_path / "mixed.jsonl").write_text(
        json.dumps(lacking) + "\n" + json.dumps(changed(steps__17__value="0x3")) + "\n")
    results = replay_families(GoldenTarget(), read_folder(tmp_path))
    assert to_text(results).splitlines() == [
        "family  scenarios  refused  checks  mismatches",
        "fine            1        0      38           0",
        "mixed           1        1      38           1",
        "by_hand step 17 (reg_expect): register 0x010 is 0x2, must be 0x3",
        "asks_ats refused: Capabilities must be without ats, not 0x3822000210"]
    assert main(str(tmp_path)) == 1
    assert capsys.readouterr().out.startswith("family ")
    (tmp_path / "mixed.jsonl").unlink()
    assert main(str(tmp_path)) == 0


def test_rebase(tmp_path):
    wires = CAPABILITIES.pack(version=0x10, sv39=1, igs=1, pas=32)
    other = rebase(scenario(tmp_path), wires)
    assert (other.capabilities, other.fctl) == (wires, 2)
    assert [step.op for step in other.steps if step.op.startswith("msi")] == []
    assert replay(GoldenTarget(), other).mismatches == []
    assert other.steps[-1].wires == 2                   # the fault, on vector 1
    narrow = [step.expect.ok for step in other.steps if step.op == "translate"]
    assert narrow == [False, True, False, True, False]


def test_rebase_stops_where_both_answers_are_allowed(tmp_path):
    raw = changed(caps__nl=1, capabilities=hex(0x38_2000_0210 | 1 << 42))
    first = next(n for n, step in enumerate(raw["steps"])
                 if step["op"] == "mem_write" and step["addr"] == "0x80004020")
    raw["steps"][first]["value"] = hex(1 | 1 << 34)     # IOTINVAL with NL: illegal without it
    without = rebase(scenario(tmp_path, raw), 0x38_2000_0210)
    assert without.steps[-1].op == "inject"             # the next access may hit or walk
    assert replay(GoldenTarget(), without).mismatches == []
    assert replay(GoldenTarget(cache=False), without).mismatches == []


def folders():
    """Where the whole set may be: beside the project, or above it."""
    root = Path(__file__).parents[2]
    return [folder for parent in root.parents
            if (folder := parent / "shared" / "vectors" / "iommu").is_dir()]


def test_golden_model_conforms(tmp_path):
    (tmp_path / "by_hand.jsonl").write_text(BY_HAND.read_text())
    for folder in [tmp_path, *folders()[:1]]:
        results = replay_families(GoldenTarget(), read_folder(folder))
        assert sum(result.scenarios for result in results) > 0
        assert not any(result.mismatches or result.refused for result in results), to_text(results)
