"""Functions of the user's that get, by name, what they take of what is there."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from wflow.errors import InvalidInput
from wflow.runtime.named import picked, taken

OFFERED = ("ctx", "error", "output")


class Handler:
    def method(self, output, ctx):
        pass

    def __call__(self, error):
        pass


def by_name_only(*, error):
    pass


def with_more(output, amount=5, *rest):
    pass


def anything(**all_of_it):
    pass


def nothing():
    pass


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (nothing, ()),
        (by_name_only, ("error",)),
        (with_more, ("output",)),
        (anything, OFFERED),
        (Handler().method, ("output", "ctx")),
        (Handler(), ("error",)),
        (functools.partial(with_more, amount=6), ("output",)),
        (functools.partial(Handler().method, 7), ("ctx",)),
        (lambda ctx=None: ctx, ("ctx",)),
        (dict, ()),
        (min, ()),
    ],
)
def test_it_is_known_what_a_function_takes(function, wanted):
    assert taken(function, OFFERED, what="rollback") == wanted


@pytest.mark.parametrize("function", [lambda amount: amount, lambda error, /: error, lambda *, step: step])
def test_a_function_that_takes_what_there_is_not_is_refused_with_what_there_is(function):
    with pytest.raises(
        InvalidInput, match=r"rollback takes a parameter '\w+'; it can have ctx, error, output"
    ):
        taken(function, OFFERED, what="rollback")


@pytest.mark.parametrize("function", [5, "undo", None])
def test_what_is_no_function_is_refused(function: Any):
    with pytest.raises(InvalidInput, match="rollback must be a function, not"):
        taken(function, OFFERED, what="rollback")


def test_what_is_wanted_is_picked():
    assert picked(("error",), {"error": 1, "output": 2}) == {"error": 1}
