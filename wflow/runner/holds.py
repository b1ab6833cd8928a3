"""What the runner keeps of a claim while a runtime has it: who it is, and nothing of what it works on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from wflow.stores.store import Claim

if TYPE_CHECKING:
    from wflow.stores.store import Instance, Past


class Hold(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A claim that a runtime has. Tens of thousands may be held at once, whose params may take a MiB each."""

    key: int
    epoch: int
    workflow: str
    id: str
    pausing: bool = False
    died: bool = False


def held(claim: Claim) -> Hold:
    """Make what is kept of a claim once a runtime has it."""
    return Hold(
        key=claim.key,
        epoch=claim.epoch,
        workflow=sys.intern(claim.workflow),
        id=claim.id,
        pausing=claim.pausing,
        died=claim.died,
    )


def claimed(hold: Hold, instance: Instance, past: Past) -> Claim:
    """Make the claim anew, of what the store has of its instance."""
    return Claim(
        key=hold.key,
        epoch=hold.epoch,
        workflow=hold.workflow,
        id=hold.id,
        version=instance.version,
        created_at=instance.created_at,
        params=instance.params,
        seq=past.seq,
        has_events=bool(past.events),
        started_at=instance.started_at or 0,
        seed=instance.seed,
        pausing=hold.pausing,
        died=hold.died,
        shown=instance.shown,
    )
