"""The mistakes of driver writers, each wrong and corrected, on every kind of machine.

A wrong program differs from the corrected one in exactly the cells that theory predicts, and in
each of them a checker names the call that is missing.
"""

import runpy
from pathlib import Path

import pytest

from sim.matrix import CACHES, PATHS, Cell, cells, run_cell

FOLDER = Path(__file__).parents[2] / "examples/mistakes"
#: CPU and device race: on the RTL, the cycle decides whether the wrong program's image differs.
RACES = 13, 14


def load(number):
    """The wrong program's file, and the corrected one's."""
    return [runpy.run_path(str(path)) for kind in ("wrong", "right")
            for path in FOLDER.glob(f"m{number:02}_*_{kind}.py")]


def check_cell(program, cell, good, bad, *, race=False):
    """In this cell, the corrected program is right, and the wrong one is what it should be."""
    assert not good.reports, f"{cell}: {good.reports[0]}"
    assert good.image is not None
    assert race or (bad.image != good.image) == program["differs"](cell), cell
    named = {report.check for report in bad.reports if report.missing == program["MISSING"]}
    if program["differs"](cell):
        assert named & set(program["CHECKS"]), f"{cell}: {bad.checks}"
    return named


def check_mistake(number, caches=CACHES):
    """All cells of the golden model."""
    program, right = load(number)
    named, images = set(), []
    for cell in cells(caches=caches):
        good, bad = run_cell(right["main"], cell), run_cell(program["main"], cell)
        named |= check_cell(program, cell, good, bad)
        images.append(good.image)
        assert good.image == images[0], cell
    assert named >= set(program["CHECKS"])


def test_m01_unchecked():
    check_mistake(1)


def test_m02_leak():
    check_mistake(2, caches=("coherent", "64"))     # to fill bounce memory takes time


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


def on_rtl(number, cell, machines):
    """Run on the RTL, too: the same images, and the same reports."""
    program, right = load(number)
    race, golden = number in RACES, Cell(cell.path, cell.cache)
    (good, good_model), (bad, bad_model) = (
        [run_cell(main["main"], where, machines=machines) for where in (cell, golden)]
        for main in (right, program))
    check_cell(program, cell, good, bad, race=race)
    assert good.image == good_model.image and bad.checks == bad_model.checks
    assert race or bad.image == bad_model.image


@pytest.mark.parametrize("number", [1, 3, 6, 7, 8, 9, 12, 13, 15, 19, 22, 23])
def test_wrong_and_reported_on_rtl(machines, number):
    """Each kind of damage in one cell: stale, lost, torn or refused data, and other's memory."""
    on_rtl(number, Cell("direct" if number == 15 else "strict", "64", "rtl"), machines)


@pytest.mark.parametrize("number", [3, 6, 8, 17, 22])
def test_what_a_coherent_rtl_hides(machines, number):
    """Devices see the cache: only what has nothing to do with it goes wrong, as on the model."""
    on_rtl(number, Cell("strict", "coherent", "rtl"), machines)


@pytest.mark.deep
@pytest.mark.parametrize("number", range(1, 25))
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("cache", ["coherent", "16", "64"])
def test_wrong_and_reported_on_every_rtl(machines, number, path, cache):
    on_rtl(number, Cell(path, cache, "rtl"), machines)
