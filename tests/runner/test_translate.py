from __future__ import annotations

import msgspec

from wflow.engine import facts, values
from wflow.engine.changes import Change, Ended, Told
from wflow.engine.names import SHOWN_BYTES
from wflow.errors import InvalidInput
from wflow.link import frames
from wflow.runner import translate
from wflow.runner.holds import held
from wflow.stores.store import Claim


def claim(key: int, epoch: int = 1) -> Claim:
    return Claim(
        key=key,
        epoch=epoch,
        workflow="orders",
        id=f"order-{key}",
        version="v",
        created_at=5,
        params=b"\xc0",
        seq=3,
        has_events=False,
    )


def received(instance: int, number: int) -> tuple[int, int, int, int, bytes]:
    return (instance, 1, facts.RECEIVED, 1, facts.encode(facts.Received(number, "paid", b"\xc0", 1, 1)))


def test_a_claim_becomes_a_turn_with_its_journal_or_without():
    turn = translate.turn(claim(1), [b"a"], [])
    assert (turn.instance, turn.epoch, turn.workflow, turn.id, turn.seq) == (1, 1, "orders", "order-1", 3)
    assert turn.records == [b"a"]
    assert translate.turn(claim(1), None, []).records is None


def test_a_turn_says_what_the_claim_says_of_its_instance():
    told = msgspec.structs.replace(claim(1), started_at=7, seed=b"seed", pausing=True, died=True)
    turn = translate.turn(told, None, [])
    assert (turn.started_at, turn.seed, turn.pausing, turn.died) == (7, b"seed", True, True)


def test_a_commit_about_held_claims_is_taken_whole():
    commit = frames.Commit(1, [(1, 1)], [received(1, 7)], [Ended(1, 1, "complete")], [7])
    batch, foreign = translate.own({1: held(claim(1))}, commit)
    assert foreign == []
    assert (batch.claims, batch.rows, batch.received) == (commit.claims, commit.rows, [7])


def test_of_a_commit_about_others_claims_only_the_own_part_is_taken():
    ended: list[Change] = [Ended(1, 1, "complete"), Ended(2, 1, "complete"), Ended(3, 1, "complete")]
    rows = [received(1, 7), received(2, 8), received(3, 9)]
    commit = frames.Commit(1, [(1, 1), (2, 1), (3, 2)], rows, ended, [7, 8, 9])
    batch, foreign = translate.own({1: held(claim(1)), 3: held(claim(3, epoch=1))}, commit)
    assert foreign == [2, 3]
    assert [row[0] for row in batch.rows] == [1]
    assert [change.instance for change in batch.changes] == [1]
    assert list(batch.received) == [7]


def test_a_print_in_a_step_is_told_with_its_instance():
    line = translate.line({1: held(claim(1))}, frames.Printed("info", "hello", 9, 1, "charge-1", {"a": 1}))
    assert (line.message, line.step, line.source) == ("hello", "charge-1", "step")
    assert line.detail == {"a": 1, "workflow": "orders", "instance": "order-1"}
    assert translate.line({}, frames.Printed("info", "hello", 9)).source == "worker"


def test_a_refusal_shows_user_code_nothing_of_our_frames():
    failure = translate.shown(InvalidInput("no"))
    assert (failure.name, failure.message, failure.trace, failure.cause) == ("InvalidInput", "no", "", None)


def test_what_a_status_is_to_show_is_kept_within_its_limits():
    fit: list[Change] = [
        Told(1, 1, values.encode({"state": 1}), ["vip"]),
        Told(1, 1, None, []),
        Ended(1, 1, "complete"),
    ]
    unfit: list[Change] = [
        Told(1, 1, values.encode({"state": "x" * SHOWN_BYTES})),
        Told(1, 1, values.encode([1])),
        Told(1, 1, b"\xc1"),
        Told(1, 1, None, ["x"] * 11 + [str(n) for n in range(11)]),
        Told(1, 1, None, ["x" * 65]),
    ]
    batch, foreign = translate.own({1: held(claim(1))}, frames.Commit(1, [(1, 1)], [], [*unfit, *fit], []))
    assert (list(batch.changes), foreign) == (fit, [])
