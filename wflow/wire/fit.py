"""How an unfinished instance fits a version: as the API shows it, and as lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from wflow.engine import divergence
from wflow.engine.divergence import Divergence
from wflow.wire.shown import Shown, failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.wire.types import Rehearsal


def shown(one: Rehearsal) -> Shown:
    """Show a rehearsal: the instance, the version it is on, and the verdict."""
    verdict = one.verdict
    return {
        "id": one.id,
        "workflow_name": one.workflow,
        "version_id": one.version,
        "status": one.status,
        "fits": verdict.clean,
        "heard": verdict.heard,
        "recorded": verdict.recorded,
        "error": None if verdict.failure is None else failure(verdict.failure),
        "divergence": None if verdict.divergence is None else msgspec.to_builtins(verdict.divergence),
    }


def why(given: Mapping[str, Any]) -> list[str]:
    """Say why an instance, as `shown` gives it, does not fit, in lines: journal against code, and the guess.

    The ways out are left out: they are about an instance that stands still already.
    """
    error = given.get("error") or {}
    what, *more = str(error.get("message", "it is not known why")).splitlines() or [""]
    parted = given.get("divergence")
    if parted is not None:
        told = msgspec.convert({**parted, "ways": []}, Divergence)
        return divergence.told(told, what).splitlines()
    return [what, *(f"  {line.strip()}" for line in more)]
