"""The histories of instances, against the real API and against servers that break off."""

from __future__ import annotations

import pytest

from wflow.client.api import Remote, connect
from wflow.engine import values
from wflow.engine.facts import Moved, Settled
from wflow.engine.outcome import Ok
from wflow.errors import RunnerError, Unreachable
from wflow.wire import history

DONE = Settled("fetch-1", "do", 5, Ok(values.encode({"card": "4111", "sum": 12})), b"", 1, 1, 1)


def export(url, id_="a", **more):
    with connect(Remote(url=url)) as asking, asking.histories.export("orders", id_, **more) as pieces:
        return b"".join(pieces)


def test_a_history_comes_as_it_is(live):
    live.run(live.host.play("a", Moved("running", 1), DONE))
    assert [fact for _, fact in history.read(export(live.url)).facts] == [Moved("running", 1), DONE]
    assert history.read(export(live.url, "latest", with_sensitive=True)).redacted == []


def test_it_is_redacted_as_it_is_asked_for(live):
    live.run(live.host.play("a", Moved("running", 1), DONE))
    assert history.read(export(live.url, redact=True)).redacted == ["all"]
    found = export(live.url, redact_keys=["card", "other"])
    assert b"4111" not in found
    assert history.read(found).redacted == ["key:card", "key:other", "sensitive"]


def test_what_is_not_there_is_told(live):
    with pytest.raises(RunnerError) as caught:
        export(live.url, "b")
    assert (caught.value.status, caught.value.number) == (404, 10400)


def test_a_history_that_breaks_off_is_noticed(script):
    with pytest.raises(Unreachable, match="broke off in the middle of a history"):
        export(script((200, {"content-type": "application/json"}, b'{\n "format": 1,\n "facts": [')).url)
