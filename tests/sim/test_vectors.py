"""Conformance vectors: the format and its errors, the replay, and the golden model on them."""

import copy
import gzip
import json
from pathlib import Path

import pytest

from rtl.spec.iommu_regs import CAPABILITIES
from sim.vectors import (
    HangError,
    VectorError,
    details,
    read_file,
    read_folder,
    replay,
    replay_family,
)
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


def checked(step):
    """Path of what a step expects, if it does."""
    if step["op"] == "translate":
        return "expect__pa" if step["expect"]["ok"] else "expect__cause"
    return {"reg_expect": "value", "mem_expect": "value", "msi_expect": "data",
            "wsi_expect": "wires", "fault_expect": "record__0"}.get(step["op"])


EXPECTATIONS = [(n, step, checked(step)) for n, step in enumerate(RAW["steps"]) if checked(step)]


@pytest.mark.parametrize("index, step, path", EXPECTATIONS)
def test_every_expectation_is_checked(tmp_path, index, step, path):
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
    ({"caps__sv64": 1}, "caps.sv64: must be absent: there is no such field, not 1"),
    ({"extra": 1}, ".extra: must be absent: there is no such field, not 1"),
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
    ({"steps__13__record__2": []}, "steps[13].record[2]: must be a number or hexadecimal string"),
    ({"capabilities": "0x1_0"}, "capabilities: must be a number or hexadecimal string"),
    ({"mem_base": 1.0}, "mem_base: must be a number or hexadecimal string, not 1.0"),
    ({"mem_base": True}, "mem_base: must be a number or hexadecimal string, not True"),
    ({"mem_base": "0x80000800"}, "mem_base: must be a number of 64 bits, a multiple of 4096, not"),
    ({"mem_size": 0}, "mem[0]: must be an aligned address in memory at 0x80000000, not "),
    ({"mem_size": 0, "mem": [], "steps": []}, "mem_size: must be greater than 0, not 0"),
    ({"fctl": 1 << 32}, "fctl: must be a number of 32 bits, not 4294967296"),
    ({"params": {"vector_bits": 8}}, "params.vector_bits: must be a number of 3 bits, not 8"),
    ({"optional": 2}, "optional: must be true or false, not 2"),
    ({"steps__0__offset": 4096}, "steps[0].offset: must be a number of 12 bits, a multiple of 4"),
    ({"steps__0__offset": 4, "steps__0__size": 8}, "steps[0].offset: must be a multiple of 8, not"),
    ({"steps__12__did": 1 << 24}, "steps[12].did: must be a number of 24 bits, not 16777216"),
    ({"steps__12__pid": 1 << 20}, "steps[12].pid: must be a number of 20 bits, not 1048576"),
    ({"steps__12__expect": []}, "steps[12].expect.ok: must be true or false, not []"),
    ({"steps": [{"op": "mem_write", "addr": 0, "value": 0}]},
     "steps[0].addr: must be an aligned address in memory at 0x80000000, not '0x0'"),
    ({"steps": [{"op": "inject", "lo": 8, "hi": 8, "access": "r"}]},
     "steps[0].hi: must be greater than lo, 0x8, not 8"),
    ({"steps": [{"op": []}]}, "steps[0].op: must be one of reg_write"),
])
def test_malformed_scenarios(tmp_path, changes, message):
    with pytest.raises(VectorError) as error:
        scenario(tmp_path, changed(**changes))
    assert str(error.value).startswith("own.jsonl:1")
    assert message in str(error.value)


def test_malformed_json_and_objects(tmp_path):
    path = tmp_path / "own.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(RAW) + "\n\n{oops\n")
    lines = read_file(path)
    assert next(lines).name == "by_hand"
    with pytest.raises(VectorError, match=r"own\.jsonl\.gz:3: must be JSON, not b'\{oops"):
        next(lines)
    with pytest.raises(VectorError, match=r"own\.jsonl:1: must be an object, not 3"):
        scenario(tmp_path, 3)


# Without a date, so that the names of the tests are the same in every process.
PACKED, NOTHING = gzip.compress(b"{}\n", mtime=0), gzip.compress(b"", mtime=0)


@pytest.mark.parametrize("content, message", [
    (b"\xff\xfe{}", r"must be JSON, not b'\xff\xfe{}'"),
    (b"[" * 100_000, "must be JSON, not b'[[[["),
    (b"1" * 5000, "must be JSON, not b'1111"),
    (b'"' + b"x" * 200 + b'"', f"must be an object, not '{'x' * 59}..."),
    (PACKED[:11], "must be intact gzip data, not as it is ("),
    (PACKED[:10] + b"\xff" * 9, "must be intact gzip data, not as it is ("),
    (NOTHING[:-8] + bytes(8) + b"x", "must be intact gzip data, not as it is ("),
])
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "own.jsonl"
    path.write_bytes(content)
    with pytest.raises(VectorError) as error:
        list(read_file(path))
    assert str(error.value).startswith("own.jsonl:1: ")
    assert message in str(error.value)


def test_compressed_or_not_whatever_the_name(tmp_path):
    raw = b"\xef\xbb\xbf" + json.dumps(RAW).encode()
    for name, content in (("a.jsonl", gzip.compress(raw)), ("b.jsonl.gz", raw), ("c", raw)):
        (tmp_path / name).write_bytes(content)
        assert [item.name for item in read_file(tmp_path / name)] == ["by_hand"]
    assert [family for family, _ in read_folder(tmp_path)] == ["a", "b"]


class Stuck(GoldenTarget):
    """Answers no access."""

    def translate(self, step):
        raise HangError("no end")


def test_hang_ends_the_scenario(tmp_path):
    outcome = replay(Stuck(), scenario(tmp_path))
    assert [str(mismatch) for mismatch in outcome.mismatches] == [
        "by_hand step 12 (translate): answer is no end, must be there"]


def test_hang_at_reset(tmp_path):
    target = GoldenTarget()

    def reset(scenario):
        raise HangError("no end")

    target.reset = reset
    outcome = replay(target, scenario(tmp_path))
    assert (outcome.checks, [str(mismatch) for mismatch in outcome.mismatches]) == (
        1, ["by_hand step 0 (reset): answer is no end, must be there"])


def test_record_outside_memory_is_missing(tmp_path):
    raw = changed()
    base = next(step for step in raw["steps"] if step.get("offset") == 0x28)
    base["value"] = hex(int(base["value"], 16) | 1 << 40)
    outcome = replay(GoldenTarget(), scenario(tmp_path, raw))
    assert "record" in {mismatch.what for mismatch in outcome.mismatches}


def test_refusal_and_details(tmp_path):
    lacking = changed(caps__ats=1, capabilities=hex(0x38_2000_0210 | 1 << 25), name="asks_ats")
    wrong = changed(**{f"steps__{n}__{path}": "0x3" for n, step, path in EXPECTATIONS})
    (tmp_path / "mixed.jsonl").write_text("".join(
        json.dumps(raw) + "\n" for raw in (lacking, wrong, lacking)))
    calls = []
    ((family, scenarios),) = read_folder(tmp_path)
    result = replay_family(GoldenTarget(), family, scenarios, advance=lambda: calls.append(1))
    assert (result.scenarios, result.checks, len(result.refused)) == (1, 38, 2)
    assert len(calls) == 3
    lines = details(result)
    assert "mixed: by_hand step 12 (translate): cause is 0x100, must be 0x3" in lines
    assert lines[-1] == "mixed: 2 refused: Capabilities must be without ats, not 0x3822000210"
    assert lines[5:-1] == [f"mixed: {len(result.mismatches) - 5} more mismatches"]


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
        results = [replay_family(GoldenTarget(), *family) for family in read_folder(folder)]
        assert sum(result.scenarios for result in results) > 0
        assert not [line for result in results for line in details(result)]
