from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from wflow.config import rules
from wflow.config.keys import key, read, suggestion, table, tables
from wflow.config.report import WRONG, Report
from wflow.config.tree import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    name: str = field(metadata=key(rules.text, example='e.g. "oak"'))
    height: int = field(default=3, metadata=key(rules.whole(1, 9), at="size.height", alias="size.tall"))
    computed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Garden:
    plants: tuple[Plant, ...] = field(default=(), metadata=key(tables(Plant)))
    tree: Plant | None = field(default=None, metadata=key(table(Plant)))


def garden(text: str) -> tuple[object, Report]:
    report = Report("f", ("gate",))
    return read(Garden, parse(text, "f"), report, also=("gate",)), report


def problem(text: str) -> str:
    values, report = garden(text)
    assert values is WRONG
    return report.error().message.split("\n\n  ")[1]


def test_a_field_is_a_key_and_nested_tables_are_dataclasses():
    values, report = garden(
        "[tree]\nname = 'a'\n[[plants]]\nname = 'b'\nsize.height = 4\n[[plants]]\nname = 'c'"
    )
    assert not report
    assert values == {
        "tree": Plant(name="a"),
        "plants": (Plant(name="b", height=4), Plant(name="c")),
    }


def test_what_is_absent_is_left_out():
    assert garden("")[0] == {}


def test_an_alias_is_read_with_a_note():
    values, report = garden("[tree]\nname = 'a'\nsize.tall = 5")
    assert values == {"tree": Plant(name="a", height=5)}
    assert report.notes() == ("f:3 tree.size.tall: read as `size.height`",)


def test_an_alias_that_says_the_same_is_fine():
    assert garden("[tree]\nname = 'a'\nsize = {tall = 5, height = 5}")[0] == {
        "tree": Plant(name="a", height=5)
    }


def test_keys_read_elsewhere_are_left_alone():
    assert garden("gate = 1")[0] == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tree]", 'f:1   tree.name: missing (e.g. "oak")'),
        ("[tree]\nname = 1", "f:2   tree.name: must be a string of 1-1,024 printable characters, not 1"),
        ("tree = 1", "f:1   tree: must be a table, not 1"),
        ("[plants]\n", "f:1   plants: must be an array of tables: write `[[plants]]` above its keys"),
        ("plants = [1]", "f:1   plants[0]: must be a table, not 1"),
        (
            "tree = {name='a', size=5}",
            "f:1   tree.size: must be a table, such as `size = { height = ... }`, not 5",
        ),
        ("tree = {name='a', size={tall=1,height=2}}", "f:1   tree.size.tall: is 1, but `size.height` is 2"),
        ("[tree]\nname = 'a'\nsize.higth = 1", "f:3   tree.size.higth: unknown key (did you mean `height`?)"),
        ("[tree]\nname = 'a'\ncomputed = 1", "f:3   tree.computed: unknown key (known keys: name, size)"),
        ("zzz = 1", "f:1   zzz: unknown key (known keys: plants, tree, gate)"),
        (
            "[tree]\nname = 'a'\ngate = 1",
            "f:3   tree.gate: unknown key (it belongs to the top of the file, above the first `[table]`)",
        ),
    ],
)
def test_a_wrong_table_is_told(text: str, told: str):
    assert problem(text) == told


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("clas", "class_name"),
        ("className", "class_name"),
        ("Class-Name", "class_name"),
        ("biding", "binding"),
        ("q", None),
    ],
)
def test_a_near_key_is_suggested(written: str, meant: str | None):
    assert suggestion(written, ["binding", "class_name"]) == meant
