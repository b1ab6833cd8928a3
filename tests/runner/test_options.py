from __future__ import annotations

import os

import pytest

from wflow.errors import UsageError
from wflow.runner import options


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("2", 2), ("64", 64), ("08", 8)])
def test_a_number_of_processes_is_taken_as_it_is(text, number):
    assert options.processes(text) == number


@pytest.mark.parametrize(("cores", "number"), [(1, 1), (2, 2), (200, options.PROCESSES)])
def test_auto_is_one_a_core_but_no_more_than_may_be(monkeypatch, cores, number):
    monkeypatch.setattr(options, "cores", lambda: cores)
    assert options.processes("auto") == number


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= options.cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("text", ["0", "65", "640", "-1", "+2", "1e1", "two", "AUTO", " 2", "", "²", "٣"])
def test_what_is_no_number_from_1_to_64_is_refused_with_the_number(text):
    with pytest.raises(UsageError, match="is not 1 to 64"):
        options.processes(text)
