from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.config.jsonc import parse
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from wflow.config.tree import Node

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def plain(node: Node) -> Any:
    match node.value:
        case dict() as table:
            return {name: plain(child) for name, child in table.items()}
        case list() as array:
            return [plain(child) for child in array]
    return node.value


def lines(node: Node) -> dict[tuple[str | int, ...], int | None]:
    inner = [*node.table.values(), *node.array]
    return {node.place: node.line} | {place: line for child in inner for place, line in lines(child).items()}


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "wrangler.jsonc")
    return caught.value.message


@given(st.dictionaries(st.text(), VALUES), st.sampled_from([{}, {"indent": 2, "ensure_ascii": False}]))
def test_json_is_read_as_the_standard_library_reads_it(value: dict[str, Any], way: dict[str, Any]):
    assert plain(parse(json.dumps(value, **way), "x.json")) == value


def test_comments_and_trailing_commas_are_passed_over():
    text = """\
    // first
    {
      /* "a": 0, // not this
      */ "a": 1, // "b": 2
      "url": "https://x//y", /**/
      "list": [1, /* two */ 2,],
      "empty": [ /* nothing */ ],
      "none": { // nothing
      },
    }
    // last"""
    assert plain(parse(text, "x")) == {"a": 1, "url": "https://x//y", "list": [1, 2], "empty": [], "none": {}}


def test_every_value_knows_the_line_of_its_key_and_every_element_its_own():
    text = '{\n"a": 1,\n"b":\n{\n"c": [\n1,\r\n{ "d": 2 }\n]\n}\n}'
    assert lines(parse(text, "x")) == {
        (): 1,
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 5,
        ("b", "c", 0): 6,
        ("b", "c", 1): 7,
        ("b", "c", 1, "d"): 7,
    }


def test_a_broken_file_is_shown_where_it_breaks():
    text = textwrap.dedent("""\
        {
          "name": "shop",
          "main" "src/worker.py"
        }
        """)
    assert refusal(text) == (
        "`wrangler.jsonc` is not valid JSON\n\n"
        "  wrangler.jsonc:3:10   expected `:`\n\n"
        '      "main" "src/worker.py"\n'
        "             ^"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "1:1   expected `{`: the file is one object"),
        ("", "1:1   expected `{`: the file is one object, at the end of the file"),
        ("{} {}", "1:4   expected the end of the file"),
        ('{"a": 1\n "b": 2}', "2:2   expected `,` or `}`"),
        ('{"a": [1 2]}', "1:10   expected `,` or `]`"),
        ('{"a": [1, 2', "1:12   expected `,` or `]`, at the end of the file"),
        ("{", "1:2   expected a key in double quotes, or `}`, at the end of the file"),
        ("{a: 1}", "1:2   expected a key in double quotes, or `}`"),
        ("{'a': 1}", "1:2   expected a key in double quotes, or `}`"),
        ("{,}", "1:2   expected a key in double quotes, or `}`"),
        ('{"a": [,]}', "1:8   expected a value: text in double quotes"),
        ('{"a": yes}', "1:7   expected a value: text in double quotes"),
        ('{"a": True}', "1:7   expected a value"),
        ('{"a": }', "1:7   expected a value"),
        ('{"a":\n', "1:6   expected a value: text in double quotes, a number, true, false, null, `[` or"),
        ('{"a": "b\n"}', "1:7   the text that begins here does not end on its line"),
        ('{"a": "\\x"}', "1:7   the text that begins here does not end on its line, or has a wrong"),
        ('{"a": "\\ud800"}', "1:7   this is no Unicode: it has a lone surrogate"),
        ('{"a": 01}', "1:7   this is no number"),
        ('{"a": 1.}', "1:7   this is no number"),
        ('{"a": -}', "1:7   this is no number"),
        ('{"a": +1}', "1:7   expected a value"),
        ('{"a": 0x10}', "1:7   this is no number"),
        ('{"a": ' + "9" * 401 + "}", "1:7   this is no number"),
        ('{"a": NaN}', "1:7   expected a value"),
        ('{"a": 1, "b": 2, "a": 3}', '1:18   the key "a" stands there twice'),
        ('{"a": 1} /* what', "1:10   the comment that begins here does not end"),
        ('{"a": 1 # what\n}', "1:9   expected `,` or `}`"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_its_place(text: str, told: str):
    assert f"  wrangler.jsonc:{told}" in refusal(text)


def test_it_may_nest_100_levels_deep_and_no_deeper():
    deep = '{"a":' + "[" * 99 + "]" * 99 + "}"
    assert parse(deep, "x").table["a"].array
    assert (
        refusal('{"a":' + "[" * 101 + "]" * 101 + "}")
        == "`wrangler.jsonc` nests its objects more than 100 deep"
    )


@given(st.text(alphabet='{}[]":,/*\\ \n01eE.+-truefalsn"a', max_size=40) | st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str):
    told = ""
    try:
        parse("{" + text + "}", "x.jsonc")
    except ConfigError as error:
        told = error.message
    assert told.replace("\n", "").isprintable()
