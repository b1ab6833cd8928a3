"""Many turns to a commit."""

from __future__ import annotations

import asyncio

from wflow.engine import facts
from wflow.engine.changes import Ended, Rested
from wflow.engine.facts import Logged, Received
from wflow.link.frames import FRAME_BYTES, Commit
from wflow.runtime.outbox import COMMIT_BYTES, IN_FLIGHT, Outbox


class Speaker:
    def __init__(self, instance, epoch=1):
        self.instance, self.epoch = instance, epoch
        self.heard = []

    def acked(self, seq):
        self.heard.append(seq)

    def drop(self):
        self.heard.append("dropped")

    def broke(self, error):
        self.heard.append(error)


class Box:
    """An outbox whose commits are kept until they are answered."""

    def __init__(self):
        self.sent: list[Commit] = []
        self.outbox = Outbox(self.sent.append)

    def say(self, speaker, *texts, last_seq, change=None):
        new = [Logged("info", text, 5) for text in texts]
        self.outbox.add(speaker, new, last_seq=last_seq, change=change)

    async def settle(self):
        for _ in range(5):
            await asyncio.sleep(0)


def in_loop(test):
    async def perform():
        await test(Box())

    def wrapped():
        asyncio.run(perform())

    wrapped.__name__ = test.__name__
    return wrapped


@in_loop
async def test_what_is_said_in_one_pass_is_one_commit(box):
    one, two = Speaker(1, epoch=3), Speaker(2, epoch=9)
    box.say(one, "a", "b", last_seq=2)
    box.say(two, "c", last_seq=7, change=Rested(2, 5, 9, []))
    box.say(one, "d", last_seq=3)
    await box.settle()
    (commit,) = box.sent
    assert commit.claims == [(1, 3), (2, 9)]
    assert [(row[0], row[1], row[3]) for row in commit.rows] == [(1, 1, 5), (1, 2, 5), (2, 7, 5), (1, 3, 5)]
    assert [text_of(row) for row in commit.rows] == ["a", "b", "c", "d"]
    assert commit.changes == [Rested(2, 5, 9, [])]


@in_loop
async def test_each_speaker_hears_of_its_last_fact_once(box):
    one, two = Speaker(1), Speaker(2)
    box.say(one, "a", last_seq=1)
    box.say(one, "b", last_seq=2)
    box.say(two, "c", last_seq=5)
    await box.settle()
    box.outbox.acked(box.sent[0].batch, [])
    box.outbox.acked(box.sent[0].batch, [])
    assert (one.heard, two.heard) == ([2], [5])


@in_loop
async def test_who_is_refused_is_dropped_and_the_others_go_on(box):
    one, two = Speaker(1), Speaker(2)
    box.say(one, "a", last_seq=1)
    box.say(two, "b", last_seq=1)
    await box.settle()
    box.outbox.acked(box.sent[0].batch, [1])
    assert (one.heard, two.heard) == (["dropped"], [1])


@in_loop
async def test_while_commits_are_on_their_way_the_next_one_grows(box):
    speaker = Speaker(1)
    for seq in range(1, 8):
        box.say(speaker, str(seq), last_seq=seq)
        await box.settle()
    assert len(box.sent) == IN_FLIGHT
    box.outbox.acked(1, [])
    await box.settle()
    assert [len(commit.rows) for commit in box.sent] == [1, 1, 5]
    assert [commit.batch for commit in box.sent] == [1, 2, 3]


@in_loop
async def test_received_events_are_named_beside_the_facts(box):
    box.outbox.add(Speaker(1), [Received(41, "paid", b"", 1, 2)], last_seq=1)
    await box.settle()
    assert box.sent[0].received == [41]


@in_loop
async def test_a_change_needs_no_facts(box):
    box.outbox.add(Speaker(1), [], last_seq=4, change=Ended(1, 5, "complete", b"\x01"))
    await box.settle()
    assert box.sent[0].rows == []
    assert box.sent[0].claims == [(1, 1)]


@in_loop
async def test_a_speaker_that_breaks_does_not_take_the_others_with_it(box):
    class Broken(Speaker):
        def acked(self, seq):
            raise ValueError("no")

    one, two = Broken(1), Speaker(2)
    box.say(one, "a", last_seq=1)
    box.say(two, "b", last_seq=1)
    await box.settle()
    box.outbox.acked(1, [])
    assert isinstance(one.heard[0], ValueError)
    assert two.heard == [1]


@in_loop
async def test_what_an_earlier_turn_left_unsaid_is_not_said_under_the_new_claim(box):
    busy = Speaker(9)
    for seq in range(1, IN_FLIGHT + 1):
        box.say(busy, "x", last_seq=seq)
        await box.settle()
    before, after = Speaker(1, epoch=1), Speaker(1, epoch=2)
    box.outbox.add(before, [Received(5, "paid", b"", 1, 2)], last_seq=1, change=Rested(1, 5, 9, []))
    box.say(after, "new", last_seq=1)
    box.outbox.acked(1, [])
    await box.settle()
    commit = box.sent[-1]
    assert commit.claims == [(1, 2)]
    assert [text_of(row) for row in commit.rows] == ["new"]
    assert (commit.changes, commit.received) == ([], [])


@in_loop
async def test_a_commit_does_not_grow_beyond_its_bound_and_nothing_is_lost(box):
    half = COMMIT_BYTES // 2 + 1
    speakers = [Speaker(n) for n in range(5)]
    for speaker in speakers:
        box.say(speaker, "x" * half, last_seq=1)
    box.say(speakers[0], "after", last_seq=2)
    while any(not speaker.heard for speaker in speakers):
        await box.settle()
        box.outbox.acked(len(box.sent), [])
        box.outbox.acked(len(box.sent) - 1, [])
    assert max(sum(len(row[4]) for row in commit.rows) for commit in box.sent) < 2 * COMMIT_BYTES
    assert sorted((row[0], row[1]) for commit in box.sent for row in commit.rows) == [
        (0, 1),
        (0, 2),
        (1, 1),
        (2, 1),
        (3, 1),
        (4, 1),
    ]


@in_loop
async def test_one_speaker_with_very_much_to_say_says_it_in_order(box):
    speaker, third = Speaker(1), COMMIT_BYTES // 3 + 1
    for seq in range(1, 11):
        box.say(speaker, "x" * third, last_seq=seq)
    box.say(speaker, "end", last_seq=11, change=Ended(1, 5, "complete"))
    while speaker.heard[-1:] != [11]:
        await box.settle()
        for batch in range(1, len(box.sent) + 1):
            box.outbox.acked(batch, [])
    assert [row[1] for commit in box.sent for row in commit.rows] == list(range(1, 12))
    assert [len(commit.changes) for commit in box.sent] == [0] * (len(box.sent) - 1) + [1]
    assert all(len(commit.claims) == 1 for commit in box.sent)
    assert speaker.heard == sorted(speaker.heard)


@in_loop
async def test_nothing_is_kept_of_what_was_answered(box):
    for n in range(100):
        box.say(Speaker(n), "x", last_seq=1)
    await box.settle()
    for batch in range(1, len(box.sent) + 1):
        box.outbox.acked(batch, [])
    assert not box.outbox._in_flight
    assert not box.outbox._waiting


def test_the_bound_is_far_below_that_of_a_frame():
    assert COMMIT_BYTES * 8 < FRAME_BYTES


def text_of(row):
    fact = facts.decode(row[4])
    assert isinstance(fact, Logged)
    return fact.message
