"""What a dev session shows of a handler that raised."""

from __future__ import annotations

import pytest

from wflow.engine.outcome import Failure
from wflow.link import mishap
from wflow.link.mishap import Mishap, Place
from wflow.server import mishaps
from wflow.server.auth import LoopbackAuth
from wflow.server.front import RUNNER, SORRY
from wflow.wire.types import HttpAnswer, HttpRequest

EVIL = "<script>alert('x')</script>"
TOLD = Mishap(
    [
        Place("src/worker.py", 7, "fetch", True, [(6, "async def fetch(self):"), (7, f"    return {EVIL}")]),
        Place("lib/x.py", 3, "inner", False, []),
    ],
    "write it <b>otherwise</b>",
    Failure("ValueError", f"no {EVIL}"),
)
FAILED = HttpAnswer(
    status=500,
    headers=[("content-type", "text/plain")],
    body=b"Traceback\nValueError\n",
    mishap=mishap.encode(TOLD),
)


def test_nothing_that_the_program_says_is_taken_for_markup():
    headers = [("x-evil", EVIL), ("cookie", "session=hush"), ("x-long", "y" * 5_000)]
    request = HttpRequest(method="GET", url=f"http://a/{EVIL}", headers=headers, body=b"")
    page = mishaps.page(TOLD, request).decode()
    assert "<script" not in page
    assert "<b>" not in page
    assert page.count("&lt;script&gt;") >= 4
    assert "hush" not in page
    assert "y" * 501 not in page
    assert "<details open><summary>src/worker.py:7" in page, "the project's own line is open"
    assert '<div class=at><span class="number">7</span>' in page


def test_a_mishap_without_anything_is_a_page_too():
    empty = Mishap([], None, Failure("E", ""))
    request = HttpRequest(method="GET", url="http://a/", headers=[], body=b"")
    assert b"<h1>E</h1>" in mishaps.page(empty, request)
    assert mishaps.text(empty, b"Traceback\n") == b"Traceback\n"


@pytest.mark.parametrize(
    ("accept", "kind", "told"),
    [
        ("text/html,application/xhtml+xml", "text/html; charset=utf-8", "<h1>ValueError</h1>"),
        ("*/*", "text/plain", "Traceback\nValueError\n\nhint: write it <b>otherwise</b>\n"),
        ("application/json", "text/plain", "hint: write it"),
    ],
)
def test_a_browser_gets_a_page_and_a_terminal_text(house, accept, kind, told):
    house.host.answer = lambda _: FAILED
    answer = house.ask("GET", "/", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (500, kind)
    assert told in answer.text


def test_on_a_runner_a_visitor_sees_nothing_of_it(house):
    house.open(LoopbackAuth(), RUNNER)
    house.run(house.host.deploy("shop", b"", digest="", message="", author=""))
    house.host.answer = lambda _: FAILED
    for accept in ("text/html", "*/*"):
        answer = house.ask("GET", "/", headers={"accept": accept})
        assert (answer.status_code, answer.content) == (500, SORRY)


def test_what_makes_no_sense_is_shown_as_it_is(house):
    house.host.answer = lambda _: HttpAnswer(status=500, headers=[], body=b"raw", mishap=b"\xc1nonsense")
    assert house.ask("GET", "/").content == SORRY
