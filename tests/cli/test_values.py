from __future__ import annotations

import pytest

from wflow.cli import values
from wflow.errors import UsageError


def test_json_is_read():
    assert values.read('{"a": [1, 2.5, null, "ü"]}', "the params") == {"a": [1, 2.5, None, "ü"]}


def test_what_is_no_json_is_shown_with_a_finger_on_the_place():
    with pytest.raises(UsageError) as refused:
        values.read('{"a": 1, b: 2}', "the params")
    message, text, finger = [line for line in refused.value.message.split("\n") if line]
    assert message.startswith("cannot read the params as JSON: ")
    assert message.endswith("at line 1, column 10")
    assert text[finger.index("^")] == "b"


def test_only_the_neighbourhood_of_the_place_is_shown():
    with pytest.raises(UsageError) as refused:
        values.read('["' + "x" * 1_000 + '", oops, "' + "y" * 1_000 + '"]', "the params")
    _, text, finger = [line for line in refused.value.message.split("\n") if line]
    assert len(text) < 100
    assert text[finger.index("^") :].startswith("oops")


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "[" * 100_000])
def test_what_python_reads_but_json_has_not_is_refused(text):
    with pytest.raises(UsageError, match="cannot read the params as JSON"):
        values.read(text, "the params")


def test_a_long_value_is_cut_and_says_so():
    assert values.short({"a": "ü"}, 100) == '{"a": "ü"}'
    assert values.short("x" * 10, 5) == '"xxxx[...output truncated]'
