"""What a runner and a dev session say on the terminal: their own words, and the lines of the feed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Final

from wflow.errors import StoreError
from wflow.server import lines

if TYPE_CHECKING:
    from wflow.runner.runner import Runner
    from wflow.server.lines import Line

PAGE: Final = 500
"""Records read at a time."""
AGAIN_S: Final = 2.0
"""When a store that cannot be read is read again."""
_COLOURS: Final = {"debug": "2", "info": "36", "warn": "33", "error": "31"}


class Terminal:
    """Writes to stderr: it is talk. Colours only on a terminal; the words say it all without."""

    def __init__(self, level: str) -> None:
        """Show feed lines from ``level`` on; "none" shows none."""
        self._level = level
        self._tty = sys.stderr.isatty()
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        self._colours = self._tty and not plain
        self._second, self._clock = -1, ""

    def say(self, text: str) -> None:
        """Say something."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def info(self, text: str) -> None:
        """Say something, marked as wrangler marks it."""
        self.say(f"{self._paint('[wflow:info]', 'info')} {text}")

    def warn(self, text: str) -> None:
        """Say that something is not as it should be."""
        self.say(f"{self._paint('[wflow:warn]', 'warn')} {text}")

    def error(self, text: str) -> None:
        """Say that something is wrong."""
        self.say(f"{self._paint('[wflow:error]', 'error')} {text}")

    def clear(self) -> None:
        """Clear the screen."""
        if self._tty:
            sys.stderr.write("\x1b[2J\x1b[3J\x1b[H")
            sys.stderr.flush()

    async def follow(self, runner: Runner) -> None:
        """Print lines as they come, until cancelled."""
        if self._level == "none":
            return
        sieve = lines.Sieve(level=self._level)
        position = runner.feed.position
        while True:
            upto = await runner.changed(position)
            if upto is None:
                return
            try:
                records = (
                    await runner.store.tail(position, tags=sieve.tags, limit=PAGE) if upto > position else []
                )
            except StoreError as broken:
                self.error(broken.message)
                await asyncio.sleep(AGAIN_S)
                continue
            shown = [self.shown(line) for line in map(lines.line_of, records) if line and sieve.wants(line)]
            if shown:
                self.say("\n".join(shown))
            # A page that is not full had all there was, and that may be more than was heard of.
            read = records[-1].position if records else position
            position = read if len(records) == PAGE else max(upto, read)

    def shown(self, line: Line) -> str:
        """Show a line of the feed as one line of text, plus what does not fit in one below it."""
        mark = self._paint(f"[wflow:{line.level}]", line.level)
        if line.source in {"request", "queue"}:
            return f"{mark} {line.message}"
        parts = [mark, self._clock_at(line.at // 1000)]
        parts += filter(None, (line.workflow, line.instance, line.step, line.message))
        if line.kind == "settled" and isinstance(took := line.data.get("duration_ms"), int):
            parts.append(f"({lines.span(took)})")
        elif line.kind == "logged":
            detail = {key: value for key, value in line.data.items() if key not in _SHOWN_OTHERWISE}
            if detail:
                parts.append(json.dumps(detail, ensure_ascii=False, default=str))
        text = " ".join(parts)
        trace = line.data.get("trace")
        if isinstance(trace, str) and trace and line.level == "error":
            text += "".join(f"\n    {each}" for each in trace.rstrip().splitlines())
        return text

    def _clock_at(self, second: int) -> str:
        """Show the time of day; lines of one second, of which there may be thousands, have one text."""
        if second != self._second:
            self._second = second
            clock = datetime.fromtimestamp(second).astimezone().strftime("%H:%M:%S")
            self._clock = self._paint(clock, "debug")
        return self._clock

    def _paint(self, text: str, level: str) -> str:
        return f"\x1b[{_COLOURS[level]}m{text}\x1b[0m" if self._colours else text


_SHOWN_OTHERWISE: Final = frozenset({"duration_ms", "trace"})
