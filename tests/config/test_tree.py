from __future__ import annotations

import pytest

from wflow.config.tree import parse, printable, show_place, show_value
from wflow.errors import ConfigError


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, "wflow.toml")
    return caught.value


def test_every_value_knows_its_place_and_line():
    node = parse("\n[[w]]\nn = 'a'", "wflow.toml").table["w"].array[0].table["n"]
    assert (node.place, node.line, node.value) == (("w", 0, "n"), 3, "a")


def test_a_plain_value_has_no_keys_and_no_elements():
    node = parse("a = 1", "wflow.toml").table["a"]
    assert (node.table, node.array) == ({}, [])


def test_a_comment_of_another_language_is_told_with_line_column_and_text():
    error = refusal("[workflows.concurrency]\n\n\tconcurrency = 50000 // at most\n")
    assert error.message == (
        "`wflow.toml` is not valid TOML\n"
        "\n"
        "  wflow.toml:3:22   Expected newline or end of document after a statement\n"
        "\n"
        "     concurrency = 50000 // at most\n"
        "                         ^"
    )
    assert error.hint == "a comment in TOML begins with `#`"


def test_an_array_that_does_not_end_is_told_at_the_end():
    assert refusal("a = 1\nb = [1,\n\n").message == (
        "`wflow.toml` is not valid TOML\n"
        "\n"
        "  wflow.toml:2:8   Invalid value, at the end of the file\n"
        "\n"
        "    b = [1,\n"
        "           ^"
    )


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a = 1\na = 2", ":2:"),
        ("[a]\n[b]\n[a]", ":3:"),
        ("a = {b = 1, b = 2}", ":1:"),
        ("a=1\n\nb=2020-13-45", ":3:"),
    ],
)
def test_a_mistake_is_told_on_its_line(text: str, where: str):
    assert f"wflow.toml{where}" in refusal(text).message


def test_a_long_line_is_shown_where_it_breaks():
    shown, pointer = refusal(f'a = "{"x" * 5_000}" b = 1').message.splitlines()[-2:]
    assert len(shown) < 120
    assert shown[: len(pointer)].endswith('x" b')


def test_a_terminal_is_not_commanded():
    assert "\x1b" not in refusal("a = \x1b[31m").message
    assert printable("a\x1b[2Jb\x9b") == "a?[2Jb?"


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5_000, f"[{'.'.join('a' * 200)}]", f"[{'.'.join('a' * 2_000)}]"]
)
def test_endless_nesting_is_refused(text: str):
    assert "wflow.toml" in refusal(text).message


def test_tables_nest_a_hundred_deep():
    parse(f"[{'.'.join('a' * 99)}]\nx = 1", "wflow.toml")
    header = f"[{'.'.join('a' * 100)}]"
    assert refusal(f"{header}\nx = 1").message == "`wflow.toml` nests its tables more than 100 deep"


def test_a_number_of_a_million_digits_is_refused():
    assert "wflow.toml" in refusal(f"a = {'9' * 1_000_000}").message


def test_places_are_written_as_people_write_them():
    assert show_place(("workflows", 1, "concurrency", "limit")) == "workflows[1].concurrency.limit"
    assert show_place(("vars", "a b", "c.d", "", "\x1b")) == 'vars."a b"."c.d".""."\\u001b"'


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (3, "3"), (1.5, "1.5"), ('a"b\n', '"a\\"b\\n"'), ({}, "a table"), ([], "an array")],
)
def test_values_are_shown_in_the_spelling_of_toml(value: object, shown: str):
    assert show_value(value) == shown


def test_long_values_are_cut():
    assert show_value("x" * 100) == f'"{"x" * 56}...'
