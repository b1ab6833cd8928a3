from __future__ import annotations

from wflow.cli import credentials


def test_logging_out_forgets_the_token(wflow, logged_in):
    ran = wflow("logout")
    assert (ran.code, ran.out) == (0, "")
    assert "Logged out" in ran.err
    assert credentials.read() is None


def test_logging_out_twice_is_no_error(wflow):
    ran = wflow("logout")
    assert (ran.code, ran.err) == (0, "You were not logged in.\n")
