from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runner.stage import Faulty, stage, until
from wflow.engine import facts
from wflow.errors import StoreError
from wflow.runner import terminal as terminals
from wflow.runner.terminal import Terminal
from wflow.server.lines import Line


def line(**more: Any) -> Line:
    given: dict[str, Any] = {
        "cursor": 1,
        "at": 0,
        "level": "info",
        "source": "workflow",
        "workflow": "orders",
        "instance": "o-1",
        "step": "",
        "message": "hello",
        "data": {},
        "kind": "logged",
    }
    return Line(**{**given, **more})


def shown(**more: Any) -> str:
    """Show a line without its time of day."""
    first, _, rest = Terminal("info").shown(line(**more)).partition(" ")
    clock, _, rest = rest.partition(" ")
    assert len(clock) == len("12:34:56")
    return f"{first} {rest}"


def test_a_line_of_an_instance_says_where_it_was_said():
    assert shown() == "[wflow:info] orders o-1 hello"
    assert shown(step="charge-2", level="warn") == "[wflow:warn] orders o-1 charge-2 hello"
    assert shown(workflow=None, instance=None) == "[wflow:info] hello"


def test_the_values_of_a_logged_line_are_shown_as_json():
    assert shown(data={"n": 3, "who": "Zoë"}) == '[wflow:info] orders o-1 hello {"n": 3, "who": "Zoë"}'


def test_a_step_shows_how_long_it_took_and_nothing_that_its_message_has_said():
    data = {"duration_ms": 1_500, "attempts": 2}
    assert shown(kind="settled", step="charge-1", message="done", data=data) == (
        "[wflow:info] orders o-1 charge-1 done (1.5 s)"
    )


def test_a_traceback_is_shown_below_an_error_and_only_there():
    trace = 'Traceback (most recent call last):\n  File "worker.py", line 3\nKeyError: 5\n'
    text = shown(kind="moved", level="error", message="errored: KeyError: 5", data={"trace": trace})
    assert text.splitlines() == [
        "[wflow:error] orders o-1 errored: KeyError: 5",
        "    Traceback (most recent call last):",
        '      File "worker.py", line 3',
        "    KeyError: 5",
    ]
    assert "Traceback" not in shown(kind="failed", level="warn", data={"trace": trace})


def test_a_request_is_shown_as_wrangler_shows_it():
    text = Terminal("info").shown(line(source="request", message="GET / 200 OK (12ms)"))
    assert text == "[wflow:info] GET / 200 OK (12ms)"


def test_talk_goes_to_stderr_and_has_no_colours_without_a_terminal(capsys):
    terminal = Terminal("info")
    terminal.say("plain")
    terminal.info("one")
    terminal.warn("two")
    terminal.error("three")
    terminal.clear()
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "plain\n[wflow:info] one\n[wflow:warn] two\n[wflow:error] three\n"


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("error", ["error"]),
        ("none", []),
    ],
)
def test_lines_are_followed_from_a_level_on(tmp_path, capsys, level, seen):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            following = asyncio.create_task(Terminal(level).follow(on.runner))
            await asyncio.sleep(0)
            for each in ("debug", "info", "warn", "error"):
                on.runner.notes.add(facts.Logged(each, f"at {each}", 1, source="worker"))
            await on.runner.notes.close()
            told = ""

            def all_there() -> bool:
                nonlocal told
                told += capsys.readouterr().err
                return len(told.splitlines()) == len(seen)

            await until(all_there, "the lines")
            on.runner.feed.close()
            await following
            assert [row.rpartition(" at ")[2] for row in told.splitlines()] == seen

    asyncio.run(story())


def test_each_line_is_shown_once_however_they_come(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(terminals, "PAGE", 7)

    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            following = asyncio.create_task(Terminal("info").follow(on.runner))
            await asyncio.sleep(0)
            for number in range(200):
                fact = facts.Logged("info", f"line-{number}", 1, source="worker")
                await on.runner.store.note([(facts.LOGGED, 1, facts.encode(fact))] * 1)
            seen: list[str] = []

            def all_there() -> bool:
                seen.extend(capsys.readouterr().err.split())
                return "line-199" in seen

            await until(all_there, "the last line")
            on.runner.feed.close()
            await following
            assert [word for word in seen if word.startswith("line-")] == [f"line-{n}" for n in range(200)]

    asyncio.run(story())


def test_a_line_that_is_kept_while_others_are_read_is_shown_once(tmp_path, capsys):
    class Busy(Faulty):
        """Keeps one more line just before it is read."""

        async def tail(self, *arguments: Any, **more: Any) -> Any:
            await keep(self, f"late-{self.calls.count('note')}")
            return await self.store.tail(*arguments, **more)

    async def keep(store: Faulty, text: str) -> None:
        fact = facts.Logged("info", text, 1, source="worker")
        await store.note([(facts.LOGGED, 1, facts.encode(fact))])

    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            busy = on.runner.store = Busy(on.runner.store)
            following = asyncio.create_task(Terminal("info").follow(on.runner))
            await asyncio.sleep(0)
            told: list[str] = []

            def has(text: str) -> bool:
                told.extend(words(capsys))
                return text in told

            for number in range(5):
                await keep(busy, f"line-{number}")
                await until(lambda: has(f"line-{number}"), "the line")  # noqa: B023
            on.runner.feed.close()
            await following
            assert len(told) >= 10
            assert len(set(told)) == len(told)

    asyncio.run(story())


def words(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Give what the lines on stderr say."""
    return [row.rpartition(" ")[2] for row in capsys.readouterr().err.splitlines()]


def test_a_store_that_cannot_be_read_is_told_of_and_read_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(terminals, "AGAIN_S", 0.01)

    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            between = Faulty(on.runner.store)
            between.failures["tail"] = [StoreError("disk I/O error")]
            on.runner.store = between
            following = asyncio.create_task(Terminal("info").follow(on.runner))
            await asyncio.sleep(0)
            on.runner.notes.add(facts.Logged("info", "hello", 1, source="worker"))
            told = ""

            def both() -> bool:
                nonlocal told
                told += capsys.readouterr().err
                return "hello" in told

            await until(both, "the line")
            assert told.startswith("[wflow:error] disk I/O error\n")
            on.runner.feed.close()
            await following

    asyncio.run(story())
