from __future__ import annotations

import asyncio
import os
import pty
import sys
import termios

import pytest

from tests.runner.stage import until
from wflow.runner.hotkeys import listening


class Terminal:
    """A terminal with a keyboard that the test presses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keyboard, self._theirs = pty.openpty()
        self.stdin = os.fdopen(self._theirs, "r")
        monkeypatch.setattr(sys, "stdin", self.stdin)

    def press(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def mode(self) -> list[object]:
        return termios.tcgetattr(self.stdin.fileno())

    def close(self) -> None:
        self.stdin.close()


@pytest.fixture
def terminal(monkeypatch):
    made = Terminal(monkeypatch)
    yield made
    made.close()


def test_a_key_does_what_belongs_to_it_in_either_case_and_others_do_nothing(terminal):
    async def story() -> None:
        pressed: list[str] = []
        before = terminal.mode()
        with listening({"b": lambda: pressed.append("b"), "x": lambda: pressed.append("x")}):
            assert terminal.mode() != before
            terminal.press(b"q")
            terminal.press(b"B7x")
            await until(lambda: pressed == ["b", "x"], "the keys")
        assert terminal.mode() == before, "the terminal is as it was"

    asyncio.run(story())


def test_a_terminal_that_goes_away_is_no_longer_listened_to(terminal):
    async def story() -> None:
        watched = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
        with listening({}):
            assert terminal.stdin.fileno() in watched
            os.close(terminal.keyboard)
            await until(lambda: terminal.stdin.fileno() not in watched, "it to be let go")

    asyncio.run(story())
