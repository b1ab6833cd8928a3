"""Pages: of a list that is there, and of a workflow's instances by cursor, number and instants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from wflow.engine import status as statuses
from wflow.errors import InvalidInput
from wflow.server import queries
from wflow.stores.store import Instance
from wflow.wire import wanted as checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import QueryParams

    from wflow.stores.store import Store

T = TypeVar("T")

PER_PAGE: Final = 25
PER_PAGE_MAX: Final = 100
SKIPPED_MAX: Final = 10_000
"""How many instances with a tag may lie before a numbered page; beyond that a cursor is the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which instances; `cursor` is the key of the last one that was seen, instants are inclusive."""

    newest_first: bool
    per_page: int
    status: str | None
    tag: str | None
    cursor: int | None
    page: int | None
    since: int | None
    until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some instances; ``cursor`` leads on to the next, None at the end."""

    instances: list[Instance]
    cursor: int | None


def cut(
    query: QueryParams, found: Sequence[T], *, per_page: int = PER_PAGE
) -> tuple[Sequence[T], dict[str, object]]:
    """Take the page that is asked for, and tell what it is a page of; raises InvalidInput."""
    page = queries.number(query, "page", at_least=1) or 1
    per_page = queries.number(query, "per_page", at_least=1, at_most=PER_PAGE_MAX) or per_page
    start = (page - 1) * per_page
    listed = found[start : start + per_page]
    return listed, {
        "page": page,
        "per_page": per_page,
        "count": len(listed),
        "total_count": len(found),
        "total_pages": -(-len(found) // per_page),
    }


def wanted(query: QueryParams, *, now: int) -> Wanted:
    """Read what a list is asked for; raises InvalidInput."""
    cursor = queries.number(query, "cursor")
    page = queries.number(query, "page", at_least=1)
    if cursor is not None and page is not None:
        raise InvalidInput("`cursor` and `page` exclude each other")
    per_page = queries.number(query, "per_page", at_least=1, at_most=PER_PAGE_MAX) or PER_PAGE
    tag = queries.text(query, "tag")
    if page is not None and tag is not None and (page - 1) * per_page > SKIPPED_MAX:
        raise InvalidInput(
            f"`page` reaches {SKIPPED_MAX:,} instances with a tag far at the most",
            hint="go on with `cursor` from `result_info`",
        )
    return Wanted(
        newest_first=queries.choice(query, "direction", ("asc", "desc")) != "asc",
        per_page=per_page,
        status=queries.choice(query, "status", statuses.ALL),
        tag=None if tag is None else checked.tag(tag),
        cursor=cursor,
        page=page,
        since=queries.moment(query, "date_start", now=now),
        until=queries.moment(query, "date_end", now=now),
    )


async def read(store: Store, workflow: str, asked: Wanted) -> Page:
    """Read one page."""
    first = 0 if asked.since is None else await _first_key_from(store, workflow, asked.since)
    last = (
        queries.BIGGEST
        if asked.until is None
        else await _first_key_from(store, workflow, asked.until + 1) - 1
    )
    found = await store.find(
        workflow,
        status=asked.status,
        tag=asked.tag,
        after=_start(asked, first, last),
        newest_first=asked.newest_first,
        limit=asked.per_page + 1,
        skip=0 if asked.page is None else (asked.page - 1) * asked.per_page,
    )
    found = [one for one in found if first <= one.key <= last]
    there_is_more = len(found) > asked.per_page
    listed = found[: asked.per_page]
    return Page(instances=listed, cursor=listed[-1].key if there_is_more else None)


def _start(asked: Wanted, first: int, last: int) -> int:
    """Give the key beyond which to read."""
    if asked.newest_first:
        return last + 1 if asked.cursor is None else min(asked.cursor, last + 1)
    return first - 1 if asked.cursor is None else max(asked.cursor, first - 1)


async def _first_key_from(store: Store, workflow: str, at: int) -> int:
    """Give the key before which all of a workflow's instances are older than the instant ``at``.

    Keys are given in order of time, so that halving finds it.
    """
    newest = await store.find(workflow, limit=1)
    low, high = 0, newest[0].key + 1 if newest else 0
    while low < high:
        middle = (low + high) // 2
        found = await store.find(workflow, after=middle + 1, limit=1)
        if found and found[0].created_at >= at:
            high = found[0].key
        else:
            low = middle + 1
    return low
