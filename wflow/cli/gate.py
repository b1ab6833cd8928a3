"""The gate before a deploy: how a version that is not live yet fits the instances that are not finished."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from wflow.cli import asking, fitting, migrating, output
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wflow.client.api import Api

PIN, MIGRATE, STOP = "pin", "migrate", "stop"
Instances = Literal["pin", "migrate", "stop"]
"""They stay where they are; those that fit go along; or nothing goes live if one does not fit."""

SAMPLE: Final = 100
ALL: Final = "all"
AT_ONCE: Final = 10_000
"""Instances that the API tries in one request."""
SHOWN: Final = 3
"""Differences that are shown in full, each with the number of those that have it."""
KEPT: Final = 1_000
"""Of those, the ones that are told to a program."""
_WHAT: Final = {
    PIN: "they finish on the versions they began with",
    MIGRATE: "those that fit go on in this one",
    STOP: "nothing goes live",
}


@dataclass(slots=True)
class Fit:
    """What came of the rehearsals: of ``total`` unfinished instances, how many were tried, and do not fit."""

    total: int = 0
    tried: int = 0
    misfits: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "total": self.total,
            "tried": self.tried,
            "fit": self.tried - self.misfits,
            "misfits": self.shown,
        }


def sample(given: str) -> int | None:
    """Read `--sample`: how many are tried, None is all; raises UsageError."""
    if given == ALL:
        return None
    if not given.isdecimal() or not int(given):
        raise UsageError(f"`--sample` is a number of instances, or `{ALL}`; it is {given[:40]!r}")
    return int(given)


def look(api: Api, worker: str, version: str, *, wanted: int | None) -> Fit:
    """Try a version on the unfinished instances of its Worker: so many of the newest, or all."""
    fit = Fit()
    cursor: str | None = None
    while True:
        left = None if wanted is None else min(wanted - fit.tried, AT_ONCE)
        answer = api.scripts.rehearse(worker, version, limit=left, cursor=cursor)
        misfits = [one for one in answer["tried"] if not one["fits"]]
        fit.total = answer["total"]
        fit.tried += len(answer["tried"])
        fit.misfits += len(misfits)
        fit.shown += misfits[: KEPT - len(fit.shown)]
        cursor = answer["cursor"]
        if cursor is None or fit.tried == wanted:
            return fit


def show(fit: Fit) -> None:
    """Print the verdict: the numbers, the first that do not fit in full, and how many more there are."""
    tried = f"{fit.tried:,} of {output.count(fit.total, 'unfinished instance')} tried"
    output.data(f"Rehearsal: {tried}, {fit.tried - fit.misfits:,} fit this version")
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in fit.shown:
        alike.setdefault((one["workflow_name"], *fitting.why(one)), []).append(one)
    left = fit.misfits
    for (workflow, first, *more), ones in list(alike.items())[:SHOWN]:
        others = f" and {len(ones) - 1:,} more" if len(ones) > 1 else ""
        output.data(f"  {workflow} {ones[0]['id']}{others}: {first}")
        for line in more:
            output.data(f"  {line}")
        left -= len(ones)
    if left:
        output.data(
            f"  and {output.count(left, 'more instance')} that {'does' if left == 1 else 'do'} not fit"
        )


def choose() -> str:
    """Ask what becomes of them."""
    return asking.chosen("What about the unfinished instances?", _WHAT, default=PIN)


def migrate(api: Api, workflows: Iterable[str], version: str) -> dict[str, int]:
    """Put the unfinished instances of these workflows on a version, those that fit; count both kinds."""
    counts: Counter[str] = Counter(migrated=0, stayed=0)
    for workflow in workflows:
        for id_ in migrating.unfinished(api, workflow, version):
            one = migrating.ask(api, workflow, id_, version)
            counts["migrated" if one["fits"] else "stayed"] += 1
            if not one["fits"] and counts["stayed"] <= SHOWN:
                output.warn(f"{workflow} {fitting.misfit(one)[0]}; it stays where it is")
    return dict(counts)
