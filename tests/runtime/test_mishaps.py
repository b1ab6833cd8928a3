"""What is told of an exception that a handler raised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wflow.errors import InvalidInput
from wflow.link import mishap
from wflow.runtime import mishaps, site
from wflow.runtime.http import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__)


@pytest.fixture
def project() -> Iterator[None]:
    """Take this folder for the project."""
    site.seen_from(HERE.parent)
    yield
    site.seen_from(Path("/nowhere"))


def fail(error: Exception) -> None:
    raise error  # this line


def caught(error: Exception) -> Exception:
    with pytest.raises(type(error)) as raised:
        fail(error)
    return raised.value


@pytest.mark.usefixtures("project")
def test_it_has_the_place_with_the_lines_around_it():
    told = mishaps.of(caught(KeyError("price")))
    assert (told.name, told.message) == ("KeyError", "'price'")
    place = told.places[-1]
    assert (place.file, place.function, place.own) == (HERE.name, "fail", True)
    assert dict(place.lines)[place.line] == "    raise error  # this line"
    assert len(place.lines) == 2 * mishaps.AROUND + 1
    assert mishap.decode(mishap.encode(told)) == told


@pytest.mark.usefixtures("project")
def test_wflows_own_places_are_left_out():
    try:
        Response({"a": 1})
    except TypeError as error:
        told = mishaps.of(error)
    assert [place.file for place in told.places] == [HERE.name]


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (InvalidInput("no", hint="do otherwise"), "do otherwise"),
        (TypeError("fetch must return a Response, not str"), "end every way"),
        (NotImplementedError(), "async def fetch"),
        (ModuleNotFoundError("No module named 'x'"), "install it"),
        (TypeError("'coroutine' object is not subscriptable"), "`await`"),
        (ValueError("anything"), None),
    ],
)
def test_it_has_a_hint_where_one_is_known(error: Exception, hint: str | None):
    told = mishaps.of(error).hint
    assert told is None if hint is None else told is not None and hint in told


def test_an_exception_that_fails_when_it_is_looked_at_is_told_all_the_same():
    class Spiteful(Exception):
        def __str__(self) -> str:
            raise RuntimeError("never")

        @property
        def __traceback__(self) -> None:  # type: ignore[override]
            raise RuntimeError("never")

    assert mishaps.of(Spiteful()).name.endswith("Spiteful")


def test_what_crosses_to_another_worker_says_nothing_of_where_it_came_from():
    told = mishaps.of(caught(ValueError("no")))
    assert (told.failure.trace, told.failure.notes) == ("", [])
