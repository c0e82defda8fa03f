"""Every rule, check and mistake has a test."""

from pathlib import Path

from tests.rules.__main__ import proofs, uses
from tests.rules.functions import FUNCTIONS
from tests.rules.titles import TITLES


def test_every_number_has_a_test_and_none_is_unknown():
    found = {number for number, _ in proofs(Path(__file__).parents[1])}
    assert found == set(TITLES)
    assert len(TITLES) == 131 + 28 + 16 + 24


def test_every_function_has_a_test_besides_the_table():
    assert {name for name, _ in uses(Path(__file__).parents[1])} == set(FUNCTIONS)
