"""How an instance is described to a person: its own facts, then its steps with their attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wflow.cli import output, values, when

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Shown = Mapping[str, Any]

_SUCCESS: Final = {True: "Yes", False: "No", None: "not yet"}
_CUT: Final = "[truncated output]"
"""How an output ends that the API has cut."""
_GIVING: Final = ("step", "waitForEvent")
_PARAMS_CHARS: Final = 1_000
_KINDS: Final = {
    "step": "Step",
    "sleep": "Sleep",
    "waitForEvent": "Wait for event",
    "rollback": "Rollback",
}


def show(workflow: str, found: Shown, *, outputs: int | None) -> None:
    """Print an instance as the API gives it; ``outputs`` is how many characters of a step's, None is none."""
    output.data(f"Instance {output.printable(found['id'])} of {workflow}:")
    output.fields(_facts(workflow, found, outputs), indent=2)
    steps = found.get("steps") or []
    output.data("\nSteps:" if steps else "\nSteps:  none yet")
    for number, step in enumerate(steps, 1):
        if number > 1:
            output.data("")
        _show_step(step, number, outputs)


def _facts(workflow: str, found: Shown, outputs: int | None) -> Iterator[tuple[str, str]]:
    yield "Workflow Name", workflow
    yield "Instance Id", found["id"]
    yield "Version Id", _version(found)
    yield "Status", found["status"]
    yield "Trigger", found["trigger"]["source"]
    if found.get("tags"):
        yield "Tags", ", ".join(found["tags"])
    if found.get("priority"):
        yield "Priority", str(found["priority"])
    if found.get("concurrency_key") is not None:
        yield "Concurrency Key", found["concurrency_key"]
    yield "Params", values.short(found["params"], _PARAMS_CHARS)
    yield "Queued", when.exact(found["queued"])
    yield "Success", _SUCCESS[found["success"]]
    yield "Start", when.exact(found["start"]) or "not yet"
    if found["end"]:
        yield "End", when.exact(found["end"])
        yield "Duration", when.took(found["start"], found["end"])
    if found.get("expires_on"):
        yield "Kept Until", when.exact(found["expires_on"])
    if found.get("progress"):
        yield "Progress", _progress(found["progress"])
    if found.get("state") is not None:
        yield "State", values.short(found["state"], _PARAMS_CHARS)
    forward = [step for step in found.get("steps") or [] if step["type"] != "rollback"]
    done = [step for step in forward if step["success"] and step["end"]]
    if done:  # the last one by the clock, because branches run beside each other
        yield "Last Successful Step", max(done, key=lambda step: step["end"])["name"]
    if found["error"]:
        yield "Error", _error(found["error"])
    if rollback := found["rollback"]:
        error = rollback["error"]
        yield "Rollback", f"failed: {_error(error)}" if error else rollback["outcome"]
    if found["success"] and outputs is not None:
        yield "Output", values.short(found["output"], outputs)


def _version(found: Shown) -> str:
    number = found.get("version_number")
    return found["versionId"] if number is None else f"{found['versionId']} (number {number})"


def _show_step(step: Shown, number: int, outputs: int | None) -> None:
    output.data(f"  {number}. {output.printable(step['name'])}")
    output.fields(_step_facts(step, outputs), indent=5)
    attempts = step.get("attempts") or []
    if attempts:
        output.data("     Attempts:")
        head = ("Start", "End", "Duration", "State", "Error")
        output.table(head, [_attempt(attempt) for attempt in attempts], indent=7)


def _step_facts(step: Shown, outputs: int | None) -> Iterator[tuple[str, str]]:
    yield "Type", _KINDS.get(step["type"], str(step["type"]))
    yield "Start", when.exact(step["start"])
    if step["end"] and step["finished"]:
        yield "End", when.exact(step["end"])
        yield "Duration", when.took(step["start"], step["end"])
    elif step["end"]:
        yield "Until", when.exact(step["end"])
    if step.get("event_type"):
        yield "Event Type", step["event_type"]
    yield "Success", _SUCCESS[step["success"]]
    if step.get("retry_at") and not step["end"]:
        yield "Retries At", when.exact(step["retry_at"])
    if step.get("error"):
        yield "Error", _error(step["error"])
    if step["success"] and outputs is not None and step["type"] in _GIVING:
        yield "Output", _output(step["output"], outputs)


def _attempt(attempt: Shown) -> tuple[str, ...]:
    state = {True: "Success", False: "Error", None: "Working"}[attempt["success"]]
    error = attempt["error"]
    return (
        when.exact(attempt["start"]),
        when.exact(attempt["end"]),
        when.took(attempt["start"], attempt["end"]),
        state,
        f"{error['name']}: {error['message']}" if error else "",
    )


def _progress(progress: Shown) -> str:
    """Say `1 of 4 (25%), beginning`."""
    done, total, message = progress["done"], progress["total"], progress["message"]
    share = f" ({100 * done / total:.0f}%)" if total else ""
    return f"{done:g} of {total:g}{share}" + (f", {message}" if message else "")


def _output(given: object, limit: int) -> str:
    """Write an output in one line; one that the API cut is the beginning of its JSON already."""
    if isinstance(given, str) and given.endswith(_CUT):
        start = given.removesuffix(_CUT)[:limit]
        return f"{start}{values.TRUNCATED}"
    return values.short(given, limit)


def _error(error: Shown) -> str:
    told = f"{error['name']}: {error['message']}"
    return f"{told}\n{error['trace'].rstrip()}" if error.get("trace") else told
