"""What `self.env` says of names that are there, that are not, and that are only declared."""

from __future__ import annotations

import pytest

from wflow.runtime.env import Env

ENV = Env({"GREETING": "hello"}, {"DB": "d1_databases", "GREETING": "vars"})


def test_what_is_held_is_an_attribute_and_an_item():
    assert (ENV.GREETING, ENV["GREETING"], "GREETING" in ENV) == ("hello", "hello", True)


def test_another_name_is_an_error_that_lists_what_there_is():
    with pytest.raises(AttributeError, match="env has no 'KV'; the config declares GREETING"):
        _ = ENV.KV
    with pytest.raises(KeyError, match="env has no 'KV'; the config declares nothing"):
        _ = Env({})["KV"]


def test_a_binding_that_wflow_does_not_serve_is_an_error_that_says_so_when_it_is_used():
    assert "DB" not in ENV
    for use in (lambda: ENV.DB, lambda: ENV["DB"]):
        with pytest.raises(
            (AttributeError, KeyError), match="no 'DB' yet: wflow does not serve `d1_databases`"
        ):
            use()
