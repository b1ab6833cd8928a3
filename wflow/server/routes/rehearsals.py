"""`.../versions/{id}/rehearsals`: how the unfinished instances of a Worker fit a version of it."""

from __future__ import annotations

from typing import Final

from wflow.errors import InvalidInput
from wflow.server import queries
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY
from wflow.wire import fit

SAMPLE: Final = 100
"""Instances that are tried when nobody says how many."""
MOST: Final = 10_000
ALL: Final = "all"


async def rehearse(call: Call) -> Answer:
    """Try up to `limit` instances, or `all`, newest first; `cursor` goes on where the last answer ended."""
    after = queries.number(call.query, "cursor", at_least=1)
    found = await call.host.rehearse(
        call.part("script"), call.part("version"), limit=_limit(call), after=after
    )
    return Answer(
        result={
            "total": found.total,
            "tried": [fit.shown(one) for one in found.tried],
            "cursor": None if found.after is None else str(found.after),
        }
    )


def _limit(call: Call) -> int | None:
    given = queries.text(call.query, "limit")
    if given is None:
        return SAMPLE
    if given == ALL:
        return None
    try:
        return queries.number(call.query, "limit", at_least=1, at_most=MOST)
    except InvalidInput as wrong:
        raise InvalidInput(f"{wrong.message}, and no {ALL!r} either") from None


routes = [
    Route(
        "POST", "/accounts/{account}/workers/scripts/{script}/versions/{version}/rehearsals", DEPLOY, rehearse
    ),
]
