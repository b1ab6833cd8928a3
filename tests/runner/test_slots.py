from __future__ import annotations

from wflow.runner.holds import Hold
from wflow.runner.slots import Slots


def hold(key: int, epoch: int = 1, workflow: str = "orders") -> Hold:
    return Hold(key=key, epoch=epoch, workflow=workflow, id=f"i{key}")


def counts(slots: Slots) -> tuple[int, int, int]:
    return len(slots), slots.taken("orders"), slots.taken("returns")


def test_claims_are_counted_by_workflow():
    slots = Slots()
    slots.take([hold(1), hold(2), hold(3, workflow="returns")])
    assert counts(slots) == (3, 2, 1)
    slots.free(hold(2))
    slots.free(hold(3, workflow="returns"))
    assert counts(slots) == (1, 1, 0)


def test_an_end_that_is_heard_twice_counts_once():
    slots = Slots()
    slots.take([hold(1), hold(2)])
    slots.free(hold(1))
    slots.free(hold(1))
    assert counts(slots) == (1, 1, 0)


def test_an_end_that_is_heard_when_the_instance_is_claimed_anew_frees_nothing():
    slots = Slots()
    slots.take([hold(1, epoch=1)])
    slots.take([hold(1, epoch=2)])
    assert counts(slots) == (1, 1, 0)
    slots.free(hold(1, epoch=1))
    assert counts(slots) == (1, 1, 0)
    slots.free(hold(1, epoch=2))
    assert counts(slots) == (0, 0, 0)
