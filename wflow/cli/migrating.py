"""Instances asked, one by one, to go on in another version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wflow.errors import RunnerError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.client.api import Api

_PAGE: Final = 100


def ask(api: Api, workflow: str, id_: str, version: str | None, *, dry_run: bool = False) -> dict[str, Any]:
    """Have one migrated; what the runner refuses is told like what does not fit."""
    try:
        return api.instances.migrate(workflow, id_, version=version, dry_run=dry_run)
    except Unreachable:
        raise
    except RunnerError as refused:
        error = {"name": type(refused).__name__, "message": refused.message, "hint": refused.hint}
        return {"id": id_, "workflow_name": workflow, "fits": False, "migrated": False, "error": error}


def unfinished(api: Api, workflow: str, version: str | None) -> Iterator[str]:
    """Give the ids of those that are neither over nor on a version; each once, whatever becomes of it."""
    from wflow.engine import status

    seen: set[str] = set()
    for state in status.ALL:
        cursor: str | None = ""
        while state not in status.ENDED and cursor is not None:
            page = api.instances.list(workflow, status=state, per_page=_PAGE, cursor=cursor or None)
            for one in page.items:
                if one["version_id"] != version and one["id"] not in seen:
                    seen.add(one["id"])
                    yield one["id"]
            cursor = page.info.get("cursor") or None
