"""The slots that are taken: the claims that live, each once, whoever has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wflow.runner.releases import Held


class Slots:
    """Live claims by instance, each with its epoch: an end that is heard twice, or late, changes no count."""

    def __init__(self) -> None:
        """Begin with none."""
        self._epochs: dict[int, int] = {}
        self._taken: dict[str, int] = {}

    def __len__(self) -> int:
        """Tell how many claims live."""
        return len(self._epochs)

    def taken(self, workflow: str) -> int:
        """Tell how many of a workflow's claims live."""
        return self._taken.get(workflow, 0)

    def take(self, claims: Iterable[Held]) -> None:
        """Note claims that live from now on; one that its instance had before is over."""
        for claim in claims:
            if claim.key not in self._epochs:
                self._taken[claim.workflow] = self._taken.get(claim.workflow, 0) + 1
            self._epochs[claim.key] = claim.epoch

    def free(self, claim: Held) -> None:
        """Note that a claim is over."""
        if self._epochs.get(claim.key) == claim.epoch:
            del self._epochs[claim.key]
            self._taken[claim.workflow] -= 1
            if not self._taken[claim.workflow]:
                del self._taken[claim.workflow]
