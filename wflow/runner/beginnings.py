"""What runtimes were handed and have not begun, and how much more of it each may have.

It bounds the wait of whoever comes next. A runtime that is idle begins a turn within a few milliseconds; in
one whose instances have more to do than it can, a turn waits for all of theirs, and each that is begun makes
that longer. So beyond a number of running instances, the longer turns take to begin, the fewer it gets.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from wflow.runner.peer import FRESH

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.runner.peer import Peer

STUCK_MS: Final = 1_000
"""A runtime that begins nothing for so long does not count: its code blocks it, and others may go on."""
AT_WORK: Final = 512
"""Instances that a runtime may run however long it takes to begin one more: fewer would leave it idle."""
LEAST: Final = 16
"""Turns that any runtime may have at once that it has not begun."""
GOAL_MS: Final = 25
"""How long it should take until a turn that was handed over has begun."""


class Beginnings:
    """What was handed to each runtime, in order, as long as it is in its `Peer.fresh`."""

    def __init__(self, time: Callable[[], float], begun: Callable[[], None]) -> None:
        """Begin with none; ``time`` is the loop's, ``begun`` is called when there is room for many more."""
        self._time = time
        self._begun = begun
        self._paces: dict[Peer, _Pace] = {}

    def handed(self, peer: Peer, instance: int, workflow: str) -> None:
        """Note that a runtime was handed a turn of a workflow's."""
        if instance not in peer.fresh:
            return
        pace = self._paces.get(peer)
        if pace is None:
            pace = self._paces[peer] = _Pace()
            peer.on_fresh = partial(self._hear, peer, pace)
        pace.handed.append((self._time(), instance, workflow))
        pace.waiting[workflow] = pace.waiting.get(workflow, 0) + 1

    def count(self) -> dict[str, int]:
        """Count by workflow those that have not begun; one that began before others, until these have."""
        counts: dict[str, int] = {}
        for peer, pace in list(self._paces.items()):
            if not peer.alive:
                del self._paces[peer]
            elif not self._is_stuck(pace):
                for workflow, count in pace.waiting.items():
                    counts[workflow] = counts.get(workflow, 0) + count
        return counts

    def allowed(self, worker: str, version: str, strength: int) -> int:
        """Say how many a Worker's runtimes may have, of which ``strength`` run its current ``version``."""
        known = [
            peer
            for peer in self._paces
            # One on its way out gets nothing more, and must not stand for the one that takes its place.
            if peer.build is not None and peer.build.worker == worker and not peer.draining
        ]
        current = sum(peer.build is not None and peer.build.version == version for peer in known)
        allowed = sum(self._allowed(peer) for peer in known if not self._is_stuck(self._paces[peer]))
        return allowed + FRESH * max(0, strength - current)

    def _allowed(self, peer: Peer) -> int:
        at_work = len(peer.holds) - len(peer.fresh)
        return max(self._paces[peer].most, min(FRESH, AT_WORK - at_work))

    def _is_stuck(self, pace: _Pace) -> bool:
        return bool(pace.handed) and self._time() - pace.handed[0][0] > STUCK_MS / 1000

    def _hear(self, peer: Peer, pace: _Pace) -> None:
        """Hear that a runtime has begun some."""
        now, fresh = self._time(), peer.fresh
        while pace.handed and pace.handed[0][1] not in fresh:
            pace.learn(now)
        if len(fresh) <= self._allowed(peer) * 3 // 4:
            self._begun()


class _Pace:
    """How soon one runtime begins what it is handed, and how much that lets it have."""

    __slots__ = ("_learned_at", "handed", "most", "waiting")

    def __init__(self) -> None:
        self.handed: deque[tuple[float, int, str]] = deque()
        self.waiting: dict[str, int] = {}
        self.most = FRESH
        self._learned_at = 0.0

    def learn(self, now: float) -> None:
        """Take into account how long the first one took, once for all that were on their way together."""
        handed_at, _, workflow = self.handed.popleft()
        self.waiting[workflow] -= 1
        if not self.waiting[workflow]:
            del self.waiting[workflow]
        if handed_at <= self._learned_at:
            return
        self._learned_at = now
        took_ms = (now - handed_at) * 1000
        if took_ms > GOAL_MS:
            self.most = max(LEAST, int(self.most * max(0.5, GOAL_MS / took_ms)))
        else:
            self.most = min(FRESH, self.most + self.most // 4)
