"""Comments that silence findings on their line: `# wflow: ignore[WF101]` a rule, `# wflow: ignore` all."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_IGNORE: Final = re.compile(r"#\s*wflow:\s*ignore\b(?:\s*\[([^\]]*)\])?")


@dataclass(slots=True, kw_only=True)
class Comment:
    """One comment: where it stands, the rules it names (None: all), and those that it has silenced."""

    line: int
    column: int
    rules: tuple[str, ...] | None
    used: set[str] = field(default_factory=set)

    def idle(self) -> str | None:
        """Say what of it silences nothing, as it would be written; None when all of it does something."""
        if self.rules is None:
            return None if self.used else "# wflow: ignore"
        unused = [rule for rule in self.rules if rule not in self.used]
        return f"# wflow: ignore[{', '.join(unused)}]" if unused or not self.rules else None


@dataclass(slots=True, kw_only=True)
class Comments:
    """The comments of a file, by line."""

    lines: dict[int, Comment] = field(default_factory=dict)

    def silence(self, rule: str, *lines: int) -> bool:
        """Say whether a comment on one of the lines silences a rule, and remember that it did."""
        found = False
        for line in dict.fromkeys(lines):
            comment = self.lines.get(line)
            if comment is not None and (comment.rules is None or rule in comment.rules):
                comment.used.add(rule)
                found = True
        return found

    def idle(self) -> Iterator[tuple[Comment, str]]:
        """Give the comments that silence nothing, or not all that they name."""
        for comment in self.lines.values():
            named = comment.idle()
            if named is not None:
                yield comment, named


def comments_in(text: bytes) -> Comments:
    """Read the comments of a file that is Python."""
    found = Comments()
    if b"wflow:" not in text:
        return found
    for token in tokenize.tokenize(io.BytesIO(text).readline):
        if token.type == tokenize.COMMENT and (said := _IGNORE.search(token.string)):
            listed = None if said[1] is None else tuple(rule.strip() for rule in said[1].split(","))
            rules = None if listed is None else tuple(rule for rule in listed if rule)
            line, column = token.start
            found.lines[line] = Comment(line=line, column=column + said.start() + 1, rules=rules)
    return found
