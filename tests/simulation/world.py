"""The world of a simulation: a runner that does what a runner does, as badly as a schedule says."""

from __future__ import annotations

import itertools
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tests.simulation.clock import EPOCH_MS, Endless, VirtualLoop, virtual
from tests.simulation.crew import START_MS, Crew
from tests.simulation.process import Process, flows_of, reply
from tests.simulation.record import Recorder
from tests.simulation.schedules import ASKS
from tests.simulation.store import Store
from wflow.engine import values
from wflow.engine.changes import Ended, Held, Rested
from wflow.engine.requests import CANCEL, ROLL_BACK
from wflow.errors import InstanceEnded, InvalidInput
from wflow.link import frames
from wflow.runner import translate
from wflow.stores.store import Claim, New

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.schedules import Case, Mishap, Sent
    from wflow.stores.store import Delivery

DRAIN_MS = 5_000
KEEP_MS = 60
BEFORE = ("crash", "fence", "reload", "twice", "handback", "keep")
"""Mishaps that come before a commit is kept."""
FINALLY_MS = 90_000_000
"""When whatever is paused goes on: later than anything that a body waits for."""


def play(case: Case) -> World:
    """Play a case to its end, and give the world as it is then."""
    with virtual() as loop:
        world = World(case, loop)
        for what in (world.begin, world.end):
            try:
                loop.play(what)
            except Endless as endless:
                world.record.wrong.append(("endless", str(endless)))
        return world


class World:
    """See the module."""

    def __init__(self, case: Case, loop: VirtualLoop) -> None:
        self.case = case
        self.loop = loop
        self.store = Store(loop.now)
        self.record = Recorder(self.store, loop.now)
        self._schedule = case.schedule
        self._flows = flows_of(case.program)
        self._link = itertools.cycle(self._schedule.link)
        self._delays = itertools.cycle(self._schedule.store)
        self._stored_at = 0.0
        self._crew = Crew(self._schedule.processes, self._process, self._after)
        self._journeys: dict[int, list[Any]] = {}
        self._twice = False
        self._look_at: Any = None
        self._swapped: list[tuple[Process, frames.Acked]] = []
        self.commits = 0
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        self.store.create(_new("main", "one", self.loop.now()))
        for one in self.case.sent:
            self._at(one.ms, partial(self._send, one))
        for mishap in self._schedule.mishaps:
            if mishap.ms is not None:
                self._at(mishap.ms, partial(self._mishap, mishap))
        self._at(FINALLY_MS, self._resume_all)
        self._look()

    @property
    def figures(self) -> Counter[str]:
        """Count what there was."""
        instances = self.store.instances.values()
        return self.counts + Counter(
            schedules=1,
            several=self._schedule.processes > 1,
            instances=len(instances),
            claims=sum(one.epoch for one in instances),
            facts=sum(len(one.journal) for one in instances),
            commits=self.commits,
            calls=len(self.record.calls),
            processes=len(self._crew.everyone),
            replays=self.record.passes - len(instances),
        )

    def end(self) -> None:
        for process in self._crew.everyone:
            process.crash()

    def _process(self, number: int) -> Process:
        return Process(number, self._flows, self.loop, self._link, said=self._said, watch=self.record.watch)

    def _at(self, ms: float, what: Callable[[], object]) -> None:
        self.loop.call_at(ms / 1000, what)

    def _after(self, ms: float, what: Callable[[], object]) -> None:
        if ms:
            self.loop.call_later(ms / 1000, what)
        else:
            self.loop.call_soon(what)

    def _store(self, what: Callable[[], object]) -> None:
        """Have the store do something, when it has done what came before."""
        at = max(self._stored_at, self.loop.time() + next(self._delays) / 1000)
        self._stored_at = at + 1e-7
        self.loop.call_at(at, what)

    # -- what people do ------------------------------------------------------------------------------------

    def _send(self, sent: Sent) -> None:
        flow = "main" if sent.to == 0 else f"child{sent.to - 1}"
        for one in [one for one in self.store.instances.values() if one.new.workflow == flow]:
            if not one.over:
                self._ask(one.key, sent.what)

    def _ask(self, key: int, what: str) -> None:
        one, now = self.store.instances[key], self.loop.now()
        if what in ("cancel", "rollBack") and one.started_at is None:
            what = "terminate"
        if what not in ASKS:
            payload = values.encode(f"{what} {self.record.sent(key, what)}")
            self._deliver([self.store.deliver(key, what, payload, now)])
        elif what in ("cancel", "rollBack"):
            type_ = CANCEL if what == "cancel" else ROLL_BACK
            self._deliver([self.store.deliver(key, type_, b"\xc0", now)])
        elif (moved := self.store.move(key, what, now)) is not None:
            held, deliveries = moved
            holder = self._crew.holder(key)
            if held:
                self._steer(key, holder, pausing=what == "pause")
            else:
                self._drop(key)
            self._deliver(deliveries)
        self._look()

    def _steer(self, key: int, holder: Process | None, *, pausing: bool) -> None:
        if holder is not None:
            holder.holds[key] = replace(holder.holds[key], pausing=pausing)
            holder.send(frames.Steer(key, pausing))
        elif (journey := self._journeys.get(key)) is not None:
            journey[0] = replace(journey[0], pausing=pausing)

    def _drop(self, key: int) -> None:
        self._journeys.pop(key, None)
        for process in self._crew.everyone:
            if key in process.holds or key in process.hot:
                process.holds.pop(key, None)
                process.hot.discard(key)
                process.send(frames.Drop([key]))

    def _resume_all(self) -> None:
        for key, one in list(self.store.instances.items()):
            if not one.over:
                self._ask(key, "resume")

    def _deliver(self, deliveries: Sequence[Delivery | None]) -> None:
        for one in deliveries:
            if one is None:
                continue
            holder = self._crew.holder(one.key) if one.claimed else None
            if holder is not None:
                self._send_to(holder, frames.Deliver(one.key, one.event))
            elif one.key in self._journeys:
                self._journeys[one.key].append(one.event)
        self._look()

    def _send_to(self, process: Process, message: object) -> None:
        """Send a message, or what the echo makes of it."""
        process.send(message)
        if self._schedule.echo:
            self.counts["duplicates"] += 1
            process.send(message)

    # -- what goes wrong -----------------------------------------------------------------------------------

    def _mishap(self, mishap: Mishap, by: Process | None = None) -> None:
        crew = self._crew.members
        if not crew:
            return
        process = by or crew[mishap.of % len(crew)]
        match mishap.what:
            case "crash" | "kept":
                self._crash(process)
            case "fence":
                self.counts["fences"] += 1
                self._crew.strike(process)
                self._release(process, list(process.holds.values()), died=True)
            case "reload":
                self.counts["reloads"] += 1
                # Each goes on with what it has until one that is new is there in its place.
                for number, one in enumerate(list(crew)):
                    self._crew.strike(one)
                    self._after(number * START_MS, partial(self._drain, one))
            case "handback" | "keep":
                self.counts["handbacks"] += 1
                process.send(frames.HandBack(list(process.holds)))
                if mishap.what == "keep":
                    self._after(KEEP_MS, lambda: process.send(frames.Keep(list(process.holds))))
            case "evict":
                self._evict(process)
            case "twice":
                self._twice = True
        self._look()

    def _crash(self, process: Process) -> None:
        self.counts["crashes"] += 1
        process.crash()
        self._crew.strike(process)
        self._after(self._schedule.late, lambda: self._release(process, [*process.holds.values()], died=True))

    def _drain(self, process: Process) -> None:
        process.draining = True
        process.hot.clear()
        process.send(frames.Drain())
        self._after(DRAIN_MS, partial(self._end, process))

    def _end(self, process: Process) -> None:
        if not process.dead:
            process.crash()
            self._release(process, list(process.holds.values()))

    def _happens(self, commit: int, whats: tuple[str, ...], process: Process) -> None:
        """Let happen what is to happen at a commit, if it is of a process that counts."""
        for one in self._schedule.mishaps:
            if one.commit == commit and one.what in whats and process in self._crew.members:
                self._mishap(one, process)

    # -- claims --------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Claim what is due as soon as it is."""
        due = self.store.due_at()
        if self._look_at is not None:
            self._look_at.cancel()
            self._look_at = None
        if due is not None:
            at = max(self.loop.time(), (due - EPOCH_MS) / 1000 if due else 0)
            self._look_at = self.loop.call_at(at, self._claim)

    def _claim(self) -> None:
        self._look_at = None
        self._crew.muster(self._claim)
        if not self._crew.members:
            return
        for claim in self.store.claim(self.loop.now()):
            self._journeys[claim.key] = [claim]
            self._store(partial(self._hand_out, claim.key, claim.epoch, self._crew.place(claim.key)))
        self._look()

    def _hand_out(self, key: int, epoch: int, process: Process) -> None:
        journey = self._journeys.get(key)
        if journey is None or journey[0].epoch != epoch:
            return
        claim, *events = self._journeys.pop(key)
        if process not in self._crew.members:
            self.store.release([(key, epoch)], self.loop.now())
            self._look()
            return
        hot = key in process.hot
        records, waiting = self.store.load(key, claim.seq if hot else 0)
        process.holds[key] = claim
        process.hot.discard(key)
        turns = [translate.turn(claim, None if hot else records, waiting)]
        if self._twice and not hot:
            self._twice = False
            self.counts["duplicates"] += 1
            turns *= 2
        process.send(frames.Play(turns))
        for event in events:
            process.send(frames.Deliver(key, event))

    def _release(self, process: Process, claims: Sequence[Claim], **how: bool) -> None:
        for claim in claims:
            held = process.holds.get(claim.key)
            if held is not None and held.epoch == claim.epoch:
                del process.holds[claim.key]
        self.store.release([(claim.key, claim.epoch) for claim in claims], self.loop.now(), **how)
        self._look()

    # -- what runtimes say ---------------------------------------------------------------------------------

    def _said(self, process: Process, message: frames.ToRunner) -> None:
        match message:
            case frames.Commit():
                self.commits += 1
                self._happens(self.commits, BEFORE, process)
                if not process.dead:
                    self._store(partial(self._commit, process, message, self.commits))
            case frames.Call():
                self._store(partial(self._call, process, message))
            case frames.Missing(instances):
                for key in instances:
                    self._store(partial(self._resend, process, key))
            case frames.Released(instances):
                claims = [process.holds[key] for key in instances if key in process.holds]
                self._store(partial(self._release, process, claims, willing=True))
            case frames.Evicted(instances):
                process.hot.difference_update(instances)

    def _commit(self, process: Process, commit: frames.Commit, number: int) -> None:
        if process.dead and not self._schedule.late:
            return  # what it said last may be heard, or not
        refused, deliveries = self.store.append(commit.claims, commit.rows, commit.changes, commit.received)
        self.counts["refusals"] += len(refused)
        stale = [process.holds[key] for key in refused if key in process.holds]
        if stale:
            self._release(process, stale)
        for change in commit.changes:
            if change.instance not in refused and isinstance(change, (Rested, Ended, Held)):
                process.holds.pop(change.instance, None)
                if isinstance(change, Rested) and process in self._crew.members:
                    process.hot.add(change.instance)
        self._deliver(deliveries)
        self._happens(number, ("kept",), process)
        self._acknowledge(process, frames.Acked(commit.batch, refused))
        self._happens(number, ("evict",), process)
        if self._schedule.cold:
            self._evict(process)
        self._look()

    def _evict(self, process: Process) -> None:
        if not process.dead:
            self.counts["evictions"] += process.evict()

    def _acknowledge(self, process: Process, acked: frames.Acked) -> None:
        """Answer; two answers that are under way at once may change places."""
        if self._schedule.swaps and not self._swapped:
            self._swapped.append((process, acked))
            self._after(2, self._unswap)
            return
        self._send_to(process, acked)
        self._unswap()

    def _unswap(self) -> None:
        for process, acked in self._swapped:
            process.send(acked)
        self._swapped.clear()

    def _resend(self, process: Process, key: int) -> None:
        claim = process.holds.get(key)
        if claim is not None:
            records, events = self.store.load(key, 0)
            process.send(frames.Play([translate.turn(claim, records, events)]))

    def _call(self, process: Process, call: frames.Call) -> None:
        """Serve the binding of a child."""
        arguments: Any = values.decode(call.args)
        flow, now = call.binding.lower(), self.loop.now()
        if call.method == "call":
            params, id_, awaited, follows = arguments
            if call.instance not in process.holds:
                failure = translate.shown(InvalidInput("only the code of an instance can call a workflow"))
                process.send(frames.Reply(call.call, values.NONE, failure))
                return
            raw = values.encode(params)
            new = replace(
                _new(flow, id_, now), params=raw, parent=call.instance, awaited=awaited, follows=follows
            )
            made = self.store.create(new)
            process.send(reply(call, {"id": id_, "created": made is not None}))
        else:
            (id_,) = arguments
            one = self.store.find(flow, id_)
            if one is None or one.over:
                process.send(
                    frames.Reply(call.call, values.NONE, translate.shown(InstanceEnded("it is over")))
                )
            else:
                self._ask(one.key, "cancel")
                process.send(reply(call, None))
        self._look()


def _new(workflow: str, id_: str, at: int) -> New:
    seed = f"{workflow} {id_}".encode()[:32]
    return New(workflow=workflow, id=id_, version="v1", params=values.encode({}), at=at, seed=seed)
