"""What a Worker can be asked, over real connections: streams, forms, cookies, other Workers, its failures."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.stories.featured import open_project, open_site
from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.featured import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(open_project(tmp_path_factory.mktemp("worker"), "worker")) as site:
        yield site


def raw(site: Site, request: bytes) -> socket.socket:
    """Send bytes, and give the connection."""
    host, port = site.session.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(request.replace(b"\n", b"\r\n"))
    return connection


def rest_of(connection: socket.socket) -> bytes:
    """Read until the other end hangs up."""
    read = b""
    with connection:
        while piece := connection.recv(65_536):
            read += piece
    return read


def test_a_body_larger_than_what_is_ever_held_passes_through_both_ways(site: Site):
    def body() -> Iterator[bytes]:
        for _ in range(400):
            yield b"a" * 50_000

    answer = site.session.ask("POST", "/sum", content=body())
    assert answer.json() == {"size": 20_000_000, "total": 20_000_000 * ord("a") % 65_521}
    told = site.session.ask("GET", "/stream", params={"n": "20000"})
    assert told.headers["transfer-encoding"] == "chunked"
    assert told.text.splitlines()[-1] == "19999"
    assert site.session.ask("HEAD", "/stream", params={"n": "5"}).content == b""


def test_a_listener_gets_events_one_by_one_and_the_worker_hears_when_it_leaves(site: Site):
    connection = raw(site, b"GET /events HTTP/1.1\nhost: a\n\n")
    read = b""
    while b"id: 3\n" not in read:
        read += connection.recv(4_096)
    assert b"content-type: text/event-stream" in read
    assert site.session.ask("GET", "/pid").status_code == 200, "nobody else waits"
    connection.close()
    wait_for(lambda: "the listener left" in site.world.effects, "the end of the stream")


def test_a_client_that_leaves_before_its_answer_ends_the_handler(site: Site):
    connection = raw(site, b"GET /gone HTTP/1.1\nhost: a\n\n")
    wait_for(lambda: "began" in site.world.effects, "the handler")
    connection.close()
    wait_for(lambda: "cancelled" in site.world.effects, "its end")
    assert "GET /gone 499" in site.session.says("GET /gone")
    assert "CancelledError" not in site.session.err


def test_an_answer_whose_worker_dies_ends_visibly(site: Site):
    before = site.session.ask("GET", "/pid").text
    read = rest_of(raw(site, b"GET /die HTTP/1.1\nhost: a\n\n"))
    assert b"half of it" in read
    assert not read.endswith(b"0\r\n\r\n"), "that would be the end of the body"
    site.session.says("GET /die broke off: the runtime is gone")
    assert "ASGI callable" not in site.session.err
    assert site.session.ask("GET", "/pid").text != before


def test_forms_and_files_come_and_go(site: Site):
    files = {"photo": ("a.txt", b"first", "text/plain")}
    answer = site.session.ask("POST", "/form", data={"name": "ada"}, files=files)
    assert answer.json() == {"name": "ada", "photo": ["a.txt", "first"]}
    assert site.session.ask("POST", "/form", data={"a": "1 2", "b": "é"}).json() == {"a": "1 2", "b": "é"}
    echoed = site.session.ask("GET", "/echo-form")
    again = site.session.ask(
        "POST", "/form", content=echoed.content, headers={"content-type": echoed.headers["content-type"]}
    )
    assert again.json()["name"] == "ada"
    assert again.json()["photo"][0] == "a.png"
    refused = site.session.ask("POST", "/form", content=b"x", headers={"content-type": "text/plain"})
    assert refused.status_code == 500
    assert "Unrecognized Content-Type header value" in refused.text


def test_cookies_come_and_go(site: Site):
    answer = site.session.ask("GET", "/cookies", headers={"cookie": 'a=1; b="x y"; a=2; nothing'})
    assert answer.json() == {"cookies": {"a": "1", "b": "x y"}, "who": True}
    session, theme, old = answer.headers.get_list("set-cookie")
    assert session == 'session="s 1"; HttpOnly; Max-Age=60; Path=/; SameSite=Lax; Secure'
    assert theme == "theme=dark; Path=/; SameSite=Lax"
    assert "Max-Age=0" in old


def test_answers_without_a_body_have_none(site: Site):
    for status, length in ((204, None), (304, None), (205, "0"), (200, "0")):
        answer = site.session.ask("GET", "/empty", params={"status": str(status)})
        assert (answer.status_code, answer.content, answer.headers.get("content-length")) == (
            status,
            b"",
            length,
        )


def test_what_goes_on_after_the_answer_goes_on_through_a_reload(site: Site):
    answer = site.session.ask("GET", "/later")
    assert (answer.text, answer.headers["x-a"]) == ("now", "1")
    said = len(site.session.err)
    site.world.edit("worker.py", "too late to matter", "too late to matter at all")
    site.session.says("Reloaded", after=said)
    wait_for(lambda: "later" in site.world.effects, "what was to go on")
    site.session.says("ValueError: too late to matter")


def test_workers_ask_each_other_and_hear_what_the_other_raises(site: Site):
    told = site.session.ask("GET", "/services").json()
    assert told[:2] == [20, "till: POST a coin"]
    assert told[2] == sum(len(f"{number}\n") for number in range(20_000))
    assert told[3] == "PermissionError: the till is locked"
    assert told[4] == 'InvalidInput: The RPC receiver does not implement the method "nothing".'
    assert told[5] == "InvalidInput: the service 'nobody' is not here"


def test_a_worker_that_asks_itself_for_ever_is_stopped(site: Site):
    answer = site.session.ask("GET", "/loop")
    assert answer.status_code == 500
    assert "Subrequest depth limit exceeded" in answer.text


def test_workflow_code_may_ask_other_workers_and_a_step_may_stream(site: Site):
    id_ = site.session.ask("GET", "/asking").json()
    over = site.end("asking", id_)
    assert over["output"] == [6, {"cookies": {}, "who": False}, "0\n1\n2\n"]


def test_applications_for_asgi_and_wsgi_answer(site: Site):
    answer = site.session.ask("POST", "/asgi", content=b"x" * 200_000)
    assert answer.text == "0:200000:/ 1:200000:/ 2:200000:/ "
    plain = site.session.ask("POST", "/wsgi", content=b"x" * 200_000)
    assert (plain.status_code, plain.text, plain.headers["x-who"]) == (201, "/wsgi 200000", "/")


def test_a_worker_hands_on_what_it_fetches(site: Site):
    answer = site.session.ask("GET", "/proxy", params={"to": f"{site.session.url}/stream?n=3"})
    assert answer.text == "0\n1\n2\n"
    assert len(answer.headers.get_list("date")) == 1


def test_a_websocket_is_refused_in_words(site: Site):
    head = b"GET /x HTTP/1.1\nhost: a\nconnection: upgrade\nupgrade: websocket\n"
    key = b"sec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
    read = rest_of(raw(site, head + key))
    assert read.startswith(b"HTTP/1.1 501")
    assert b"wflow has no WebSockets" in read


def test_what_a_handler_raised_is_a_page_for_browsers_and_text_for_terminals(site: Site):
    text = site.session.ask("GET", "/raise")
    assert text.status_code == 500
    assert text.text.startswith("Traceback (most recent call last):")
    assert text.text.rstrip().endswith("KeyError: '<price>'")
    page = site.session.ask(
        "GET", "/raise?a=<b>", headers={"accept": "text/html,*/*", "authorization": "Bearer hush"}
    )
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "<h1>KeyError</h1>" in page.text
    assert "return Response(order[&quot;&lt;price&gt;&quot;])" in page.text, "the line, and nothing as markup"
    assert "worker.py" in page.text
    assert "hush" not in page.text
    assert json.dumps("<none>")[1:-1] not in page.text
