"""A runner's address."""

from __future__ import annotations

from pathlib import Path

import pytest

from wflow.client.remote import Remote
from wflow.errors import UsageError


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8787",
        "https://runner.example.com/",
        "http://[::1]:8788",
        "https://example.com/wflow",
    ],
)
def test_a_url_is_an_address(url):
    assert Remote(url=url).base == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8787",
        "ftp://a",
        "http://",
        "http://a:99999",
        "http://a:x",
        "http://a?b",
        "http://u:p@a",
        "http://[::1",
    ],
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(UsageError, match="no URL of a runner"):
        Remote(url=url)


def test_a_token_is_never_shown():
    remote = Remote(url="http://a", token="wf_1_secret")
    assert "secret" not in repr(remote)
    assert "secret" not in str(remote)


@pytest.mark.parametrize("token", ["a\nb", "ü", "a\x00"])
def test_a_token_that_cannot_be_sent_is_refused(token):
    with pytest.raises(UsageError, match="the token"):
        Remote(url="http://a", token=token)


def test_what_is_on_this_machine_needs_no_proxy():
    assert Remote(url="http://localhost:1").is_here
    assert Remote(url="http://[::1]:1").is_here
    assert Remote(url="http://runner", socket=Path("/run/wflow.sock")).is_here
    assert not Remote(url="http://runner.example.com").is_here


def test_it_is_named_by_its_url_or_its_socket():
    assert str(Remote(url="http://a/")) == "http://a"
    assert str(Remote(url="http://a", socket=Path("/run/w.sock"))) == "the socket /run/w.sock"
