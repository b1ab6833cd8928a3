from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.runner.stage import build, meanwhile, until
from tests.stories.processes import lives
from wflow.config.load import load
from wflow.engine import facts, values
from wflow.engine.outcome import Ok
from wflow.errors import LinkError, LoadError
from wflow.link import channel, frames
from wflow.runner import exchanges, spawned
from wflow.runner import peer as peers
from wflow.runner.peer import Outdated, Peer
from wflow.runner.project import build_of
from wflow.wire.types import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wflow.runner.registry import Build

WORKER = """
import asyncio
import os

from wflow import Response, WorkerEntrypoint

{top}


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        {body}
"""
VERSION = "return Response('here')"


class Listener:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.said: list[frames.ToRunner] = []
        self.deaths: list[Peer] = []

    def heard(self, peer: Peer, message: frames.ToRunner) -> None:
        self.said.append(message)

    def died(self, peer: Peer) -> None:
        self.deaths.append(peer)


def made(folder: Path, body: str = VERSION, top: str = "") -> Build:
    """Make a build of a Worker with this code."""
    folder.mkdir(exist_ok=True)
    (folder / "worker.py").write_text(WORKER.format(body=body, top=top))
    bare = build(version="v1")
    return type(bare)(
        described=bare.described, manifest=bare.manifest, root=folder, folder=folder, secrets={"PSST": "psst"}
    )


def play(story: Callable[[Peer, Listener], Awaitable[None]]) -> None:
    """Tell a story of one peer, and leave no process behind."""

    async def told() -> None:
        listener = Listener()
        peer = Peer(listener)
        try:
            await story(peer, listener)
        finally:
            peer.kill()
            await peer.gone()
            assert peer.pid is None or not lives(peer.pid)

    asyncio.run(told())


def asked(path: str = "/") -> HttpRequest:
    return HttpRequest(method="GET", url=f"http://localhost{path}", headers=[], body=b"")


def test_a_runtime_comes_up_loads_code_and_answers(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        assert peer.alive
        await peer.load(made(tmp_path))
        assert peer.handlers == ["fetch"]
        answer = await peer.fetch(asked())
        assert (answer.status, answer.body) == (200, b"here")
        assert not peer.busy

    play(story)


def test_a_runtime_gets_a_short_list_of_the_environment_and_works_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WFLOW_API_TOKEN", "wf_secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    body = "return Response('\\n'.join([os.getcwd(), self.env.PSST, *os.environ]))"

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path, body))
        folder, secret, *names = (await peer.fetch(asked())).body.decode().split("\n")
        assert (Path(folder), secret) == (tmp_path.resolve(), "psst")
        assert set(names) <= set(spawned.INHERITED) | {"LC_CTYPE", "PYTHONHASHSEED"}

    play(story)


def test_code_that_does_not_import_is_told_with_the_users_frames_only(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        with pytest.raises(LoadError) as failed:
            await peer.load(made(tmp_path, top="def price():\n    return 1 / 0\n\n\nprice()"))
        assert (failed.value.file, failed.value.line) == ("worker.py", 8)
        assert "in price" in failed.value.trace
        assert "wflow/runtime" not in failed.value.trace

    play(story)


def test_code_that_ends_the_process_on_import_is_told_as_such(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        with pytest.raises(LinkError, match="the process ended while it imported the code"):
            await peer.load(made(tmp_path, top="os._exit(3)"))
        assert listener.deaths == [peer]

    play(story)


def test_code_that_imports_for_ever_is_given_up(tmp_path, monkeypatch):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        monkeypatch.setattr(peers, "START_S", 0.1)
        with pytest.raises(LinkError, match="did not import the code within") as slow:
            await peer.load(made(tmp_path, top="import time\ntime.sleep(600)"))
        assert slow.value.hint is not None

    play(story)


def test_a_folder_that_is_not_there_is_a_link_error(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        with pytest.raises(LinkError, match="cannot start a runtime"):
            await peer.start(tmp_path / "nowhere")
        assert not peer.alive

    play(story)


def test_a_runtime_that_is_killed_fails_its_requests_and_is_told_dead_once(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path, "await asyncio.sleep(600)"))
        fetch = asyncio.create_task(peer.fetch(asked()))
        await until(lambda: peer.busy, "the request")
        assert peer.pid is not None
        os.kill(peer.pid, signal.SIGKILL)
        with pytest.raises(LinkError, match="the runtime is gone"):
            await fetch
        await peer.gone()
        assert listener.deaths == [peer]
        assert not peer.busy
        assert not peer.killed, "that was not the runner"
        with pytest.raises(LinkError):
            await peer.fetch(asked())

    play(story)


def test_a_runtime_is_dead_when_it_has_died_even_if_a_child_of_its_own_holds_the_link(tmp_path):
    # A fork without an exec keeps every descriptor open.
    body = "return Response(str(os.fork() or time.sleep(600)))"

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path, body, "import time"))
        child = int((await peer.fetch(asked())).body)
        try:
            peer.kill()
            await peer.gone()
            assert lives(child)
            await until(lambda: listener.deaths, "the news of its death")
            assert lives(child)
            assert not peer.alive
        finally:
            os.kill(child, signal.SIGKILL)

    play(story)


def test_a_runtime_ends_by_itself_when_its_runner_hangs_up(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        pid = peer.pid
        assert pid is not None
        peer._channel.close()
        await until(lambda: not lives(pid), "its end")

    play(story)


def test_draining_lets_what_runs_end_and_then_ends_the_process(tmp_path):
    body = "await asyncio.sleep(0.2); return Response('in time')"

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path, body))
        fetch = asyncio.create_task(peer.fetch(asked()))
        await until(lambda: peer.busy, "the request")
        await peer.drain(20)
        assert (await fetch).body == b"in time"
        await peer.gone()

    play(story)


def test_draining_has_an_end(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path, "await asyncio.sleep(600)"))
        fetch = asyncio.create_task(peer.fetch(asked()))
        await until(lambda: peer.busy, "the request")
        await peer.drain(0.05)
        assert peer.killed
        with pytest.raises(LinkError):
            await fetch

    play(story)


def test_a_runtime_takes_so_many_requests_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(exchanges, "FETCHES", 2)

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path, "await asyncio.sleep(0.2); return Response('in time')"))
        fetches = [asyncio.create_task(peer.fetch(asked())) for _ in range(2)]
        await until(lambda: len(peer.exchanges) == 2, "the requests")
        with pytest.raises(LinkError, match="2 requests under way"):
            await peer.fetch(asked())
        assert [(await fetch).status for fetch in fetches] == [200, 200]

    play(story)


def test_the_bodies_of_requests_take_so_much_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(exchanges, "FETCH_BYTES", 1_000)

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path, "await asyncio.sleep(0.2); return Response('in time')"))
        large = msgspec.structs.replace(asked(), body=bytes(600))
        first = asyncio.create_task(peer.fetch(large))
        await until(lambda: peer.work == 1, "the request")
        with pytest.raises(LinkError, match="take 1,000 bytes"):
            await peer.fetch(large)
        assert (await peer.fetch(asked())).status == 200, "one without a body has its place"
        assert (await first).status == 200
        assert (await peer.fetch(large)).status == 200

    play(story)


# -- rehearsals ----------------------------------------------------------------------------------------------

FLOW = """
import time

from wflow import WorkflowEntrypoint


class Flow(WorkflowEntrypoint):
    async def run(self, event, ctx):
        print("told to nobody")
        {body}
        await ctx.do("one", one)


async def one():
    return 1
"""


def flow(folder: Path, body: str = "pass") -> Build:
    """Make the build of a project with one workflow."""
    (folder / "wflow.toml").write_text(
        'name = "shop"\nmain = "worker.py"\n'
        '[[workflows]]\nname = "flow"\nbinding = "FLOW"\nclass_name = "Flow"\n'
    )
    (folder / "worker.py").write_text(FLOW.format(body=body))
    return build_of(load(path=folder / "wflow.toml"), {}, 0)


def recorded(workflow: str = "flow", records: list[bytes] | None = None) -> frames.Turn:
    """Give what is recorded of an instance: one step."""
    done = facts.Settled("one-1", "do", 5, Ok(values.encode(1)), opened_at=4, attempt=1, began_at=4)
    journal = [facts.encode(facts.Moved("running", 3)), facts.encode(done)] if records is None else records
    return frames.Turn(
        instance=7,
        epoch=0,
        workflow=workflow,
        id="a",
        created_at=1,
        params=values.encode({}),
        seq=len(journal),
        records=journal,
        events=[],
    )


def test_a_journal_is_tried_and_nothing_else_is_said(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(flow(tmp_path))
        verdicts = await asyncio.gather(*(peer.rehearse(recorded()) for _ in range(5)))
        assert [(one.clean, one.heard, one.recorded) for one in verdicts] == [(True, 1, 1)] * 5
        unknown = await peer.rehearse(recorded("flows"))
        assert unknown.failure is not None
        assert "no workflow 'flows'" in unknown.failure.message
        broken = await peer.rehearse(recorded(records=[b"\xc1"]))
        assert broken.failure is not None
        assert "cannot play this journal" in broken.failure.message
        assert not peer.busy
        assert listener.said == []

    play(story)


def test_a_journal_that_does_not_fit_is_told_with_the_divergence(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(flow(tmp_path, "await ctx.sleep('nap', 5)"))
        verdict = await peer.rehearse(recorded())
        assert not verdict.clean
        assert verdict.divergence is not None
        assert verdict.divergence.recorded is not None
        assert (verdict.divergence.recorded.key, verdict.heard) == ("one-1", 0)

    play(story)


def test_code_that_blocks_is_told_as_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "REHEARSE_S", 0.2)

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(flow(tmp_path, "time.sleep(60)"))
        verdict = await peer.rehearse(recorded())
        assert verdict.failure is not None
        assert "did not come to rest" in verdict.failure.message

    play(story)


def test_a_process_that_dies_over_a_rehearsal_is_a_link_error(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(flow(tmp_path, "import os; os._exit(1)"))
        with pytest.raises(LinkError, match="the runtime is gone"):
            await peer.rehearse(recorded())
        with pytest.raises(LinkError, match="the runtime is gone"):
            await peer.rehearse(recorded())

    play(story)


def test_too_many_journals_at_once_are_refused_and_one_that_is_too_long_is_told(tmp_path, monkeypatch):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(flow(tmp_path))
        monkeypatch.setattr(peers, "REHEARSALS", 0)
        with pytest.raises(LinkError, match="0 journals to try; that is the limit"):
            await peer.rehearse(recorded())
        monkeypatch.setattr(peers, "REHEARSALS", 1)
        monkeypatch.setattr(frames, "FRAME_BYTES", 20)
        verdict = await peer.rehearse(recorded())
        assert verdict.failure is not None
        assert "takes more than 10 bytes" in verdict.failure.message

    play(story)


def test_what_code_imports_in_one_runtime_another_imports_ahead(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path / "first", top="import colorsys"))
        assert "colorsys" in peer.libraries
        other = Peer(listener)
        try:
            await other.start(tmp_path)
            other.warm(peer.libraries)
            top = "import sys\nTHERE = 'colorsys' in sys.modules"
            await other.load(made(tmp_path / "second", "return Response(str(THERE))", top))
            assert (await other.fetch(asked())).body == b"True"
        finally:
            other.kill()
            await other.gone()

    play(story)


def test_a_runtime_says_so_when_what_it_imported_ahead_is_of_no_use(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        peer.warm(["pydantic"])
        code = made(tmp_path / "code")
        (code.root / "pydantic.py").touch()
        with pytest.raises(Outdated):
            await peer.load(code)

    play(story)


# -- what it has still to begin ----------------------------------------------------------------------------


def test_what_was_handed_over_is_fresh_until_the_runtime_speaks_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "FRESH", 8)

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(flow(tmp_path, "await asyncio.sleep(3600)"))
        told: list[int] = []
        peer.on_fresh = lambda: told.append(len(peer.fresh))
        for instance in range(1, 9):
            peer.send(frames.Play([msgspec.structs.replace(recorded(records=[]), instance=instance)]))
        assert peer.fresh == set(range(1, 9))
        peer.send(frames.Drop([8]))
        assert peer.fresh == set(range(1, 8))
        peer.send(frames.Play([msgspec.structs.replace(recorded(), instance=9, records=None)]))
        await until(lambda: not peer.fresh, "word of all of them")
        assert told[-1] == 0
        assert any(isinstance(one, frames.Commit) for one in listener.said)
        assert [one.instances for one in listener.said if isinstance(one, frames.Missing)] == [[9]]

    play(story)


def test_one_that_was_killed_is_not_spoken_to_though_its_process_is_still_there(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        assert peer.alive
        peer.kill()
        assert not peer.alive

    play(story)


def test_nothing_is_fresh_in_a_runtime_that_is_dead(tmp_path):
    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(flow(tmp_path))
        os.kill(peer.pid or 0, signal.SIGSTOP)
        peer.send(frames.Play([recorded(records=[])]))
        assert peer.fresh == {7}
        peer.kill()
        await until(lambda: listener.deaths, "its end")
        peer.send(frames.Play([recorded(records=[])]))
        assert not peer.fresh

    play(story)


def test_a_runtime_that_does_not_listen_is_waited_for_and_not_heard(tmp_path, monkeypatch):
    monkeypatch.setattr(channel, "UNREAD_BYTES", 1_000_000)
    body = "return Response('here')"

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path, body))
        assert peer.listens
        await peer.listening()
        os.kill(peer.pid or 0, signal.SIGSTOP)
        large = msgspec.structs.replace(asked(), body=bytes(2_000_000))
        answer = asyncio.create_task(peer.fetch(large))
        await until(lambda: not peer.listens, "it to be told more than it reads")
        waiting = asyncio.create_task(peer.listening())
        await asyncio.sleep(0)
        assert not waiting.done()
        os.kill(peer.pid or 0, signal.SIGCONT)
        await waiting
        assert (await answer).body == b"here", "it is heard again"

    play(story)


def test_whoever_waits_for_a_runtime_to_listen_hears_of_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(channel, "UNREAD_BYTES", 1_000_000)

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path))
        os.kill(peer.pid or 0, signal.SIGSTOP)
        peer.send(frames.Reply(1, bytes(2_000_000)))
        await until(lambda: not peer.listens, "it to be told more than it reads")
        peer.kill()
        await peer.listening()
        assert not peer.alive

    play(story)


def test_a_runtime_that_calls_more_than_is_answered_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "CALLED_BYTES", 3 * peers.CALL_BYTES)
    small, large = frames.Call(1, "KV", "put", b""), frames.Call(2, "KV", "put", bytes(2 * peers.CALL_BYTES))

    async def story(peer: Peer, listener: Listener) -> None:
        await peer.start(tmp_path)
        await peer.load(made(tmp_path))
        with peer.answering(small):
            assert (await peer.fetch(asked())).status == 200
            with peer.answering(large), peer.answering(small):
                answer = asyncio.create_task(peer.fetch(asked()))
                await meanwhile()
                assert not answer.done()
            assert (await answer).status == 200

    play(story)
