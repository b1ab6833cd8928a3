"""How an instance is described to a person: its own facts, then its steps with their attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wflow.cli import output, values, when

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Shown = Mapping[str, Any]

_SUCCESS: Final = {True: "Yes", False: "No", None: "not yet"}
_PARAMS_CHARS: Final = 1_000
_KINDS: Final = {"step": "Step", "sleep": "Sleep", "waitForEvent": "Wait for event"}


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
    yield "Version Id", found["versionId"] or ""
    yield "Status", found["status"]
    yield "Trigger", found["trigger"]["source"]
    yield "Params", values.short(found["params"], _PARAMS_CHARS)
    yield "Queued", when.exact(found["queued"])
    yield "Success", _SUCCESS[found["success"]]
    yield "Start", when.exact(found["start"]) or "not yet"
    if found["end"]:
        yield "End", when.exact(found["end"])
        yield "Duration", when.took(found["start"], found["end"])
    done = [step for step in found.get("steps") or [] if step["success"] and step["end"]]
    if done:  # the last one by the clock, because branches run beside each other
        yield "Last Successful Step", max(done, key=lambda step: step["end"])["name"]
    if found["error"]:
        yield "Error", _error(found["error"])
    if found["success"] and outputs is not None:
        yield "Output", values.short(found["output"], outputs)


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
    if step["end"]:
        yield "End", when.exact(step["end"])
        yield "Duration", when.took(step["start"], step["end"])
    elif step.get("until"):
        yield "Until", when.exact(step["until"])
    yield "Success", _SUCCESS[step["success"]]
    if step.get("retry_at") and not step["end"]:
        yield "Retries At", when.exact(step["retry_at"])
    if step.get("error"):
        yield "Error", _error(step["error"])
    if step["success"] and outputs is not None and step["type"] != "sleep":
        yield "Output", values.short(step["output"], outputs)


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


def _error(error: Shown) -> str:
    told = f"{error['name']}: {error['message']}"
    return f"{told}\n{error['trace'].rstrip()}" if error.get("trace") else told
