from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.config.lines import Place, locate

DECOYS = [
    "",
    "# name = 1",
    '# [[workflows]] """',
    "x9 = '''\n[[workflows]]\nname = 1\n'''",
    'x9 = """\\"""\n[dev] # "" \n"""""',
    "x9 = [ # ]\n  1, [2,\n 3], { a = ']' },\n]",
]


def test_keys_stand_where_they_are_written():
    text = """\
name = "x" # not here: main = 1

[[workflows]]
binding = "A"
[workflows.concurrency]
limit = 1

[[workflows]]
limits.steps = 5
default_retention = { success_retention = 1, error_retention = 2 }
"""
    assert locate(text) == {
        ("name",): 1,
        ("workflows",): 3,
        ("workflows", 0): 3,
        ("workflows", 0, "binding"): 4,
        ("workflows", 0, "concurrency"): 5,
        ("workflows", 0, "concurrency", "limit"): 6,
        ("workflows", 1): 8,
        ("workflows", 1, "limits"): 9,
        ("workflows", 1, "limits", "steps"): 9,
        ("workflows", 1, "default_retention"): 10,
        ("workflows", 1, "default_retention", "success_retention"): 10,
        ("workflows", 1, "default_retention", "error_retention"): 10,
    }


def test_a_multi_line_string_hides_what_is_in_it():
    lines = locate('a = """\n[b]\nc = 1 \\""" """\nd = \'\'\'\n[e]\n\'\'\'\'\'\nf = 1')
    assert lines == {("a",): 1, ("d",): 4, ("f",): 7}


def test_elements_of_an_array_have_lines():
    lines = locate("a = [\n  1, # ]\n  { b = 2 },\n  [\n 3],\n]\nc = 1")
    assert lines == {
        ("a",): 1,
        ("a", 0): 2,
        ("a", 1): 3,
        ("a", 1, "b"): 3,
        ("a", 2): 4,
        ("a", 2, 0): 5,
        ("c",): 7,
    }


def test_arrays_of_tables_nest():
    lines = locate("[[a]]\n[[a.b]]\n[[a.b]]\nx = 1\n[[a]]\n[[a.b]]\n[a.b.c]")
    assert lines["a", 0, "b", 1, "x"] == 4
    assert lines["a", 1, "b", 0] == 6
    assert lines["a", 1, "b", 0, "c"] == 7


def test_a_tables_own_header_wins_over_a_mention():
    assert locate("[a.b]\n[a]\n")["a",] == 2


@pytest.mark.parametrize("key", ['"a.b"', "'a.b'", r'"a\u002Eb"', r'"\U00000061.b"'])
def test_a_quoted_key_is_one_key(key: str):
    assert locate(f"\n{key} . c = 1") == {("a.b",): 2, ("a.b", "c"): 2}


def test_windows_line_ends_count_once():
    assert locate("a = 1\r\n\r\n[b]\r\nc = 2\r\n")["b", "c"] == 4


def test_the_map_ends_where_the_text_makes_no_sense():
    assert locate("a = 1\n= 2\nb = 3") == {("a",): 1}


@given(st.text(alphabet="ab.=[]{}\"'\\#,\n 1"))
def test_no_text_makes_it_raise(text: str):
    locate(text)


def test_deep_nesting_ends_the_map():
    assert locate("a = " + "[" * 10_000)["a",] == 1


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Place, int]]:
    """Write a config line by line, noting what was written where."""
    rows: list[str] = []
    expected: dict[Place, int] = {}
    fresh = iter(range(1_000))

    def say(text: str, *places: Place) -> None:
        for place in places:
            expected[place] = sum(row.count("\n") + 1 for row in rows) + 1
        rows.append(text)

    def body(table: Place) -> None:
        for kind in draw(st.lists(st.sampled_from(["plain", "dotted", "inline", "decoy"]), max_size=4)):
            key = f"k{next(fresh)}"
            if kind == "plain":
                value = draw(st.sampled_from(["1", '"#"', "'[x]'", "[]", "07:32:00"]))
                say(f"{key} = {value}", (*table, key))
            elif kind == "dotted":
                say(f'{key} . "d e" = 1', (*table, key), (*table, key, "d e"))
            elif kind == "inline":
                say(f"{key} = {{ a = 1, b = {{ }} }}", (*table, key), (*table, key, "a"), (*table, key, "b"))
            else:
                noise = draw(st.sampled_from(DECOYS))
                say(noise.replace("x9", key))

    body(())
    for index in range(draw(st.integers(0, 3))):
        say("[[ workflows ]] # one more", ("workflows", index))
        body(("workflows", index))
        if draw(st.booleans()):
            say(" [workflows.concurrency]", ("workflows", index, "concurrency"))
            body(("workflows", index, "concurrency"))
    say("[env.'a b'.vars]", ("env", "a b", "vars"))
    body(("env", "a b", "vars"))
    return draw(st.sampled_from(["\n", "\r\n"])).join(rows), expected


@given(documents())
def test_every_key_of_a_written_config_is_on_its_line(document: tuple[str, dict[Place, int]]):
    text, expected = document
    found = locate(text)
    assert {place: found.get(place) for place in expected} == expected
    assert set(places(tomllib.loads(text), ())) == set(found)


def places(value: object, place: Place) -> list[Place]:
    """Every place in what the standard parser made of a text."""
    children: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    here = [place] if place else []
    return here + [found for key, child in children for found in places(child, (*place, key))]
