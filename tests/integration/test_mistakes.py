"""The mistakes of driver writers, each wrong and corrected, on every kind of machine."""

import runpy
from pathlib import Path

from sim.matrix import cells, run_cell

FOLDER = Path(__file__).parents[2] / "examples/mistakes"
CACHES = ("coherent", "32", "64")


def check_mistake(number):
    """The corrected program is right everywhere; the wrong one differs where theory says."""
    (right,), (wrong,) = (FOLDER.glob(f"m{number:02}_*_{kind}.py") for kind in ("right", "wrong"))
    program = runpy.run_path(str(wrong))
    main, seen = runpy.run_path(str(right))["main"], set()
    images, differs, reports = [], {}, []
    for cell in cells(caches=CACHES):
        outcome = run_cell(main, cell)
        assert not outcome.reports, f"{cell}: {outcome.reports[0]}"
        images.append(outcome.image)
        seen.add(repr(outcome.image))
        assert outcome.image is not None
        wrong_outcome = run_cell(program["main"], cell)
        differs[cell] = wrong_outcome.image != outcome.image
        reports += wrong_outcome.reports
    assert len(seen) == 1
    unexpected = {str(cell): found for cell, found in differs.items()
                  if found != program["differs"](cell)}
    assert not unexpected
    if program["CHECKS"]:
        named = [report for report in reports if report.missing == program["MISSING"]]
        assert {report.check for report in named} >= set(program["CHECKS"])
    else:
        assert not reports
    return reports


def test_m01_unchecked():
    check_mistake(1)


def test_m02_leak():
    check_mistake(2)


def test_m03_size():
    check_mistake(3)


def test_m04_nents():
    check_mistake(4)


def test_m05_count():
    check_mistake(5)


def test_m06_sync_for_cpu():
    check_mistake(6)


def test_m07_sync_for_device():
    check_mistake(7)


def test_m08_owned():
    check_mistake(8)


def test_m09_shared_line():
    check_mistake(9)


def test_m10_stack():
    check_mistake(10)


def test_m11_mask():
    check_mistake(11)


def test_m12_after_unmap():
    check_mistake(12)


def test_m13_wmb():
    check_mistake(13)


def test_m14_doorbell():
    check_mistake(14)


def test_m15_merged():
    check_mistake(15)


def test_m16_bounce_limit():
    check_mistake(16)


def test_m17_double_fetch():
    check_mistake(17)


def test_m18_context():
    check_mistake(18)


def test_m19_pool():
    check_mistake(19)


def test_m20_polling():
    check_mistake(20)


def test_m21_twice():
    check_mistake(21)


def test_m22_skip_sync():
    check_mistake(22)


def test_m23_exposed():
    check_mistake(23)


def test_m24_physical():
    check_mistake(24)
