"""The model of a store, played with little but what decides who goes next: keys, priorities, places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.stores.model import StoreAgainstModel
from wflow.engine import status

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.stores.store import Claim


class LinesAgainstModel(StoreAgainstModel):
    """Many of few keys, claimed by bounds that change; in the end each must have its turn."""

    create = create_again = bear = say = receive = tell = deliver = retire = None  # type: ignore[assignment]

    @rule(target=StoreAgainstModel.instances, priority=st.sampled_from([3, 3, 1, 5]))
    def another_of_ann(self, priority: int) -> Any:
        return self.made(priority=priority, concurrency_key="ann")

    def teardown(self) -> None:
        try:
            self.nobody_is_forgotten()
        finally:
            super().teardown()

    def nobody_is_forgotten(self) -> None:
        """End what is claimed, again and again: whoever is not paused or over must be claimed some time."""
        self.now += 10
        for one in list(self.model.values()):
            if one.claim is not None:
                self.finish(one.claim)
        waiting = {
            key
            for key, one in self.model.items()
            if one.status == status.QUEUED or (one.wake_at is not None and not one.over)
        }
        while waiting:
            claims: list[Claim] = self.run(self.shop.claim(3, now=self.now, per_key={"shop": 1}))
            assert claims, f"{sorted(waiting)} are queued or due, and nobody may go"
            keys = [self.model[claim.key].under for claim in claims]
            assert all(keys.count(under) == 1 for under in keys if under is not None)
            for claim in claims:
                waiting.remove(claim.key)
                self.model[claim.key].claim = claim
                self.finish(claim)

    def finish(self, claim: Claim) -> None:
        assert self.run(self.shop.end(claim, at=self.now)) == []


def play(urls: Callable[[], str]) -> None:
    """Let Hypothesis play, on a new store each time."""
    shorter = settings(max_examples=settings().max_examples // 3, stateful_step_count=40)
    run_state_machine_as_test(lambda: LinesAgainstModel(urls()), settings=shorter)  # type: ignore[arg-type]
