"""Forms, blobs and files."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.runtime import forms
from wflow.runtime.forms import Blob, File, FormData, parse


def parsed(content_type: str | None, body: bytes) -> FormData:
    async def read() -> bytes:
        return body

    return asyncio.run(parse(content_type, read))


def test_an_urlencoded_form_is_read():
    form = parsed("application/x-www-form-urlencoded; charset=utf-8", b"a=1&a=2&b=%C3%A9+x&c=")
    assert form.items() == [("a", "1"), ("a", "2"), ("b", "é x"), ("c", "")]
    assert (form["a"], form.get_all("a"), form.getAll("z"), form.get("z")) == ("1", ["1", "2"], [], None)


names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\\"),
    min_size=1,
    max_size=8,
)


@given(st.lists(st.tuples(names, st.text(max_size=20) | st.binary(max_size=50)), max_size=5))
def test_what_is_written_is_read_again(fields: list[tuple[str, str | bytes]]):
    form = FormData()
    for name, value in fields:
        form.append(name, value if isinstance(value, str) else File(value, f"{name}.bin", "image/png"))
    again = parsed(form.content_type, form.encode())
    shown = [
        (name, value if isinstance(value, str) else (value.whole, value.content_type))
        for name, value in again.items()
    ]
    quoted = [(name.replace('"', "%22"), value) for name, value in fields]
    assert shown == [
        (name, value if isinstance(value, str) else (value, "image/png")) for name, value in quoted
    ]


def test_a_form_is_a_mapping_of_first_values():
    form = FormData({"a": "1"})
    form.append("a", "2")
    form["b"] = Blob(b"x", "text/plain")
    assert (list(form), len(form), "a" in form, form.has("z")) == (["a", "b"], 2, True, False)
    assert (form["b"].name, form["b"].content_type) == ("blob", "text/plain")
    form.set("a", "3")
    assert form.get_all("a") == ["3"]
    del form["a"]
    form.delete("a")
    assert form.keys() == ["b"]
    with pytest.raises(KeyError):
        del form["a"]
    with pytest.raises(KeyError):
        form["a"]
    with pytest.raises(TypeError, match="text, a Blob or a File, not int"):
        form.append("n", 5)  # type: ignore[arg-type]
    assert form.js_object is form


def test_a_name_with_a_line_break_begins_no_other_header():
    form = FormData()
    form.append('a"\r\nx: y', File(b"", 'f"\r\n.txt'))
    assert b"\r\nx: y" not in form.encode()


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/json"])
def test_a_body_of_another_type_is_no_form(content_type: str | None):
    with pytest.raises(TypeError, match="Unrecognized Content-Type header value"):
        parsed(content_type, b"a=1")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("body", [b"nonsense", b"--x\r\nno header\r\n\r\n--x--"])
def test_a_broken_form_is_a_value_error(content_type: str, body: bytes):
    with pytest.raises(ValueError, match="the body is no form"):
        parsed(content_type, body)


def test_a_form_has_so_many_fields_and_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forms, "FORM_FIELDS", 2)
    form = FormData([("a", "1"), ("b", "2"), ("c", "3")])
    with pytest.raises(ValueError, match="the body is no form: Too many fields"):
        parsed(form.content_type, form.encode())
    with pytest.raises(ValueError, match="fields"):
        parsed("application/x-www-form-urlencoded", b"a=1&" * 5)


def test_the_fields_of_an_urlencoded_form_are_counted_before_one_is_made(monkeypatch: pytest.MonkeyPatch):
    def made(*_: object, **__: object) -> None:
        raise AssertionError("a field was made")

    monkeypatch.setattr(forms, "parse_qsl", made)
    with pytest.raises(ValueError, match="more than 1,000 fields"):
        parsed("application/x-www-form-urlencoded", b"a&" * 1_000_000)


def test_a_type_with_a_line_break_is_none_and_begins_no_other_header():
    form = FormData()
    form.append("f", File(b"x", "a.txt", "text/plain\r\nx-evil: 1"))
    assert b"x-evil" not in form.encode()


def test_blobs_are_made_of_parts_and_cut():
    async def story() -> None:
        blob = Blob(["a", b"b", Blob("c"), memoryview(b"d")], "text/plain")
        assert (blob.size, await blob.text(), await blob.bytes(), blob.type) == (
            4,
            "abcd",
            b"abcd",
            "text/plain",
        )
        assert await blob.slice(1, 3).text() == "bc"
        assert Blob(blob).content_type == "text/plain"
        file = File(blob, "a.txt", last_modified=5)
        assert (file.name, file.last_modified, file.content_type) == ("a.txt", 5, "text/plain")
        assert File(file, "b.txt").last_modified == 5
        assert File("x", "c.txt").last_modified > 5
        assert repr(file) == "File(size=4, content_type='text/plain')"
        assert blob.js_object is blob

    asyncio.run(story())
    wrong: Any = [5]
    with pytest.raises(TypeError, match="not of int"):
        Blob(wrong)
