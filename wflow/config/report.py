"""Everything that is wrong with a file, collected and told at once."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Literal

from wflow.config.tree import Node, show_place
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wflow.config.lines import Place

_TOLD_MAX = 50


class Wrong(enum.Enum):
    """What a rule gives back in place of a value, after it told the report why."""

    WRONG = enum.auto()


WRONG: Final = Wrong.WRONG


class Report:
    """The problems and the notes about one file, in the order they were found, each once.

    ``top_keys`` are the keys of the top of the file: one of them further down is a misplaced one.
    """

    def __init__(self, name: str, top_keys: Iterable[str] = ()) -> None:
        """Begin an empty report about the file ``name``."""
        self.name = name
        self.json = name.endswith((".json", ".jsonc"))
        self.foreign = self.json or name.startswith("wrangler.")
        """The file is wrangler's, and may say what is not for us."""
        self.top_keys = frozenset(top_keys)
        self.problems: dict[tuple[Place, int | None, str], None] = {}
        self._notes: dict[str, None] = {}

    def __bool__(self) -> bool:
        """Tell whether anything is wrong; notes do not count."""
        return bool(self.problems)

    def wrong(self, node: Node, problem: str) -> Literal[Wrong.WRONG]:
        """Add a problem with a value that stands in the file."""
        return self.wrong_at(node.place, node.line, problem)

    def wrong_at(self, place: Place, line: int | None, problem: str) -> Literal[Wrong.WRONG]:
        """Add a problem with something that has no node: a missing key, a line that is no key."""
        self.problems[place, line, problem] = None
        return WRONG

    def stray(self, node: Node, problem: str) -> bool:
        """Add a problem with a key that means nothing to wflow, or a note if the file is wrangler's.

        Says whether it is a problem.
        """
        if self.foreign:
            self.note(node, f"{problem}; ignored")
        else:
            self.wrong(node, problem)
        return not self.foreign

    def note(self, node: Node, text: str) -> None:
        """Add something the person should know and need not mend."""
        where = f"{self.name}:{node.line}" if node.line else self.name
        self._notes[f"{where} {show_place(node.place)}: {text}"] = None

    def absorb(self, other: Report) -> None:
        """Take over the problems of ``other`` that point at a line."""
        self.problems |= {problem: None for problem in other.problems if problem[1] is not None}

    def notes(self) -> tuple[str, ...]:
        """Give the notes, in the order they were found."""
        return tuple(self._notes)

    def error(self, *, hint: str | None = None) -> ConfigError:
        """Tell all problems, by line; those without a line come last. At most 50 are told."""
        count = len(self.problems)
        rows = list(self._rows())
        width = max(len(where) for where, _ in rows) + 3
        lines = [f"  {where:<{width}}{problem}" for where, problem in rows[:_TOLD_MAX]]
        if count > _TOLD_MAX:
            lines.append(f"  and {count - _TOLD_MAX} more")
        noun = "problem" if count == 1 else "problems"
        return ConfigError(f"`{self.name}` has {count} {noun}\n\n" + "\n".join(lines), hint=hint)

    def _rows(self) -> Iterator[tuple[str, str]]:
        by_line = sorted(self.problems, key=lambda problem: (problem[1] is None, problem[1] or 0))
        for place, line, problem in by_line:
            where = f"{self.name}:{line}" if line else self.name
            yield where, f"{show_place(place)}: {problem}" if place else problem
