from __future__ import annotations

import re

import pytest

from wflow.bundle import lint
from wflow.bundle.rules import RULES


def test_every_rule_has_a_title_a_reason_and_a_way_out():
    assert {name: rule.title for name, rule in RULES.items()} == lint.RULES
    for name, rule in RULES.items():
        assert re.fullmatch(r"WF\d{3}", name)
        assert rule.why.endswith(".")
        assert rule.instead.endswith(".")
        assert not rule.title.endswith(".")


@pytest.mark.parametrize("name", [name for name in RULES if name not in {"WF000", "WF001"}])
def test_the_example_of_a_rule_shows_it_wrong_and_right(name):
    assert RULES[name].wrong
    assert RULES[name].right
    assert RULES[name].wrong != RULES[name].right
