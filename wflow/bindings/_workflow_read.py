"""What user code says to a workflow's binding, read with its rules; and what it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from wflow.bindings import journal
from wflow.engine import names, status, values
from wflow.errors import InstanceNotFound, InvalidInput, Refused
from wflow.wire import shown
from wflow.wire import wanted as options
from wflow.wire.types import Start, Wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wflow.stores.store import Instance, Store

LIST_LIMIT: Final = 100
"""Instances in one page of a list; each may have params and an output of a MiB."""
LOCATIONS: Final = (
    "wnam",
    "enam",
    "sam",
    "weur",
    "eeur",
    "apac",
    "apac-ne",
    "apac-se",
    "oc",
    "afr",
    "me",
)
"""Cloudflare's places; an instance runs where its runner is."""
STEP_TYPES: Final = ("do", "sleep", "waitForEvent")

_SHARED: Final = ("params", "retention", "tags", "priority")
_CREATE: Final = ("id", *_SHARED, "locationHint", "location_hint")
_CAMEL: Final = ("successRetention", "errorRetention")
_SNAKE: Final = ("success_retention", "error_retention")
_FILTERS: Final = ("status", "tag", "limit", "cursor", "newest_first")


def wanted(given: object) -> Wanted:
    """Read the options of one instance; raises InvalidInput, and TooLarge for params over the limit."""
    asked = _mapping(given, "create", _CREATE)
    _location(asked.get("locationHint", asked.get("location_hint")))
    id_ = asked.get("id")
    return _wanted(asked, None if id_ is None else names.instance_id(id_))


def batch(given: object) -> Sequence[Wanted]:
    """Read a batch: a list of options, or how many are to have the same."""
    if isinstance(given, list):
        _size(len(given))
        return [_numbered(index, one) for index, one in enumerate(given)]
    asked = _mapping(given, "create_batch", ("count", *_SHARED))
    count = asked.get("count")
    if isinstance(count, bool) or not isinstance(count, int):
        raise InvalidInput(f"the `count` of a batch is a whole number, not {names.shown(count)}")
    _size(count)
    return [_wanted(asked, None)] * count


def ids(given: object) -> Sequence[str]:
    """Read the ids of a batch; one that no instance can have fails them all."""
    if not isinstance(given, list):
        raise InvalidInput(f"delete_batch takes a list of ids, not {names.shown(given)}")
    _size(len(given))
    return [names.instance_id(id_) for id_ in given]


def id_of(given: object) -> str:
    """Read the id of an instance that should exist: one that cannot be is not found."""
    try:
        return names.instance_id(given)
    except InvalidInput as wrong:
        raise InstanceNotFound(f"instance.not_found: {wrong.message}") from None


def start(given: object) -> Start | None:
    """Read from which step an instance is to run anew; None is from its beginning."""
    if given is None:
        return None
    asked = {"name": given} if isinstance(given, str) else _mapping(given, "from", ("name", "count", "type"))
    count, kind = asked.get("count"), asked.get("type")
    count = 1 if count is None else count
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= names.STEPS_MAX:
        raise InvalidInput(
            f"the `count` of a step is a whole number from 1 to {names.STEPS_MAX:,}, not {names.shown(count)}"
        )
    if kind is not None and kind not in STEP_TYPES:
        raise InvalidInput(f"the `type` of a step is one of {', '.join(STEP_TYPES)}, not {names.shown(kind)}")
    return Start(name=names.step_name(asked.get("name")), count=count, type=kind)


async def page(store: Store, workflow: str, given: object) -> object:
    """Give a page of a workflow's instances."""
    asked = _mapping(given, "list", _FILTERS)
    state, tag = asked.get("status"), asked.get("tag")
    if state is not None and state not in status.ALL:
        raise InvalidInput(f"a status is one of {', '.join(status.ALL)}, not {names.shown(state)}")
    limit = asked.get("limit", LIST_LIMIT)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= LIST_LIMIT:
        raise InvalidInput(f"a page has 1 to {LIST_LIMIT} instances, not {names.shown(limit)}")
    found = await store.find(
        workflow,
        status=state,
        tag=None if tag is None else options.tag(tag),
        after=_position(asked.get("cursor")),
        newest_first=asked.get("newest_first") is not False,
        limit=limit + 1,
    )
    listed = found[:limit]
    return {
        "instances": [_in_list(one) for one in listed],
        "cursor": str(listed[-1].key) if len(found) > limit else None,
    }


async def status_of(store: Store, instance: Instance, *, steps: bool) -> dict[str, object]:
    """Show an instance as Cloudflare's `InstanceStatus`, with more; to code it runs while it rolls back."""
    state = instance.status
    told: Any = {} if instance.shown is None else values.decode(instance.shown)
    known: dict[str, object] = {
        "status": status.RUNNING if state == status.ROLLING_BACK else state,
        "error": shown.kept_failure(instance.failure),
        "output": None if instance.output is None else values.decode(instance.output),
        "rollback": shown.rollback(instance.rollback),
        "progress": told.get("progress"),
        "state": told.get("state"),
        "tags": list(instance.tags),
    }
    if steps:
        known["steps"] = [shown.step(one) for one in await journal.steps(store, instance.key)]
    return known


def _wanted(asked: Mapping[str, Any], id_: str | None) -> Wanted:
    success_ms, error_ms = _retention(asked.get("retention"))
    tags = asked.get("tags")
    return Wanted(
        id=id_,
        params=values.encode(asked.get("params", {})),
        tags=() if tags is None else options.tags(tags),
        success_retention_ms=success_ms,
        error_retention_ms=error_ms,
        priority=options.priority(asked.get("priority", options.PRIORITY)),
    )


def _numbered(index: int, given: object) -> Wanted:
    try:
        return wanted(given)
    except Refused as wrong:
        raise type(wrong)(f"instances[{index}]: {wrong.message}", hint=wrong.hint) from None


def _retention(given: object) -> tuple[int | None, int | None]:
    if given is None:
        return None, None
    snake = isinstance(given, Mapping) and any(key in _SNAKE for key in given)
    return options.retention(given, "retention", _SNAKE if snake else _CAMEL)


def _location(hint: object) -> None:
    if hint is not None and hint not in LOCATIONS:
        raise InvalidInput(f"a location hint is one of {', '.join(LOCATIONS)}, not {names.shown(hint)}")


def _mapping(given: object, what: str, keys: Collection[str]) -> dict[str, Any]:
    takes = f"{', '.join(keys)}"
    if not isinstance(given, dict):
        raise InvalidInput(f"{what} takes a mapping with {takes}, not {names.shown(given)}")
    for key in given:
        if key not in keys:
            raise InvalidInput(f"{what} has no option {names.shown(key)}; it takes {takes}")
    return given


def _size(count: int) -> None:
    if not 1 <= count <= names.BATCH:
        raise InvalidInput(f"a batch has 1 to {names.BATCH} instances, not {count}")


def _position(cursor: object) -> int | None:
    if cursor is None:
        return None
    if isinstance(cursor, str) and cursor.isascii() and cursor.isdigit() and len(cursor) <= 18:
        return int(cursor)
    raise InvalidInput(f"a cursor is one that a page of this list gave, not {names.shown(cursor)}")


def _in_list(one: Instance) -> dict[str, object]:
    return {
        "id": one.id,
        "status": one.status,
        "tags": list(one.tags),
        "versionId": one.version,
        "createdOn": shown.moment(one.created_at),
        "modifiedOn": shown.moment(one.modified_at),
        "startedOn": shown.moment(one.started_at),
        "endedOn": shown.moment(one.ended_at),
    }
