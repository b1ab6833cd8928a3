"""KV and what steps do to others: a test for J1, J2, J3 and J18 of the table, named after its id."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.featured import Site, gate_of, open_gate, open_project, open_site
from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.featured import Shown

VALUE_BYTES = 25 * 1024 * 1024


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(open_project(tmp_path_factory.mktemp("kv"), "kv")) as site:
        yield site


def call(site: Site, method: str, *arguments: Any, namespace: str = "KV", **asked: Any) -> Any:
    """Have the Worker call a method; gives what it gave."""
    answer = site.session.ask("POST", f"/{namespace}/{method}", content=_asked(arguments, asked))
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(site: Site, method: str, *arguments: Any, **asked: Any) -> str:
    """Have the Worker call a method that raises; gives the message."""
    answer = site.session.ask("POST", f"/KV/{method}", content=_asked(arguments, asked))
    assert answer.status_code == 409, answer.text
    return str(answer.json()["error"]["message"])


def _asked(arguments: tuple[Any, ...], asked: dict[str, Any]) -> str:
    return json.dumps({"args": arguments, **asked})


def test_j1_a_value_is_put_and_got_as_text_json_bytes_and_stream(site: Site):
    call(site, "put", "j1", '{"n": 1}')
    assert call(site, "get", "j1") == '{"n": 1}'
    assert call(site, "get", "j1", "json") == call(site, "get", "j1", {"type": "json"}) == {"n": 1}
    assert bytes.fromhex(call(site, "get", "j1", "arrayBuffer")) == b'{"n": 1}'
    assert bytes.fromhex("".join(call(site, "get", "j1", options={"type": "stream"}))) == b'{"n": 1}'
    assert call(site, "get", "j1", options={"cacheTtl": 60}) == '{"n": 1}'
    call(site, "put", "j1", stream=["a ", "long ", "story"])
    assert call(site, "get", "j1") == "a long story"
    assert call(site, "get", "j1", namespace="OTHER") is None, "a namespace of its own"
    call(site, "delete", "j1")
    assert call(site, "get", "j1") is None


def test_j1_keys_have_metadata_and_expire_and_are_listed_in_pages(site: Site):
    soon = round(datetime.now(UTC).timestamp()) + 3_600
    for number in range(5):
        call(site, "put", f"j1:{number}", "x")
    call(site, "put", "j1:1", "x", {"expiration": soon, "metadata": {"by": "me"}})
    call(site, "put", "j1:2", "x", options={"expirationTtl": 3_600})
    first = call(site, "list", {"prefix": "j1:", "limit": 2})
    assert first["keys"] == [
        {"name": "j1:0"},
        {"name": "j1:1", "expiration": soon, "metadata": {"by": "me"}},
    ]
    assert first["list_complete"] is False
    rest = call(site, "list", options={"prefix": "j1:", "cursor": first["cursor"]})
    assert [key["name"] for key in rest["keys"]] == ["j1:2", "j1:3", "j1:4"]
    assert rest["keys"][0]["expiration"] in range(soon - 60, soon + 60)
    assert (rest["list_complete"], rest["cursor"]) == (True, None)


def test_j2_many_keys_are_got_at_once_with_their_metadata(site: Site):
    call(site, "put", "j2:a", "1", options={"metadata": "first"})
    call(site, "put", "j2:b", "[2]")
    keys = ["j2:a", "j2:none", "j2:b"]
    assert call(site, "get", keys) == {"j2:a": "1", "j2:none": None, "j2:b": "[2]"}
    assert call(site, "get", keys, "json") == {"j2:a": 1, "j2:none": None, "j2:b": [2]}
    one = {"value": 1, "metadata": "first", "cacheStatus": None}
    assert call(site, "getWithMetadata", "j2:a", "json") == one
    many = call(site, "getWithMetadata", keys, {"type": "json"})
    nothing = {"value": None, "metadata": None, "cacheStatus": None}
    assert many == {"j2:a": one, "j2:none": nothing, "j2:b": {**nothing, "value": [2]}}
    assert refusal(site, "get", [f"j2:{n}" for n in range(101)]).endswith("a maximum of 100 keys")
    assert '"arrayBuffer" is not a valid type' in refusal(site, "get", keys, "arrayBuffer")


def test_j3_limits_are_refused_in_cloudflares_words(site: Site):
    long = "k" * 513
    assert refusal(site, "get", "") == "KV GET failed: 400 a key is text of at least one character, not ''"
    assert (
        refusal(site, "put", long, "x")
        == "KV PUT failed: 414 UTF-8 encoded length of 513 exceeds key length limit of 512."
    )
    assert (
        refusal(site, "put", "j3", "x", options={"expiration_ttl": 59})
        == "KV PUT failed: 400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60."
    )
    assert (
        refusal(site, "put", "j3", "x", options={"metadata": "x" * 1_023})
        == "KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024."
    )
    assert refusal(site, "get", "j3", {"cacheTtl": 29}).endswith("Cache TTL must be at least 30.")
    assert "Invalid key_count_limit of 1001" in refusal(site, "list", {"limit": 1_001})
    assert (
        refusal(site, "put", "j3", size=VALUE_BYTES + 1)
        == "KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400."
    )
    call(site, "put", "j3", size=VALUE_BYTES)
    call(site, "put", "j3:more", "more")
    assert (
        refusal(site, "get", ["j3", "j3:more"])
        == "KV GET_BULK failed: 413 Total size of request exceeds the limit of 25MB"
    )
    assert call(site, "get", "j3", "bytes") == VALUE_BYTES


def test_j18_a_step_that_is_cut_off_after_its_effects_has_them_once(site: Site):
    id_ = begin(site, "j18-cut", effect=gate_of(site.world, "cut"))
    told(site, "j18-cut effect")
    assert call(site, "get", "count:j18-cut") is None, "not before the step has ended"
    assert counted(site, "j18-cut") == []
    site.lose_runtimes()
    open_gate(site.world, "cut")
    over = site.end("once", id_)
    assert site.effects("j18-cut").count("effect") == 2
    is_once(site, over, "j18-cut")


def test_j18_a_runner_that_dies_over_a_step_leaves_nothing_of_it_and_then_it_once(
    tmp_path_factory: pytest.TempPathFactory,
):
    world = open_project(tmp_path_factory.mktemp("killed"), "kv")
    with open_site(world) as site:
        id_ = begin(site, "dies", effect=gate_of(world, "dies"), asks=True)
        told(site, "dies effect")
        site.session.kill()
    open_gate(world, "dies")
    with open_site(world) as site:
        over = site.end("once", id_)
        assert site.effects("dies").count("effect") == 2
        is_once(site, over, "dies")


def test_j18_what_has_ended_is_not_done_again(tmp_path_factory: pytest.TempPathFactory):
    world = open_project(tmp_path_factory.mktemp("ended"), "kv")
    with open_site(world) as site:
        id_ = begin(site, "ended", after=gate_of(world, "ended"))
        told(site, "ended after")
        assert call(site, "get", "count:ended") == "1", (
            "it is there with the outcome, before the instance ends"
        )
        site.session.kill()
    with open_site(world) as site:
        told(site, "ended after", times=2)
        site.lose_runtimes()
        open_gate(world, "ended")
        over = site.end("once", id_)
        assert site.effects("ended").count("effect") == 1
        is_once(site, over, "ended")


def test_j18_a_step_that_fails_for_good_leaves_nothing(site: Site):
    over = site.run("once", {"name": "j18-fails", "fails": 9, "retries": 1})
    assert over["output"] == {"count": None}
    assert call(site, "list", {"prefix": "attempt:j18-fails"})["keys"] == []
    assert site.effects("j18-fails") == ["effect", "effect"]


def test_j18_a_step_that_is_tried_again_leaves_what_its_last_attempt_did(site: Site):
    over = site.run("once", {"name": "j18-again", "fails": 2, "retries": 2, "asks": True})
    is_once(site, over, "j18-again")
    listed = call(site, "list", {"prefix": "attempt:j18-again"})
    assert [key["name"] for key in listed["keys"]] == ["attempt:j18-again:3"]
    assert call(site, "get", "end:j18-again") == "of its own"


def begin(site: Site, name: str, **more: object) -> str:
    return site.start("once", {"name": name, **more}, name)


def told(site: Site, line: str, *, times: int = 1) -> None:
    wait_for(lambda: site.world.effects.count(line) == times, f"{line!r} to be told {times} times")


def counted(site: Site, name: str) -> list[str]:
    """Name the instances that a step has created, by what it gave them."""
    everyone = [str(one["id"]) for one in site.api.instances.list("counted", per_page=100).items]
    return sorted(id_ for id_ in everyone if site.look("counted", id_)["params"] == name)


def is_once(site: Site, over: Shown, name: str) -> None:
    """Check that a step's effects are there, once."""
    assert over["status"] == "complete", over["error"]
    assert over["output"]["count"] == "1"
    found = call(site, "getWithMetadata", f"count:{name}")
    assert (found["value"], found["metadata"]) == ("1", {"by": "step"})
    made = over["output"]["made"]
    assert counted(site, name) == sorted(made)
    for id_ in made:
        assert site.end("counted", id_)["status"] == "complete"
