"""`/workers/environments`: installing the packages of a version before it is uploaded, and how that goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.bundle import requirements
from wflow.errors import BundleError, InvalidInput, VersionNotFound
from wflow.server import bodies, queries
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from wflow.server.host import Installing
    from wflow.wire.shown import Shown


async def install(call: Call) -> Answer:
    """Begin, unless it is done already."""
    body = bodies.fields(await bodies.json(call.request), frozenset({"requirements"}))
    begun = call.host.environments.begin(_checked(body.get("requirements")))
    if begun is None:
        return Answer(result={"id": None, "state": "ready", "lines": [], "next": 0})
    return Answer(result=_shown(*begun, 0))


async def find(call: Call) -> Answer:
    """Tell how far it is, with the installer's lines from number `after` on."""
    name = call.part("environment")
    found = call.host.environments.find(name)
    if found is None:
        raise VersionNotFound(f"there is no installation {name[:80]!r}")
    return Answer(result=_shown(name, found, queries.number(call.query, "after") or 0))


def _checked(given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise InvalidInput("`requirements` must be an array of strings")
    if len(given) > requirements.REQUIRED:
        raise InvalidInput(f"`requirements` may have {requirements.REQUIRED} entries")
    try:
        checked = [requirements.checked(each, "`requirements`") for each in given]
    except BundleError as wrong:
        raise InvalidInput(wrong.message) from None
    return sorted({each for each in checked if each is not None})


def _shown(name: str, one: Installing, after: int) -> Shown:
    lines, first = list(one.lines), one.first
    state = "installing" if not one.over.is_set() else "ready" if one.failed is None else "failed"
    told: Shown = {
        "id": name,
        "state": state,
        "lines": lines[max(0, after - first) :],
        "next": first + len(lines),
    }
    return told if one.failed is None else {**told, "error": one.failed.message}


routes = [
    Route("POST", "/accounts/{account}/workers/environments", DEPLOY, install),
    Route("GET", "/accounts/{account}/workers/environments/{environment}", READ, find),
]
