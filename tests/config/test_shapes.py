from __future__ import annotations

from wflow.config import rules, shapes


def test_a_rule_says_what_it_takes_and_takes_what_it_took():
    assert shapes.of(rules.whole(1, 5)) == {"type": "integer", "minimum": 1, "maximum": 5}
    assert shapes.of(rules.one_of("a", "b")) == {"enum": ["a", "b"]}
    assert shapes.of(rules.text)["type"] == "string"


def test_of_what_says_nothing_any_value_is_good():
    assert shapes.of(object()) == {}
