from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.churn import Churn
from tests.runner.stage import Desk, Faulty, PaperPeer, build, desk, entry, meanwhile, until
from wflow import stores
from wflow.bundle.manifest import Admission as Rules
from wflow.engine import facts, values
from wflow.engine.changes import Ended, Rested
from wflow.errors import LinkError, LoadError, StoreError
from wflow.link import frames
from wflow.runner import admission as admissions
from wflow.runner import beginnings, handing
from wflow.runner import crew as crews
from wflow.runner import fleet as fleets
from wflow.runner.deployments import point
from wflow.runner.peer import FRESH
from wflow.runner.registry import Beside
from wflow.runtime import clock
from wflow.stores.store import Batch, Pressure
from wflow.wire.types import Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from wflow.runner.fleet import Fleet
    from wflow.stores.store import Claim

DAY_MS = 86_400_000


def ended(key: int, at: int = 1) -> Ended:
    return Ended(key, at, "complete", values.NONE)


async def rest(on: Desk, id_: str, workflow: str, *, wake_in_ms: int) -> None:
    """Have an instance rest, without admission hearing of it: so it is after a restart."""
    (claim,) = await on.store.claim({workflow: 1}, owner="before", now=on.control.at)
    assert claim.id == id_
    change = Rested(claim.key, on.control.at, on.control.at + wake_in_ms, [])
    await on.store.append(Batch(claims=[(claim.key, claim.epoch)], changes=[change]))


def test_as_many_as_the_limit_are_handed_out_and_the_next_when_one_ends(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=2))
            await on.create("orders", *"abcde")
            on.start()
            await until(lambda: on.fleet.turns == ["a", "b"], "the first two")
            assert on.admission.running == 2
            for number, id_ in enumerate("abc", 3):
                await on.change(on.claim_of(id_), ended(on.claim_of(id_).key))
                await until(lambda: on.fleet.turns == list("abcde"[:number]), "the next")  # noqa: B023
                assert on.admission.running == 2

    asyncio.run(story())


def test_the_ceiling_of_the_runner_is_shared_fairly_among_workflows(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, ceiling=10) as on:
            on.declare(entry("big"), entry("other"), entry("small", limit=2))
            for workflow in ("big", "other", "small"):
                await on.create(workflow, *(f"{workflow}-{number}" for number in range(20)))
            on.start()
            await until(lambda: len(on.fleet.turns) == on.admission.running == 10, "the ceiling")
            running = [turn.partition("-")[0] for turn in on.fleet.turns]
            assert {name: running.count(name) for name in set(running)} == {"big": 4, "other": 4, "small": 2}
            assert len(on.fleet.turns) == 10

    asyncio.run(story())


def test_due_instances_go_before_queued_ones(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=1))
            await on.create("orders", "slept")
            await rest(on, "slept", "orders", wake_in_ms=0)
            await on.create("orders", "queued")
            on.start()
            await until(lambda: on.fleet.turns, "the first")
            assert on.fleet.turns == ["slept"]

    asyncio.run(story())


def test_who_sleeps_since_before_the_start_is_woken_in_time_whatever_rests_meanwhile(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "early")
            await rest(on, "early", "orders", wake_in_ms=50)
            # Another one comes to rest for long, before the store has been asked who is due next.
            on.admission.due("orders", on.control.at + DAY_MS)
            on.start()
            await meanwhile(0.02)
            assert on.fleet.turns == []
            on.control.at += 50
            await until(lambda: on.fleet.turns == ["early"], "the sleeper")

    asyncio.run(story())


def test_sleepers_since_before_the_start_are_woken_one_after_the_other(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            for number in range(3):
                await on.create("orders", f"s{number}")
                await rest(on, f"s{number}", "orders", wake_in_ms=30 * (number + 1))
            on.start()
            for number in range(3):
                await meanwhile(0.01)
                on.control.at += 30
                await until(lambda: len(on.fleet.turns) == number + 1, f"s{number}")  # noqa: B023
            assert on.fleet.turns == ["s0", "s1", "s2"]

    asyncio.run(story())


def test_an_instance_that_is_due_while_its_workflow_is_full_costs_nothing_until_a_place_is_free(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders", limit=1))
            await on.create("orders", "slept")
            await rest(on, "slept", "orders", wake_in_ms=10)
            await on.create("orders", "runs")
            on.start()
            await until(lambda: on.fleet.turns == ["runs"], "the one that is queued")
            on.control.at += 20
            on.admission.wake()
            await meanwhile(0.05)
            calls = len(on.store.calls)  # type: ignore[attr-defined]
            await meanwhile(0.1)
            assert len(on.store.calls) - calls <= 2, "it does not ask again and again"  # type: ignore[attr-defined]
            await on.change(on.claim_of("runs"), ended(on.claim_of("runs").key))
            await until(lambda: on.fleet.turns == ["runs", "slept"], "the one that is due")

    asyncio.run(story())


def test_who_slept_behind_a_full_workflow_since_before_the_start_is_still_woken_in_time(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=1))
            await on.create("orders", "slept")
            await rest(on, "slept", "orders", wake_in_ms=100)
            await on.create("orders", "runs")
            on.start()
            await until(lambda: on.fleet.turns == ["runs"], "the one that is queued")
            await meanwhile(0.02)
            await on.change(on.claim_of("runs"), ended(on.claim_of("runs").key))
            await meanwhile(0.02)
            on.control.at += 100
            await until(lambda: on.fleet.turns == ["runs", "slept"], "the one that slept")

    asyncio.run(story())


def test_sleepers_are_woken_in_time_though_there_is_always_more_to_hand_out(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"), entry("sleepers"))
            for number in range(3):
                await on.create("sleepers", f"s{number}")
                await rest(on, f"s{number}", "sleepers", wake_in_ms=10_000 * (number + 1))
            await on.create("orders", *(f"b{number}" for number in range(6_000)))
            ends_at_once(on)
            on.admission.due("sleepers", on.control.at + 10_000)
            on.start()
            for number in range(3):
                had = len(on.fleet.turns) + 128
                await until(lambda: len(on.fleet.turns) > had, "the crowd")  # noqa: B023
                on.control.at += 10_000
                before = len(on.fleet.turns)
                await until(lambda: f"s{number}" in on.fleet.turns, "the sleeper")  # noqa: B023
                assert on.fleet.turns.index(f"s{number}") - before < 5 * 128, "the crowd went first"

    asyncio.run(story())


def ends_at_once(on: Desk) -> None:
    """Have whatever is handed out be over with that."""
    hold = on.fleet.hold

    def end(peer: PaperPeer, claim: Claim) -> None:
        hold(peer, claim)
        on.admission.freed(claim)

    on.fleet.hold = end  # type: ignore[method-assign]


def test_the_store_is_looked_at_now_and_then_though_the_next_one_sleeps_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(admissions, "LONGEST_S", 0.02)

    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            await rest(on, "a", "orders", wake_in_ms=DAY_MS)
            on.start()
            await meanwhile(0.05)
            await on.control.create("orders", [Wanted(id="unheard")], trigger="api")
            await until(lambda: on.fleet.turns == ["unheard"], "the one that nobody spoke of")

    asyncio.run(story())


def test_a_clock_that_is_put_back_holds_nobody_up_who_waits_for_a_moment(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", admission=Rules(start_rate=10.0)), entry("broken"))
            await on.create("orders", *(f"o{number}" for number in range(12)))
            on.declare(entry("broken"), version="w1", worker="other")
            on.fleet.broken["w1"] = LoadError("No module named 'gone'")
            await on.create("broken", "b")
            on.start()
            await until(lambda: len(on.fleet.turns) == 10 and on.fleet.told, "the first ten, and one try")
            on.control.at -= DAY_MS
            del on.fleet.broken["w1"]
            await on.create("broken", "c")
            await until(lambda: "c" in on.fleet.turns, "another try")
            on.control.at += 1_000
            await until(lambda: len(on.fleet.turns) == 13, "the others, after a second")

    asyncio.run(story())


def test_a_version_that_cannot_be_loaded_is_told_once_and_goes_on_as_soon_as_it_is_mended(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.fleet.broken["v1"] = LoadError("worker.py:3: SyntaxError: never closed", trace="...")
            await on.create("orders", *"abc")
            on.start()
            await until(lambda: on.fleet.told, "the news")
            await until(lambda: on.admission.running == 0, "the claims to be given back")
            for _ in range(5):
                on.admission.wake()
                await meanwhile(0.01)
            assert on.fleet.told == [
                "error: version v1 cannot be run, next try in 1 s: worker.py:3: SyntaxError: never closed"
            ]
            assert on.fleet.asked == ["v1"]
            del on.fleet.broken["v1"]
            on.admission.mended("v1")
            await until(lambda: sorted(on.fleet.turns) == ["a", "b", "c"], "all to go on")

    asyncio.run(story())


def test_a_version_that_stays_broken_is_tried_less_and_less_often(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.fleet.broken["v1"] = LinkError("the process ended while it imported the code")
            await on.create("orders", "a")
            on.start()
            for number, seconds in enumerate((1, 2, 5, 15, 60, 60), 1):
                await until(lambda: len(on.fleet.told) == number, f"try {number}")  # noqa: B023
                assert f"next try in {seconds} s" in on.fleet.told[-1]
                await until(lambda: on.admission.running == 0, "the claim to be given back")
                on.control.at += seconds * 1_000 - 1
                on.admission.wake()
                await meanwhile(0.01)
                assert len(on.fleet.told) == number, "not before its time"
                on.control.at += 1
                on.admission.wake()

    asyncio.run(story())


def test_a_broken_version_is_tried_again_without_being_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(handing, "BROKEN_MS", (30,))

    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.fleet.broken["v1"] = LoadError("No module named 'gone'")
            await on.create("orders", "a")
            on.start()
            await until(lambda: on.fleet.told, "the first try")
            await until(lambda: on.admission.running == 0, "the claim to be given back")
            del on.fleet.broken["v1"]
            on.control.at += 30
            await until(lambda: on.fleet.turns == ["a"], "the second try")

    asyncio.run(story())


def test_an_old_version_that_is_broken_stands_in_nobodys_way(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=2))
            await on.create("orders", "old-1", "old-2")
            on.declare(entry("orders", limit=2), version="v2")
            await on.create("orders", "new-1", "new-2")
            on.fleet.broken["v1"] = LoadError("No module named 'gone'")
            on.start()
            await until(lambda: on.fleet.turns == ["new-1", "new-2"], "those of the new version")
            assert (await on.get("orders", "old-1")).wake_at == on.control.at + 1_000

    asyncio.run(story())


def test_a_new_version_that_is_broken_leaves_what_is_live_beside_it_alone(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            v1 = on.declare(entry("orders"))
            await on.create("orders", "old-1")
            v2 = build(entry("orders"), version="v2", at=on.control.at)
            on.registry.activate(v2, beside=Beside(build=v1, percentage=50))
            on.fleet.broken["v2"] = LoadError("No module named 'gone'")
            ids = [f"o{number}" for number in range(20)]
            await on.create("orders", *ids)
            low = [id_ for id_ in ids if point("shop", id_) < 50]
            on.start()
            await until(lambda: set(on.fleet.turns) == {"old-1", *low}, "those of the version beside it")
            await on.create("orders", *(f"p{number}" for number in range(20)))
            low += [f"p{number}" for number in range(20) if point("shop", f"p{number}") < 50]
            await until(lambda: set(on.fleet.turns) == {"old-1", *low}, "later ones, too")
            await until(lambda: on.admission.running == 1 + len(low), "the claims of the others")
            high = next(id_ for id_ in ids if id_ not in low)
            assert ((await on.get("orders", high)).wake_at or 0) > on.control.at

    asyncio.run(story())


def test_instances_of_a_workflow_that_no_version_declares_any_more_go_on(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=1), entry("returns"))
            await on.create("orders", "a", "b")
            on.declare(entry("returns"), version="v2")
            on.start()
            await until(lambda: on.fleet.turns == ["a"], "the first, and only the first")
            await on.change(on.claim_of("a"), ended(on.claim_of("a").key))
            await until(lambda: on.fleet.turns == ["a", "b"], "the second")

    asyncio.run(story())


def test_a_workflow_that_the_code_has_lost_is_left_alone(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"), entry("returns"), version="dev")
            await on.create("orders", "a")
            await on.create("returns", "b")
            on.fleet.ready.clear()
            on.start()
            await until(lambda: on.fleet.asked, "the claims")
            on.declare(entry("returns"), version="dev")
            on.fleet.ready.set()
            await until(lambda: on.fleet.turns == ["b"], "the one that is left")
            await until(lambda: on.admission.running == 1, "the other to be given back")

    asyncio.run(story())


def test_a_store_that_fails_is_asked_again_and_told_of_once(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            on.store.failures["claim"] = [StoreError("disk I/O error"), StoreError("disk I/O error")]  # type: ignore[attr-defined]
            await on.create("orders", "a")
            on.start()
            await until(lambda: on.fleet.turns == ["a"], "the instance")
            assert on.fleet.told == ["error: instances cannot be claimed: disk I/O error"]

    asyncio.run(story())


@pytest.mark.parametrize("wrong", [RuntimeError("a bug"), OSError(28, "No space left on device")])
def test_no_error_whatever_ends_admission_or_loses_a_claim(tmp_path, wrong):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"), entry("returns"))
            on.store.failures["claim"] = [wrong]  # type: ignore[attr-defined]
            on.fleet.broken["v1"] = wrong
            on.store.failures["release"] = [StoreError("busy"), StoreError("busy")]  # type: ignore[attr-defined]
            await on.create("orders", "a")
            on.start()
            await until(lambda: len(on.fleet.told) == 2, "both to be told")
            await until(lambda: on.admission.running == 0, "the claim to be given back")
            del on.fleet.broken["v1"]
            on.admission.mended("v1")
            await until(lambda: on.fleet.turns == ["a"], "the instance")

    asyncio.run(story())


def test_a_journal_that_cannot_be_read_is_read_again_later(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            await note(on, "a")
            on.store.failures["load"] = [StoreError("disk I/O error")]  # type: ignore[attr-defined]
            on.start()
            await until(lambda: not on.store.failures["load"], "the first try")  # type: ignore[attr-defined]
            await until(lambda: on.admission.running == 0, "the claim to be given back")
            on.control.at += 1_000
            on.admission.wake()
            await until(lambda: on.fleet.turns == ["a"], "the instance")
            assert on.fleet.told == [], "that is no fault of its code"

    asyncio.run(story())


async def note(on: Desk, id_: str) -> None:
    """Give an instance a journal, and give it back."""
    (claim,) = await on.store.claim({"orders": 1}, owner="before", now=on.control.at)
    line = facts.Logged("info", "hello", on.control.at)
    row = (claim.key, 1, facts.LOGGED, line.at, facts.encode(line))
    await on.store.append(Batch(claims=[(claim.key, claim.epoch)], rows=[row]))
    await on.store.release([(claim.key, claim.epoch)], now=on.control.at)


def test_an_event_that_comes_while_an_instance_is_on_its_way_travels_with_it(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            on.fleet.ready.clear()
            on.start()
            await until(lambda: on.fleet.asked, "the claim")
            await on.control.send_event("orders", "a", "paid", values.encode(5))
            on.fleet.ready.set()
            await until(lambda: on.fleet.turns == ["a"], "the instance")
            play, deliver = on.fleet.peers["v1"].said
            assert isinstance(play, frames.Play)
            assert isinstance(deliver, frames.Deliver)
            assert (deliver.event.type, values.decode(deliver.event.payload)) == ("paid", 5)

    asyncio.run(story())


def test_an_instance_that_is_terminated_on_its_way_does_not_arrive_and_its_place_is_free(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=1))
            await on.create("orders", "a", "b")
            on.fleet.ready.clear()
            on.start()
            await until(lambda: on.fleet.asked, "the claim")
            key = (await on.get("orders", "a")).key
            await on.store.move(key, "terminate", now=on.control.at)
            on.admission.recalled(key)
            on.fleet.ready.set()
            await until(lambda: on.fleet.turns, "the next")
            assert on.fleet.turns == ["b"]
            assert on.admission.running == 1

    asyncio.run(story())


def test_a_journal_too_long_for_the_link_takes_no_others_along(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            made = on.declare(entry("orders"))
            peer = await on.fleet.peer(made.version)
            peer.refuses = lambda message: (
                LinkError("a message of 600,000,000 bytes")
                if isinstance(message, frames.Play) and message.turns[0].id == "long"
                else None
            )
            await on.create("orders", "a", "long", "b")
            on.start()
            await until(lambda: on.fleet.turns == ["a", "b"], "the others")
            await until(lambda: on.admission.running == 2, "it to be given back")
            assert on.claim_of("a").id == "a"
            assert len(peer.holds) == 2

    asyncio.run(story())


def test_an_instance_in_memory_is_resumed_without_its_journal_and_with_its_news(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            made = on.declare(entry("orders"))
            await on.create("orders", "hot")
            await note(on, "hot")
            key = (await on.get("orders", "hot")).key
            await on.store.deliver(key, "paid", values.NONE, now=on.control.at)
            peer = await on.fleet.peer(made.version)
            peer.hot.add(key)
            on.start()
            (turn,) = await until(lambda: peer.turns, "the instance")
            assert turn.records is None
            assert turn.seq == 1
            assert [event.type for event in turn.events] == ["paid"]
            assert key not in peer.hot

    asyncio.run(story())


# -- who gets how much ---------------------------------------------------------------------------------


async def crowd(on: Desk, workflow: str, count: int, **more: Any) -> None:
    for start in range(0, count, 100):
        await on.create(workflow, *(f"{workflow}-{n}" for n in range(start, min(start + 100, count))), **more)


@pytest.fixture(autouse=True)
def _any_pace_will_do(monkeypatch):
    """Take no lesson from how slow the machine is."""
    monkeypatch.setattr(beginnings, "GOAL_MS", 60_000)


async def slow_peer(on: Desk, version: str = "v1") -> PaperPeer:
    """Have a runtime that begins only what the test lets it begin."""
    peer = await on.fleet.peer(version)
    peer.is_slow = True
    return peer


def test_a_runtime_is_handed_no_more_than_it_begins(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("big"))
            peer = await slow_peer(on)
            await crowd(on, "big", 700)
            on.start()
            await until(lambda: len(peer.turns) == FRESH, "as many as it may be handed")
            await meanwhile(0.05)
            assert len(peer.turns) == on.admission.running == FRESH
            peer.begin(200)
            await until(lambda: len(peer.turns) == FRESH + 200, "as many as it has begun")

    asyncio.run(story())


def test_a_place_that_is_free_is_no_news_while_the_runtimes_have_more_than_enough_to_begin(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("big"))
            peer = await slow_peer(on)
            await crowd(on, "big", 700)
            on.start()
            await until(lambda: len(peer.turns) == FRESH, "as many as it may be handed")
            await meanwhile(0.05)
            looks: list[dict[str, int]] = []
            look = on.admission._wanted

            def looked(fleet: Fleet) -> dict[str, int]:
                looks.append(look(fleet))
                return looks[-1]

            on.admission._wanted = looked  # type: ignore[method-assign]
            peer.begin(20)
            for claim in [on.claim_of(id_) for id_ in on.fleet.turns[:20]]:
                await on.change(claim, ended(claim.key))
            await meanwhile(0.05)
            assert looks == []
            peer.begin(FRESH // 4)
            await until(lambda: len(peer.turns) > FRESH, "more of the crowd")

    asyncio.run(story())


def test_a_place_that_is_free_is_news_for_another_workflow_than_the_crowds(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("big"), entry("small", limit=1))
            peer = await slow_peer(on)
            await on.create("small", "one", "two")
            on.start()
            await until(lambda: on.fleet.turns == ["one"], "the only one that has a place")
            await crowd(on, "big", 700)
            on.admission.wake("big")
            await until(lambda: len(peer.turns) == FRESH, "as many as it may be handed")
            peer.begin(30)
            await meanwhile(0.05)
            assert len(peer.turns) == FRESH
            await on.change(on.claim_of("one"), ended(on.claim_of("one").key))
            await until(lambda: "two" in on.fleet.turns, "the one whose place is free")

    asyncio.run(story())


def test_the_first_instance_of_a_workflow_is_among_the_next_turns_whatever_another_one_has_queued(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, ceiling=5_000) as on:
            on.declare(entry("big"), entry("small"))
            peer = await slow_peer(on)
            await crowd(on, "big", 2_000)
            on.start()
            await until(lambda: len(peer.turns) == FRESH, "the crowd")
            await on.create("small", "first")
            peer.begin(FRESH // 4)
            await until(lambda: "first" in on.fleet.turns, "the first one")
            assert on.fleet.turns.index("first") - FRESH <= 1, "it had to wait for some of the crowd to begin"

    asyncio.run(story())


def test_the_first_instance_of_a_workflow_goes_though_a_crowd_has_woken(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, ceiling=5_000) as on:
            on.declare(entry("big"), entry("small"))
            peer = await slow_peer(on)
            await crowd(on, "big", 700)
            claims = await on.store.claim({"big": 700}, owner="before", now=on.control.at)
            rested = [Rested(one.key, on.control.at, on.control.at, []) for one in claims]
            await on.store.append(Batch(claims=[(one.key, one.epoch) for one in claims], changes=rested))
            on.start()
            await until(lambda: len(peer.turns) == FRESH, "the first of the crowd")
            await on.create("small", "first")
            peer.begin(FRESH // 4)
            await until(lambda: "first" in on.fleet.turns, "the first one")
            assert on.fleet.turns.index("first") - FRESH <= 1
            while len(on.fleet.turns) < 701:
                peer.begin(100)
                await meanwhile(0.001)
            assert sorted(on.fleet.turns) == sorted(["first", *(one.id for one in claims)])

    asyncio.run(story())


def test_workflows_that_always_have_more_are_handed_out_in_equal_parts(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, ceiling=5_000) as on:
            on.declare(entry("big"), entry("other"), entry("third"))
            peer = await slow_peer(on)
            await crowd(on, "big", 1_000)
            await crowd(on, "other", 1_000)
            await crowd(on, "third", 1_000)
            on.start()
            for _ in range(12):
                await until(lambda: len(peer.fresh) >= FRESH - 3, "what it may be handed")
                peer.begin(100)
            names = [turn.partition("-")[0] for turn in on.fleet.turns]
            counts = {name: names.count(name) for name in ("big", "other", "third")}
            assert max(counts.values()) - min(counts.values()) <= FRESH, counts

    asyncio.run(story())


def test_with_one_slot_two_workflows_take_turns(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, ceiling=1) as on:
            on.declare(entry("a"), entry("b"))
            await on.create("a", "a-1", "a-2", "a-3")
            await on.create("b", "b-1", "b-2", "b-3")
            on.start()
            for number in range(1, 7):
                await until(lambda: len(on.fleet.turns) == number, "the next")  # noqa: B023
                last = on.claim_of(on.fleet.turns[-1])
                await on.change(last, ended(last.key))
            assert [turn[0] for turn in on.fleet.turns] == list("ababab")

    asyncio.run(story())


def test_beside_the_ceiling_there_are_slots_for_those_who_have_few(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, ceiling=640) as on:
            on.declare(entry("big"), entry("small"))
            await crowd(on, "big", 700)
            on.start()
            await until(lambda: on.admission.running == 640, "all slots to be taken")
            await meanwhile(0.05)
            assert on.admission.running == 640
            await on.create("small", "first")
            await until(lambda: "first" in on.fleet.turns, "the first one")

    asyncio.run(story())


def test_a_workflow_that_is_alone_gets_all_of_the_ceiling(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, ceiling=640) as on:
            on.declare(entry("big"))
            await crowd(on, "big", 700)
            on.start()
            await until(lambda: on.admission.running == 640, "all slots to be taken")
            await meanwhile(0.05)
            assert on.admission.running == 640

    asyncio.run(story())


def test_a_runtime_that_begins_nothing_keeps_nobody_else_waiting(tmp_path, monkeypatch):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            old = await slow_peer(on)
            await crowd(on, "orders", FRESH)
            on.start()
            await until(lambda: len(old.turns) == FRESH, "the old version to have all it may")
            monkeypatch.setattr(beginnings, "STUCK_MS", 20)
            monkeypatch.setattr(admissions, "STUCK_MS", 20)
            on.declare(entry("orders"), version="v2")
            await on.create("orders", "new")
            await until(lambda: "new" in on.fleet.turns, "the new version to go on")

    asyncio.run(story())


def test_more_urgent_instances_are_handed_out_first(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=1))
            await on.create("orders", "usual")
            await on.create("orders", "late", priority=5)
            await on.create("orders", "urgent", priority=1)
            on.start()
            for number in range(1, 4):
                await until(lambda: len(on.fleet.turns) == number, "the next")  # noqa: B023
                last = on.claim_of(on.fleet.turns[-1])
                await on.change(last, ended(last.key))
            assert on.fleet.turns == ["urgent", "usual", "late"]

    asyncio.run(story())


# -- limits --------------------------------------------------------------------------------------------


def live(on: Desk, workflow: str) -> Counter[str | None]:
    """Count by concurrency key the claims that live, as another connection to the database sees it."""
    with closing(sqlite3.connect(on.data / "wflow.sqlite")) as db:
        asked = "SELECT concurrency_key FROM instances WHERE workflow = ? AND owner IS NOT NULL"
        return Counter(key for (key,) in db.execute(asked, (workflow,)))


def test_no_more_than_the_limits_run_at_any_instant_and_all_have_their_turn(tmp_path):
    async def story() -> None:
        chance = random.Random(7)
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=5, admission=Rules(key="of", per_key=2)))
            for n in range(60):
                params = values.encode({"of": chance.choice(["ann", "bob", "cid", None])})
                await on.create("orders", f"i{n}", params=params)
            on.start()
            over: set[str] = set()
            while len(over) < 60:
                await until(on.claims, "somebody to run")
                running = live(on, "orders")
                assert running.total() <= 5
                assert all(count <= 2 for key, count in running.items() if key is not None)
                claim = chance.choice(on.claims())
                if chance.random() < 0.3:
                    await on.change(claim, Rested(claim.key, on.control.at, on.control.at, []))
                    on.admission.due("orders", on.control.at)
                else:
                    await on.change(claim, ended(claim.key))
                    over.add(claim.id)
            assert live(on, "orders").total() == on.admission.running == 0

    asyncio.run(story())


def test_the_next_of_a_key_goes_when_one_of_it_ends(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", admission=Rules(key="customer.id", per_key=1)))
            for id_ in "abc":
                await on.create("orders", id_, params=values.encode({"customer": {"id": 7}}))
            on.start()
            for number, id_ in enumerate("abc", 1):
                await until(lambda: on.fleet.turns == list("abc"[:number]), id_)  # noqa: B023
                assert (await on.get("orders", id_)).concurrency_key == "7"
                await on.change(on.claim_of(id_), ended(on.claim_of(id_).key))

    asyncio.run(story())


def test_a_deploy_that_lowers_the_limit_ends_nothing_and_lets_nobody_in_before_there_is_room(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=3))
            await on.create("orders", *"abcde")
            on.start()
            await until(lambda: on.fleet.turns == ["a", "b", "c"], "the first three")
            on.declare(entry("orders", limit=1), version="v2")
            on.admission.wake()
            for id_ in "ab":
                await on.change(on.claim_of(id_), ended(on.claim_of(id_).key))
                await meanwhile(0.02)
                assert on.fleet.turns == ["a", "b", "c"]
            await on.change(on.claim_of("c"), ended(on.claim_of("c").key))
            await until(lambda: on.fleet.turns == ["a", "b", "c", "d"], "the next")
            assert on.admission.running == 1

    asyncio.run(story())


def test_a_deploy_that_lets_more_of_a_key_run_has_those_go_that_were_set_aside(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", admission=Rules(key="of", per_key=1)))
            await on.create("orders", *"abcd", params=values.encode({"of": "ann"}))
            on.start()
            await until(lambda: on.fleet.turns == ["a"], "the first")
            on.declare(entry("orders", admission=Rules(key="of", per_key=3)), version="v2")
            on.admission.wake()
            await until(lambda: on.admission.running == 3, "two more")
            on.declare(entry("orders"), version="v3")
            on.admission.wake()
            await until(lambda: on.admission.running == 4, "the last")

    asyncio.run(story())


def test_what_had_a_place_when_the_runner_was_killed_has_it_again_and_no_place_is_lost(tmp_path):
    async def killed() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=2))
            await on.create("orders", *"abcd")
            assert len(await on.store.claim({"orders": 2}, owner="runner", now=on.control.at)) == 2

    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=2))
            on.start()
            await until(lambda: on.fleet.turns == ["a", "b"], "the same two")
            for id_ in "ab":
                await on.change(on.claim_of(id_), ended(on.claim_of(id_).key))
            await until(lambda: on.fleet.turns == ["a", "b", "c", "d"], "the others")

    asyncio.run(killed())
    asyncio.run(story())


def test_no_more_begin_within_a_second_than_the_start_rate_says(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", admission=Rules(start_rate=10.0)))
            await on.create("orders", "slept")
            await rest(on, "slept", "orders", wake_in_ms=0)
            await crowd(on, "orders", 30)
            on.start()
            await until(lambda: len(on.fleet.turns) == 11, "ten, and the one that was due")
            for seconds in (1, 2):
                await meanwhile(0.12)
                assert len(on.fleet.turns) == 1 + 10 * seconds
                on.control.at += 1_000
                await until(lambda: len(on.fleet.turns) == 11 + 10 * seconds, "ten more")  # noqa: B023

    asyncio.run(story())


def test_nothing_is_claimed_while_the_store_has_too_much_to_write(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            on.store.pressure = Pressure(jobs=600, bytes=0, share=0.6)  # type: ignore[misc]
            on.start()
            await meanwhile(0.1)
            assert "claim" not in on.store.calls  # type: ignore[attr-defined]
            on.store.pressure = Pressure(jobs=400, bytes=0, share=0.4)  # type: ignore[misc]
            await until(lambda: on.fleet.turns == ["a"], "the instance")

    asyncio.run(story())


# -- the end of the runner -----------------------------------------------------------------------------


async def claimed_next(folder: Path, workflow: str = "orders") -> list[tuple[str, bool]]:
    """Open the store as the next runner does, and claim; tell whose holder is said to have died."""
    store = await stores.connect(f"sqlite://{folder / 'data'}")
    try:
        claims = await store.claim({workflow: 10}, owner="next", now=2**50)
        return sorted((claim.id, claim.died) for claim in claims)
    finally:
        await store.close()


def test_what_is_on_its_way_when_the_runner_stops_is_given_back_as_nobodys_death(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.fleet.ready.clear()
            await on.create("orders", "a", "b")
            on.start()
            await until(lambda: on.fleet.asked, "the claims")
        assert await claimed_next(tmp_path) == [("a", False), ("b", False)]

    asyncio.run(story())


def test_what_is_being_claimed_when_the_runner_stops_is_given_back_as_well(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            on.store.delay_s = 0.05  # type: ignore[attr-defined]
            on.start()
            await until(lambda: "claim" in on.store.calls, "the claim to be on its way")  # type: ignore[attr-defined]
        assert await claimed_next(tmp_path) == [("a", False)]

    asyncio.run(story())


def test_closing_waits_for_no_store_that_fails_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(admissions, "GOODBYE_S", 0.05)

    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            on.fleet.ready.clear()
            await on.create("orders", "a")
            on.start()
            await until(lambda: on.fleet.asked, "the claim")
            on.store.failures["release"] = [StoreError("busy")] * 1_000_000  # type: ignore[attr-defined]

    asyncio.run(asyncio.wait_for(story(), 15))


# -- reservations --------------------------------------------------------------------------------------


def test_what_is_reserved_is_claimed_for_nobody_else_and_handed_out_when_it_is_given_back(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as here:
            here.declare(entry("orders"))
            await here.create("orders", "a", "b")
            key = (await here.get("orders", "a")).key
            async with here.admission.reserving(key) as reservation:
                here.start()
                await reservation.wait(5)
                assert reservation.caught
                await until(lambda: here.fleet.turns == ["b"], "the other one to be handed out")
                assert here.admission.under_way(key)
                assert here.admission.running == 2, "it takes a slot as long as it is claimed"
                assert await here.store.migrate(key, version="v2", seq=0, now=1) is None
            await until(lambda: here.fleet.turns == ["b", "a"], "it to be handed out")
            assert not here.admission.under_way(key)
            assert here.admission.running == 2

    asyncio.run(story())


def test_between_giving_back_and_letting_go_nobody_claims_it(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as here:
            here.declare(entry("orders"))
            await here.create("orders", "a")
            key = (await here.get("orders", "a")).key
            async with here.admission.reserving(key) as reservation:
                here.start()
                await reservation.wait(5)
                async with here.admission.claiming:
                    await reservation.give_back()
                    await meanwhile()
                    assert await here.store.migrate(key, version="v1", seq=0, now=1) is not None
                await reservation.wait(5)
                assert reservation.caught, "it is reserved still"
            await until(lambda: here.fleet.turns == ["a"], "it to be handed out")

    asyncio.run(story())


def test_what_is_caught_when_the_runner_stops_is_given_back(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as here:
            here.declare(entry("orders"))
            await here.create("orders", "a")
            key = (await here.get("orders", "a")).key
            async with here.admission.reserving(key) as reservation:
                here.start()
                await reservation.wait(5)
                await here.close()
                (claim,) = await here.store.claim({"orders": 1}, owner="me", now=here.control.at)
                assert (claim.key, claim.died) == (key, False)

    asyncio.run(story())


@pytest.mark.parametrize(("seed", "processes"), [(1, 1), (2, 3)])
def test_whatever_happened_all_come_to_their_end_and_every_place_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, processes: int
):
    monkeypatch.setattr(crews, "BACKOFF_S", (0.0, 0.01))
    monkeypatch.setattr(fleets, "DRAIN_S", 0.1)
    monkeypatch.setattr(handing, "BROKEN_MS", (20, 40))

    async def story() -> None:
        async with desk(tmp_path, ceiling=30) as on:
            monkeypatch.setattr(on.control, "now", clock.now)
            churn = Churn(on, seed, processes)
            churn.deploy()
            running = asyncio.create_task(on.admission.run(churn.fleet))
            watching = asyncio.create_task(churn.watch())
            happening = [asyncio.create_task(churn.happen()) for _ in range(4)]
            await asyncio.sleep(0.5)
            churn.cast.calm = True
            await asyncio.gather(*happening)
            await until(churn.all_over, "all to be over")
            await until(lambda: on.admission.running == 0, "the places to be free")
            assert not on.admission._journeys.claims()
            assert not churn.fleet._holders
            assert not any(actor.holds for actor in churn.cast.all)
            assert not churn.too_many
            assert len(churn.made) > 20, "this was to be a crowd"
            for task in (running, watching):
                task.cancel()
            await asyncio.gather(running, watching, return_exceptions=True)
            await churn.fleet.close()

    asyncio.run(story())
