"""A real runtime process at the end of a socketpair, driven by frames."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from wflow.bundle import manifest as manifests
from wflow.bundle.manifest import KvEntry, Manifest, WorkflowEntry
from wflow.engine import facts, values
from wflow.engine.changes import Ended, Held, Rested
from wflow.engine.facts import Fact, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import Ok
from wflow.errors import InstanceExists
from wflow.link import frames
from wflow.link.channel import Channel, connect
from wflow.runtime import process, residency, starting
from wflow.runtime.authoring import WorkflowEntrypoint
from wflow.runtime.clock import now
from wflow.runtime.failures import failure_of
from wflow.runtime.loader import Code

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0


class Process:
    """A runtime process, and the runner's end of its link."""

    def __init__(self, folder, process, ours):
        self.folder = folder
        self.process = process
        self.closed = asyncio.Event()
        self.heard = []
        self._news = asyncio.Event()
        self._sock = ours
        self.channel = Channel(frames.ToRunner, self._hear, lambda _: self.closed.set())

    @classmethod
    async def start(cls, folder):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process = subprocess.Popen(  # noqa: ASYNC220 - as the runner does
            [sys.executable, "-P", "-m", "wflow.runtime", str(theirs.fileno())],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self = cls(folder, process, ours)
        await connect(self.channel, ours)
        hello = await self.expect(frames.Hello)
        assert (hello.protocol, hello.pid) == (frames.PROTOCOL, process.pid)
        return self

    async def expect(self, kind, matching=lambda _: True):
        """Wait for a message, and take it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in self.heard:
                    if isinstance(message, kind) and matching(message):
                        self.heard.remove(message)
                        return message
                assert not self.closed.is_set(), "the link is closed"
                self._news.clear()
                await self._news.wait()

    async def commits(self, until):
        """Acknowledge commits until one has a change of a kind; give all facts told, and the change."""
        told = []
        while True:
            commit = await self.expect(frames.Commit)
            told += [facts.decode(row[4]) for row in commit.rows]
            self.channel.send(frames.Acked(commit.batch, []))
            for change in commit.changes:
                if isinstance(change, until):
                    return told, change

    def load(self, *classes, main="main.py", secrets=None):
        made = Manifest(
            name="shop",
            main=main,
            python="3.11",
            wflow="0.1.0",
            compatibility_date=None,
            workflows=tuple(
                WorkflowEntry(name=one.lower(), class_name=one, binding=one.upper()) for one in classes
            ),
            kv=(KvEntry(binding="KV", id="shop-kv"),),
            vars={"REGION": "eu"},
            files={},
        )
        self.channel.send(frames.Load(str(self.folder), manifests.encode(made), secrets or {}))

    def play(self, workflow="flow", *, instance=1, epoch=1, seq=0, records=(), params=None, events=()):
        turn = frames.Turn(
            instance=instance,
            epoch=epoch,
            workflow=workflow,
            id=f"order-{instance}",
            created_at=now(),
            params=values.encode(params or {}),
            seq=seq,
            records=None if records is None else list(records),
            events=list(events),
        )
        self.channel.send(frames.Play([turn]))

    async def gone(self):
        """Wait for the process to end; give its exit code, and what it wrote past its own streams."""
        out, err = await asyncio.to_thread(self.process.communicate, timeout=PATIENCE_S)
        return self.process.returncode, out.decode(), err.decode()

    def _hear(self, messages):
        self.heard += messages
        self._news.set()


@pytest.fixture
def with_process(tmp_path):
    """Run a story with a runtime that has loaded the code given."""

    def perform(story, code, *classes, secrets=None):
        async def told():
            runtime = await Process.start(tmp_path)
            try:
                if code:
                    (tmp_path / "main.py").write_text(textwrap.dedent(code))
                    runtime.load(*classes, secrets=secrets)
                    await runtime.expect(frames.Loaded)
                await story(runtime)
            finally:
                if runtime.process.poll() is None:
                    runtime.process.kill()
                runtime.channel.close()
                await runtime.gone()

        asyncio.run(told())

    return perform


FLOW = """
    import asyncio, os, sys, time
    from wflow import Response, WorkerEntrypoint, WorkflowEntrypoint

    async def double(n):
        print("doubling", n)
        return 2 * n

    class Flow(WorkflowEntrypoint):
        async def run(self, event, ctx):
            print("in run")
            one = await ctx.do("double", double, 21)
            ctx.log("doubled", {"to": one})
            two = await ctx.do("slow", time.sleep, 0.06)
            return {"id": event.instance_id, "value": one, "region": self.env.REGION, "cwd": os.getcwd()}
    """


def test_a_turn_is_played_to_its_end(with_process):
    async def story(runtime):
        runtime.play(instance=7)
        told, ended = await runtime.commits(Ended)
        assert ended.status == "complete"
        assert values.decode(ended.output) == {
            "id": "order-7",
            "value": 42,
            "region": "eu",
            "cwd": str(runtime.folder),
        }
        kinds = [type(fact).__name__ for fact in told]
        assert kinds == ["Moved", "Settled", "Logged", "Opened", "Tried", "Settled", "Moved"]

    with_process(story, FLOW, "Flow")


def test_what_is_printed_is_sent_with_its_place_and_stdout_stays_clean(with_process):
    code = FLOW + '\n    print("at import", file=sys.stderr)\n'

    async def story(runtime):
        runtime.play(instance=7)
        await runtime.commits(Ended)
        printed = [one for one in runtime.heard if isinstance(one, frames.Printed)]
        assert [(one.text, one.level, one.instance, one.step) for one in printed] == [
            ("at import", "error", 0, ""),
            ("in run", "info", 7, ""),
            ("doubling 21", "info", 7, "double-1"),
        ]
        runtime.channel.close()
        assert await runtime.gone() == (0, "", "")

    with_process(story, code, "Flow")


def test_a_runtime_that_comes_up_loads_nothing_that_only_a_runner_needs():
    code = "import sys, wflow.runtime.process, uvloop; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "sqlite3",
        "typer",
        "httpx",
        "starlette",
        "uvicorn",
        "watchfiles",
        "tomlkit",
        "pathspec",
    }
    rooms = {name.split(".")[1] for name in loaded if name.startswith("wflow.")}
    assert rooms <= {"bindings", "bundle", "catalogue", "engine", "errors", "link", "runtime", "wire"}


def test_code_that_does_not_import_is_told(with_process):
    async def story(runtime):
        (runtime.folder / "main.py").write_text("x = 1\nx.y\n")
        runtime.load("Flow")
        told = await runtime.expect(frames.NotLoaded)
        assert told.message == "main.py:2: AttributeError: 'int' object has no attribute 'y'"
        assert (told.file, told.line) == ("main.py", 2)
        assert "x.y" in told.trace

    with_process(story, "")


def test_a_manifest_that_makes_no_sense_is_told(with_process):
    async def story(runtime):
        runtime.channel.send(frames.Load(str(runtime.folder), b"{}", {}))
        assert "the manifest makes no sense" in (await runtime.expect(frames.NotLoaded)).message

    with_process(story, "")


def test_an_instance_that_rests_goes_on_hot_and_one_that_is_not_there_is_missing(with_process):
    code = """
        from wflow import WorkflowEntrypoint
        entered = []

        class Flow(WorkflowEntrypoint):
            async def run(self, event, ctx):
                entered.append(1)
                paid = await ctx.wait_for_event("wait", "paid")
                return [len(entered), paid.payload]
        """

    async def story(runtime):
        runtime.play(instance=1)
        told, rested = await runtime.commits(Rested)
        assert rested.awaits == ["paid"]
        event = Received(5, "paid", values.encode("card"), now(), 0)
        runtime.play(instance=1, epoch=2, seq=len(told), records=None, events=[event])
        more, ended = await runtime.commits(Ended)
        assert values.decode(ended.output) == [1, "card"], "it went on where it stood"
        assert [type(fact).__name__ for fact in more] == ["Moved", "Received", "Settled", "Moved"]

        runtime.play(instance=2, seq=9, records=None)
        assert (await runtime.expect(frames.Missing)).instances == [2]

        runtime.play(instance=3)
        told, _ = await runtime.commits(Rested)
        runtime.play(instance=3, epoch=2, seq=len(told) + 1, records=None)
        assert (await runtime.expect(frames.Missing)).instances == [3]
        runtime.play(instance=3, epoch=2, seq=len(told), records=map(facts.encode, told), events=[event])
        _, ended = await runtime.commits(Ended)
        assert values.decode(ended.output) == [3, "card"], "it was replayed"

    with_process(story, code, "Flow")


def test_an_event_is_delivered_to_a_turn_that_plays(with_process):
    code = """
        import asyncio
        from wflow import WorkflowEntrypoint

        class Flow(WorkflowEntrypoint):
            async def run(self, event, ctx):
                step = asyncio.create_task(ctx.do("slow", asyncio.Event().wait))
                paid = await ctx.wait_for_event("wait", "paid")
                step.cancel()
                return paid.payload
        """

    async def story(runtime):
        runtime.channel.send(frames.Deliver(99, Received(1, "paid", b"\x01", now(), 0)))
        runtime.play(instance=1)
        commit = await runtime.expect(frames.Commit)
        runtime.channel.send(frames.Acked(commit.batch, []))
        runtime.channel.send(frames.Deliver(1, Received(5, "paid", values.encode(7), now(), 0)))
        _, ended = await runtime.commits(Ended)
        assert values.decode(ended.output) == 7

    with_process(story, code, "Flow")


def test_a_drop_ends_a_turn_without_a_word_and_a_refusal_too(with_process):
    async def story(runtime):
        runtime.play("forever", instance=1)
        runtime.play("forever", instance=2)
        commit = await runtime.expect(frames.Commit)
        for instance in (1, 2):
            await runtime.expect(
                frames.Printed, lambda one, n=instance: (one.text, one.instance) == ("begun", n)
            )
        runtime.channel.send(frames.Acked(commit.batch, [2]))
        runtime.channel.send(frames.Drop([1, 99]))
        await runtime.expect(frames.Printed, lambda one: (one.text, one.instance) == ("ended", 1))
        await runtime.expect(frames.Printed, lambda one: (one.text, one.instance) == ("ended", 2))
        runtime.play(instance=3)
        _, ended = await runtime.commits(Ended)
        assert ended.instance == 3
        assert not any(isinstance(one, frames.Released) for one in runtime.heard)

    code = (
        FLOW
        + """
    class Forever(WorkflowEntrypoint):
        async def run(self, event, ctx):
            await ctx.do("hang", self.hang)

        async def hang(self):
            print("begun")
            try:
                await asyncio.Event().wait()
            finally:
                print("ended")
    """
    )
    with_process(story, code, "Flow", "Forever")


def test_draining_ends_what_runs_and_hands_everything_back(with_process):
    code = """
        import asyncio
        from wflow import WorkflowEntrypoint

        class Flow(WorkflowEntrypoint):
            async def run(self, event, ctx):
                await ctx.do("slow", asyncio.sleep, 0.1)
                await ctx.do("after", asyncio.sleep, 0)
        """

    async def story(runtime):
        runtime.play(instance=1)
        commit = await runtime.expect(frames.Commit)
        runtime.channel.send(frames.Acked(commit.batch, []))
        await asyncio.sleep(0.02)
        runtime.channel.send(frames.Drain())
        told: list[Fact] = []
        while "slow-1" not in [fact.key for fact in told if isinstance(fact, Settled)]:
            commit = await runtime.expect(frames.Commit)
            told += [facts.decode(row[4]) for row in commit.rows]
            assert not any(isinstance(one, frames.Released) for one in runtime.heard), (
                "not before it is on disk"
            )
            runtime.channel.send(frames.Acked(commit.batch, []))
        assert (await runtime.expect(frames.Released)).instances == [1]
        assert not any(isinstance(one, frames.Commit) for one in runtime.heard)

    with_process(story, code, "Flow")


def test_a_journal_that_cannot_be_read_pauses_its_instance_and_the_others_go_on(with_process):
    async def story(runtime):
        broken = facts.encode(Settled("double-1", "do", 1, Ok(b"\xc1"), b"", 1, 1, 1))
        for instance, record in ((1, b"\xc1"), (2, broken)):
            runtime.play(instance=instance, seq=1, records=[record])
            told, held = await runtime.commits(Held)
            assert held.instance == instance
            assert held.failure.name == "WorkflowInternalError"
            (moved,) = told
            assert (moved.status, moved.failure) == ("paused", held.failure)
        runtime.play(instance=3)
        _, ended = await runtime.commits(Ended)
        assert ended.instance == 3

    with_process(story, FLOW, "Flow")


def test_a_workflow_that_this_version_lacks_is_paused(with_process):
    async def story(runtime):
        runtime.play("other")
        _, held = await runtime.commits(Held)
        assert "wflow cannot play this instance: KeyError('other')" in held.failure.message

    with_process(story, FLOW, "Flow")


WORKER = """
    import asyncio
    from wflow import InstanceExists, Response, WorkerEntrypoint, WorkflowEntrypoint

    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            match request.path:
                case "/kv":
                    return Response(await self.env.KV.get("a"))
                case "/create":
                    try:
                        await self.env.FLOW.create(id="order-1")
                    except InstanceExists as error:
                        return Response(str(error), 409)
                case "/exit":
                    raise SystemExit(1)
                case "/spoilt":
                    response = Response("x")
                    response.body = 5
                    return response

    class Flow(WorkflowEntrypoint):
        async def run(self, event, ctx):
            return await ctx.do("thread", lambda: asyncio.run(self.env.KV.get("a")))
    """


def test_requests_are_answered_and_may_call_bindings(with_process):
    async def story(runtime):
        runtime.channel.send(frames.Fetch(1, "GET", "http://x/kv", [], b""))
        call = await runtime.expect(frames.Call)
        assert (call.binding, call.method, values.decode(call.args)) == ("KV", "get", ["a"])
        runtime.channel.send(frames.Reply(call.call, values.encode([b"hello", None])))
        answer = await runtime.expect(frames.Fetched)
        assert (answer.call, answer.status, answer.body) == (1, 200, b"hello")

        runtime.channel.send(frames.Fetch(2, "POST", "http://x/create", [], b""))
        call = await runtime.expect(frames.Call)
        refused = failure_of(InstanceExists("order-1 exists"))
        runtime.channel.send(frames.Reply(call.call, values.NONE, refused))
        answer = await runtime.expect(frames.Fetched)
        assert (answer.status, answer.body) == (409, b"order-1 exists")
        runtime.channel.send(frames.Reply(call.call, values.NONE))
        runtime.channel.send(frames.Reply(999, values.NONE))

        for number, path in enumerate(("/exit", "/spoilt", "/none"), 3):
            runtime.channel.send(frames.Fetch(number, "GET", f"http://x{path}", [], b""))
            answer = await runtime.expect(frames.Fetched)
            assert (answer.call, answer.status) == (number, 500)
            assert answer.mishap

    with_process(story, WORKER, "Flow")


def test_a_plain_step_may_call_a_binding_from_its_thread(with_process):
    async def story(runtime):
        runtime.play()
        commit = await runtime.expect(frames.Commit)
        runtime.channel.send(frames.Acked(commit.batch, []))
        call = await runtime.expect(frames.Call)
        runtime.channel.send(frames.Reply(call.call, values.encode([b"hello", None])))
        _, ended = await runtime.commits(Ended)
        assert values.decode(ended.output) == "hello"

    with_process(story, WORKER, "Flow")


def test_secrets_join_the_variables(with_process):
    code = """
        from wflow import Response, WorkerEntrypoint

        class Default(WorkerEntrypoint):
            async def fetch(self, request):
                return Response(f"{self.env.REGION} {self.env.API_KEY}")
        """

    async def story(runtime):
        runtime.channel.send(frames.Fetch(1, "GET", "http://x/", [], b""))
        assert (await runtime.expect(frames.Fetched)).body == b"eu s3cret"

    with_process(story, code, secrets={"API_KEY": "s3cret"})


# -- the end of a process ----------------------------------------------------------------------------------


def test_it_ends_when_the_link_closes(with_process):
    async def story(runtime):
        runtime.play()
        await runtime.expect(frames.Commit)
        runtime.channel.close()
        assert (await runtime.gone())[:2] == (0, "")

    with_process(story, FLOW, "Flow")


def test_it_ends_when_the_link_closes_even_while_user_code_blocks_the_loop(with_process):
    code = """
        import time
        from wflow import WorkflowEntrypoint

        async def block():
            open("blocking", "w").close()
            time.sleep(60)

        class Flow(WorkflowEntrypoint):
            async def run(self, event, ctx):
                await ctx.do("block", block)
        """

    async def story(runtime):
        runtime.play()
        begun = time.monotonic()
        while not (runtime.folder / "blocking").exists():  # noqa: ASYNC110 - it can tell nobody
            await asyncio.sleep(0.005)
        runtime.channel.close()
        await runtime.gone()
        assert time.monotonic() - begun < 10

    with_process(story, code, "Flow")


def test_it_ends_when_its_runner_is_killed(tmp_path):
    """The runner is a process here, which starts a runtime whose loop is blocked and is killed."""
    code = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    (tmp_path / "main.py").write_text(code)
    runner = f"""
import asyncio, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.runtime.test_process import Process

async def main():
    runtime = await Process.start(Path({str(tmp_path)!r}))
    runtime.load()
    await asyncio.sleep(60)

asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", runner])
    try:
        pid_file, deadline = tmp_path / "pid", time.monotonic() + PATIENCE_S
        while not (pid_file.exists() and pid_file.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        pid = int(pid_file.read_text())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()"])
def test_what_ends_a_program_ends_a_step_also_when_one_of_its_tasks_raises_it(with_process, error):
    code = f"""
        import asyncio
        from wflow import NonRetryableError, WorkflowEntrypoint

        async def fail():
            raise {error}

        async def spread():
            await asyncio.gather(fail(), asyncio.sleep(0.01))

        class Flow(WorkflowEntrypoint):
            async def run(self, event, ctx):
                try:
                    await ctx.do("spread", spread)
                except NonRetryableError as error:
                    return str(error)
        """

    async def story(runtime):
        for instance in (1, 2):
            runtime.play(instance=instance)
            _, ended = await runtime.commits(Ended)
            assert values.decode(ended.output) == f"the step raised {error.partition('(')[0]}"

    with_process(story, code, "Flow")


def test_a_program_that_user_code_starts_does_not_keep_the_link_open(with_process):
    code = """
        import subprocess
        from wflow import WorkflowEntrypoint

        def spawn():
            return subprocess.Popen(["sleep", "30"], close_fds=False, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL).pid

        class Flow(WorkflowEntrypoint):
            async def run(self, event, ctx):
                return await ctx.do("spawn", spawn)
        """

    async def story(runtime):
        runtime.play()
        _, ended = await runtime.commits(Ended)
        child = int(str(values.decode(ended.output)))
        try:
            runtime.process.kill()
            async with asyncio.timeout(5):
                await runtime.closed.wait()
        finally:
            os.kill(child, signal.SIGKILL)

    with_process(story, code, "Flow")


def test_a_link_that_talks_nonsense_is_the_end(with_process):
    async def story(runtime):
        os.write(runtime._sock.fileno(), b"\xff" * 64)
        code, out, err = await runtime.gone()
        assert (code, out) == (0, "")
        assert "wflow runtime: the peer sent" in err

    with_process(story, FLOW, "Flow")


def test_a_long_attempt_is_announced_and_a_quick_one_is_one_row(with_process):
    code = """
        import asyncio
        from wflow import WorkflowEntrypoint

        class Flow(WorkflowEntrypoint):
            async def run(self, event, ctx):
                for _ in range(200):
                    await ctx.do("quick", asyncio.sleep, 0)
                await ctx.do("slow", asyncio.sleep, 0.1)
        """

    async def story(runtime):
        runtime.play()
        told, _ = await runtime.commits(Ended)
        assert len([fact for fact in told if isinstance(fact, Settled)]) == 201
        assert [fact.key for fact in told if isinstance(fact, (Opened, Tried))] == ["slow-1", "slow-1"]

    with_process(story, code, "Flow")


def test_as_completed_in_workflow_code_keeps_the_order_given(with_process):
    code = """
        import asyncio
        from asyncio import as_completed
        from wflow import WorkflowEntrypoint

        async def same(n):
            return n

        class Flow(WorkflowEntrypoint):
            async def run(self, event, ctx):
                for coming in as_completed([ctx.do("same", same, n) for n in range(50)]):
                    await coming
                for coming in asyncio.as_completed([ctx.do("again", same, n) for n in range(50)]):
                    await coming
        """

    async def story(runtime):
        runtime.play(instance=1)
        told, ended = await runtime.commits(Ended)
        assert ended.status == "complete"
        kept = [facts.encode(fact) for fact in told if not isinstance(fact, Moved)]
        runtime.play(instance=2, seq=len(kept), records=kept)
        more, ended = await runtime.commits(Ended)
        assert ended.status == "complete", ended.failure
        assert all(isinstance(fact, Moved) for fact in more)

    with_process(story, code, "Flow")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended; somebody else has to bury it.
    return not Path(f"/proc/{pid}/stat").exists() or " Z " not in Path(f"/proc/{pid}/stat").read_text()


# -- inside ------------------------------------------------------------------------------------------------


def test_what_rests_for_a_while_leaves_memory_and_nothing_else_stays_there(tmp_path, monkeypatch):
    """In this process, to look inside."""
    monkeypatch.setattr(residency, "GRACE_S", 0.02)
    code = Code(workflows={"flow": Naps})

    async def perform():
        runtime = process.Runtime()
        runtime._code, runtime._limits = code, {"flow": 10}
        ours, theirs = socket.socketpair()
        runner = Process(tmp_path, None, ours)
        for sock in (ours, theirs):
            sock.setblocking(False)
        await connect(runner.channel, ours)
        serving = asyncio.create_task(runtime.serve(theirs))
        for instance in range(1, 21):
            runner.play(instance=instance, params={"nap": instance % 2})
        over: set[int] = set()
        while len(over) < 20:
            commit = await runner.expect(frames.Commit)
            runner.channel.send(frames.Acked(commit.batch, []))
            over |= {change.instance for change in commit.changes}
        assert set(runtime._turns) == set(range(1, 21, 2)), "those that rest are still there"
        evicted: list[int] = []
        while len(evicted) < 10:
            evicted += (await runner.expect(frames.Evicted)).instances
        assert sorted(evicted) == list(range(1, 21, 2))
        await asyncio.sleep(0.06)
        left = (
            runtime._turns,
            runtime.residency.resting,
            runtime.residency.size,
            runtime._young,
            runtime._old,
            runtime._calls,
            runtime.exchanges._open,
            runtime.exchanges._tasks,
        )
        assert not any(left)
        runner.channel.close()
        await serving
        runtime.threads.shutdown()

    asyncio.run(perform())


class Naps(WorkflowEntrypoint):
    async def run(self, event, ctx):
        await ctx.do("step", asyncio.sleep, 0)
        if event.payload["nap"]:
            await ctx.sleep("nap", "1 hour")


def test_instances_that_have_not_begun_yet_hear_what_is_said_to_them(tmp_path):
    """Some wait, since so many come at once: they are dropped, handed back, paused, or get events."""
    total = starting.BRISK + 40
    dropped, back, paused, told = (starting.BRISK + n for n in (10, 11, 12, 13))
    begun.clear()

    async def perform():
        runtime = process.Runtime()
        runtime._code, runtime._limits = Code(workflows={"flow": Listens}), {"flow": 10}
        ours, theirs = socket.socketpair()
        runner = Process(tmp_path, None, ours)
        for sock in (ours, theirs):
            sock.setblocking(False)
        await connect(runner.channel, ours)
        serving = asyncio.create_task(runtime.serve(theirs))
        for instance in range(total):
            runner.play(instance=instance)
        event = Received(1, "go", values.encode("told"), now(), 0)
        runner.channel.send(frames.Drop([dropped]))
        runner.channel.send(frames.HandBack([back]))
        runner.channel.send(frames.Steer(paused, pausing=True))
        runner.channel.send(frames.Deliver(told, event))
        over: dict[int, object] = {}
        while len(over) < total - 2:
            commit = await runner.expect(frames.Commit)
            runner.channel.send(frames.Acked(commit.batch, []))
            over |= {change.instance: change for change in commit.changes}
        assert (await runner.expect(frames.Released)).instances == [back]
        assert not {dropped, back} & over.keys()
        assert {f"order-{dropped}", f"order-{back}"}.isdisjoint(begun)
        ended = over[told]
        assert isinstance(ended, Ended)
        assert ended.output == values.encode("told")
        assert all(isinstance(one, Rested) for key, one in over.items() if key != told)
        runner.channel.close()
        await serving
        runtime.close()
        runtime.threads.shutdown()

    asyncio.run(perform())


begun: list[str] = []


class Listens(WorkflowEntrypoint):
    async def run(self, event, ctx):
        begun.append(event.instance_id)
        return (await ctx.wait_for_event("go", "go")).payload
