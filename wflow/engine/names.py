"""The names people may choose and the limits on everything that grows; README lists them all."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from wflow.errors import InvalidInput

KIB: Final = 1024
MIB: Final = 1024 * KIB
SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

# Cloudflare's documented limits (developer documentation, "Workflows limits").
VALUE_BYTES: Final = 1 * MIB
"""A step's result, an instance's params and output, an event's payload; each."""
STATE_BYTES: Final = 1_024 * MIB
"""The results of all steps of one instance together."""
STEPS: Final = 10_000
"""Steps of one instance, unless its workflow sets another limit."""
STEPS_MAX: Final = 25_000
RETRIES_MAX: Final = 10_000
WAIT_MS_MAX: Final = 365 * DAY_MS
"""The longest sleep, wait and retry delay."""
EVENT_WAIT_MS: Final = 24 * HOUR_MS
"""How long `wait_for_event` waits when it is not told."""
WAIT_MS_MIN: Final = 1 * SECOND_MS
"""The shortest wait for an event or a child, and between two checks of a poll."""
BATCH: Final = 100
"""Instances in one `create_batch`."""
HANDLE_S: Final = 15 * 60.0
"""How long a handler, `queue` or `scheduled`, may take with one event."""
RETENTION_MS: Final = 7 * DAY_MS
"""How long an instance that is over is kept, unless it or its workflow says otherwise."""
RETENTION_MS_MAX: Final = 365 * DAY_MS
STEP_NAME_CHARS: Final = 256
WORKFLOW_NAME_CHARS: Final = 64
INSTANCE_ID_CHARS: Final = 100
EVENT_TYPE_CHARS: Final = 100

# Our own.
RUNNING: Final = 50_000
"""Instances that run at once on one runner; the rest queue."""
QUEUED: Final = 2_000_000
"""Instances of one workflow that may be queued."""
SHOWN_BYTES: Final = 64 * KIB
"""What the status shows of an instance's progress and state, as it is kept."""
EVENTS_BUFFERED: Final = 10_000
"""Events one instance may hold that nobody has awaited yet."""
LOG_LINE_CHARS: Final = 16 * KIB
"""A longer log message is cut and says so."""
TRACE_CHARS: Final = 16 * KIB
"""A longer traceback keeps its end."""
NESTING: Final = 100
"""How deep lists and dicts may nest in a value."""

ROLLBACK: Final = "rollback:"
"""What the keys of rollbacks begin with, and hence no name of a step may."""
PATCHED: Final = "patched:"
"""What the keys begin with by which a journal notes changes of the code; the rest is the id of the change."""
PATCHES: Final = 1_000
"""Changes that one instance takes in."""

_WORKFLOW = re.compile(rf"[a-zA-Z0-9_][a-zA-Z0-9_-]{{0,{WORKFLOW_NAME_CHARS - 1}}}")
_INSTANCE = re.compile(rf"[a-zA-Z0-9_][a-zA-Z0-9_-]{{0,{INSTANCE_ID_CHARS - 1}}}")
_EVENT = re.compile(rf"[a-zA-Z0-9_][a-zA-Z0-9_-]{{0,{EVENT_TYPE_CHARS - 1}}}")
_UNREADABLE = re.compile(r"[\x00-\x1f\ud800-\udfff]")


def workflow_name(name: object) -> str:
    """Check a workflow's name; raises InvalidInput with Cloudflare's sentence."""
    if isinstance(name, str) and _WORKFLOW.fullmatch(name):
        return name
    raise InvalidInput(
        "Workflow names must be 1-64 characters long, start with a letter, number, or underscore, "
        f"and may only contain letters, numbers, underscores, or hyphens; got {shown(name)}"
    )


def instance_id(given: object) -> str:
    """Check an instance's id; raises InvalidInput."""
    if isinstance(given, str) and _INSTANCE.fullmatch(given):
        return given
    raise InvalidInput(
        f"an instance id is 1-{INSTANCE_ID_CHARS} letters, digits, `_` or `-`, and starts with no `-`; "
        f"got {shown(given)}"
    )


def event_type(given: object) -> str:
    """Check an event's type; raises InvalidInput."""
    if isinstance(given, str) and _EVENT.fullmatch(given):
        return given
    raise InvalidInput(
        f"an event type is 1-{EVENT_TYPE_CHARS} letters, digits, `_` or `-`, and starts with no `-`; "
        f"got {shown(given)}"
    )


def step_name(given: object) -> str:
    """Check a step's name; raises InvalidInput."""
    if not isinstance(given, str) or not _is_readable(given):
        raise InvalidInput(
            f"a step name is 1-{STEP_NAME_CHARS} characters of Unicode without control characters; "
            f"got {shown(given)}"
        )
    if given.startswith(ROLLBACK):
        raise InvalidInput(
            f"a step name does not begin with {ROLLBACK!r}, which is kept for rollbacks; got {shown(given)}"
        )
    return given


@lru_cache(maxsize=1024)
def _is_readable(name: str) -> bool:
    return 0 < len(name) <= STEP_NAME_CHARS and not _UNREADABLE.search(name)


def cut(text: str) -> str:
    """Cut a text that is longer than a log line, and say so at its end."""
    if len(text) <= LOG_LINE_CHARS:
        return text
    told = f"... ({len(text):,} characters)"
    return text[: LOG_LINE_CHARS - len(told)] + told


def shown(given: object) -> str:
    """Show a value in a message: short, and whatever it is."""
    try:
        text = repr(given)
    except Exception:  # noqa: BLE001 - its repr is the user's, and a number may have too many digits for one
        text = f"a {type(given).__qualname__}"
    return text if len(text) <= 80 else f"{text[:77]}..."
