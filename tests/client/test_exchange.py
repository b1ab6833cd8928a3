"""One request and its answer, and all that can go wrong."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from tests.server.live import Live
from wflow.client import api, exchange
from wflow.client.api import Remote
from wflow.client.exchange import path_of
from wflow.errors import LoadError, RunnerError, Unreachable, UsageError

GOOD = b'{"success": true, "errors": [], "messages": [], "result": []}'
HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json"}


def ask(url, **more):
    with api.connect(Remote(url=url, **more)) as asking:
        return asking.tokens.list()


@pytest.fixture
def nobody():
    """The URL of a port where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_where_nobody_listens_is_unreachable(nobody):
    with pytest.raises(Unreachable) as caught:
        ask(nobody, hint="start it")
    assert caught.value.message.startswith(f"nothing answers at {nobody} (")
    assert caught.value.hint == "start it"


def test_an_address_that_does_not_exist_is_unreachable(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Unreachable):
        ask("http://nobody.invalid:1")


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(script, monkeypatch, nobody):
    monkeypatch.setenv("HTTP_PROXY", nobody)
    monkeypatch.setenv("ALL_PROXY", nobody)
    assert ask(script((200, JSON, GOOD)).url) == []


def test_a_peer_that_hangs_up_is_unreachable(script):
    with pytest.raises(Unreachable, match=r"the connection to .* broke"):
        ask(script((200, {"content-length": "99"}, b"{")).url)


def test_a_peer_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(exchange, "ANSWER_S", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        asking = api.connect(Remote(url=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        with asking, pytest.raises(Unreachable, match="took too long"):
            asking.scripts.exchange.ask("GET", "/x", timeout_s=0.05)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((502, HTML, b"<html>Bad Gateway"), "answered 502 with text/html"),
        ((200, HTML, b"<html>Welcome"), "answered 200 with text/html"),
        ((200, JSON, b'{"status": "ok"}'), "answered 200 with application/json"),
        ((200, JSON, b'{"success": false, "errors": []}'), "answered 200"),
        ((404, {}, b""), "answered 404 with nothing"),
    ],
)
def test_whoever_is_no_runner_is_told_apart(script, answer, said):
    with pytest.raises(RunnerError, match=said) as caught:
        ask(script(answer).url)
    assert caught.value.status == answer[0]
    assert "is this a runner's URL" in str(caught.value.hint)


def test_a_redirect_is_not_followed_with_the_token(script):
    elsewhere = script()
    server = script((301, {"location": f"{elsewhere.url}/x"}, b""))
    with pytest.raises(RunnerError, match="answered 301") as caught:
        ask(server.url, token="wf_1_secret")
    assert elsewhere.url in str(caught.value.hint)
    assert elsewhere.asked == []


def test_the_token_goes_with_each_request(script):
    server = script((200, JSON, GOOD))
    ask(server.url, token="wf_1_secret")
    ((method, path, headers),) = server.asked
    assert (method, path) == ("GET", "/client/v4/accounts/local/tokens")
    assert headers["authorization"] == "Bearer wf_1_secret"


def test_a_refusal_keeps_message_hint_status_and_number(script):
    body = b'{"success": false, "errors": [{"code": 9109, "message": "no", "hint": "ask"}], "result": null}'
    with pytest.raises(RunnerError) as caught:
        ask(script((403, JSON, body)).url)
    error = caught.value
    assert (error.message, error.hint, error.status, error.number) == ("no", "ask", 403, 9109)


def test_a_failure_of_the_runner_names_the_request(script):
    body = b'{"success": false, "errors": [{"code": 10001, "message": "internal error"}]}'
    with pytest.raises(RunnerError) as caught:
        ask(script((500, {**JSON, "x-request-id": "abc"}, body)).url)
    assert caught.value.hint == "request id abc"


def test_code_that_does_not_load_brings_its_traceback_back(live):
    live.host.refuses = LoadError("no module x", trace="Traceback", file="a.py", line=3)
    with api.connect(Remote(url=live.url)) as asking, pytest.raises(LoadError) as caught:
        asking.scripts.deploy("shop", b"bundle", digest="sha256:1")
    error = caught.value
    assert (error.message, error.trace, error.file, error.line) == ("no module x", "Traceback", "a.py", 3)


def test_an_answer_of_another_shape_is_told(script):
    body = GOOD.replace(b"[]}", b'"text"}')
    with pytest.raises(RunnerError, match="not of the expected shape"):
        ask(script((200, JSON, body)).url)


def test_a_url_may_have_a_path_in_front(script):
    server = script((200, JSON, GOOD))
    ask(f"{server.url}/behind/")
    assert server.asked[0][1] == "/behind/client/v4/accounts/local/tokens"


@pytest.fixture
def folder():
    """A folder with a short name: the path of a socket has 104 bytes at the most."""
    with tempfile.TemporaryDirectory() as short:
        yield Path(short)


def test_a_runner_is_reached_through_a_unix_socket(folder, tmp_path):
    live = Live(tmp_path / "data", unix=folder / "s")
    try:
        with api.connect(Remote(url="http://localhost", socket=folder / "s")) as asking:
            assert asking.verify()["name"] == "local"
    finally:
        live.close()


# httpcore does not close a unix socket that it could not connect.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_a_socket_that_is_gone_is_unreachable(folder):
    gone = Remote(url="http://localhost", socket=folder / "gone")
    with api.connect(gone) as asking, pytest.raises(Unreachable, match="nothing answers at the socket"):
        asking.verify()


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_would_climb_out_of_the_path_is_no_name(name):
    with pytest.raises(UsageError, match="is no name"):
        path_of("accounts", name)


def test_names_are_quoted():
    assert path_of("a/b", "c d", "ü?#%") == "/a%2Fb/c%20d/%C3%BC%3F%23%25"


def test_what_is_no_json_is_not_sent(live):
    with api.connect(Remote(url=live.url)) as asking:
        with pytest.raises(UsageError, match="cannot be sent as JSON"):
            asking.instances.create("orders", object())
        with pytest.raises(UsageError, match="cannot be sent as JSON"):
            asking.instances.create("orders", "\ud800")
