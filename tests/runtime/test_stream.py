"""A big result as user code holds it: read in steps, as often as one likes, and nowhere else."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import threading
from typing import Any

import pytest

from tests.runtime.shelf import Shelf
from tests.runtime.stage import Stage, play
from wflow.engine import facts
from wflow.engine.facts import Settled
from wflow.engine.stream import PIECE_BYTES, Reference
from wflow.errors import InvalidInput, NonDeterminismError, TooLarge
from wflow.runtime.attempt import Place, here
from wflow.runtime.stream import READ_BYTES, Stream, opened
from wflow.runtime.streamed import Pieces

DATA = bytes(range(256)) * 3_000
"""Three pieces, the last one short."""


async def making():
    yield DATA


def with_stream(function, **options):
    """Make a workflow of two steps: one gives a stream, the other one reads it."""

    async def run(event: Any, ctx: Any) -> object:
        stream = await ctx.do("make", making)
        return await ctx.do("read", function, stream, **options)

    return run


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def read_at_once(stream: Stream) -> str:
    return digest_of(await stream.read())


async def read_by_piece(stream: Stream) -> str:
    hashed = hashlib.sha256()
    async for piece in stream:
        hashed.update(piece)
    return hashed.hexdigest()


def read_plainly(stream: Stream) -> str:
    return digest_of(b"".join(stream))


def read_in_a_loop_of_its_own(stream: Stream) -> str:
    return digest_of(asyncio.run(stream.read()))


@pytest.mark.parametrize("read", [read_at_once, read_by_piece, read_plainly, read_in_a_loop_of_its_own])
def test_a_step_reads_the_stream_that_it_is_given(read):
    assert play(with_stream(read), call=Shelf()).result == digest_of(DATA)


@pytest.mark.parametrize("read", [read_at_once, read_plainly])
def test_a_stream_of_nothing_has_no_pieces(read):
    async def nothing():
        for _ in range(0):
            yield b""

    async def run(event, ctx):
        return await ctx.do("read", read, await ctx.do("make", nothing))

    assert play(run, call=Shelf()).result == digest_of(b"")


def test_a_stream_can_be_read_any_number_of_times_at_once_too():
    async def twice(stream):
        first = [piece async for piece in stream]
        both = await asyncio.gather(stream.read(), stream.read())
        return [b"".join(first) == both[0] == both[1], [len(piece) for piece in first]]

    rest = len(DATA) - 2 * PIECE_BYTES
    assert play(with_stream(twice), call=Shelf()).result == [True, [PIECE_BYTES, PIECE_BYTES, rest]]


def test_a_replay_reads_the_same_stream_and_makes_none():
    made = []

    async def make():
        made.append(1)
        yield DATA

    async def run(event, ctx):
        stream = await ctx.do("make", make)
        first = await ctx.do("read", read_at_once, stream)
        await ctx.sleep("a while", 10)
        return [first, await ctx.do("again", read_plainly, stream), stream.digest]

    played = play(run, call=Shelf(), cold=True)
    assert played.result == [digest_of(DATA)] * 3
    assert made == [1]


def test_a_stream_as_an_argument_is_told_from_another_by_what_is_kept_of_it():
    async def run(event, ctx):
        a, b = [await ctx.do("make", making) for _ in range(2)]
        given = {"both": [a, b], "which": a}
        await ctx.do("read", lambda _: None, given)
        await ctx.do("read", lambda _: None, {**given, "which": b})

    played = play(run, call=Shelf())
    digests = [fact.digest for fact in played.facts if isinstance(fact, Settled)][2:]
    assert all(digests)
    assert digests[0] != digests[1]


def test_the_next_piece_is_on_its_way_while_one_is_read_and_no_more():
    shelf = Shelf()

    async def slowly(stream):
        seen = []
        async for _ in stream:
            for _ in range(10):
                await asyncio.sleep(0)
            seen.append(sum(call.startswith("stream.get") for call in shelf.calls))
        return seen

    assert play(with_stream(slowly), call=shelf).result == [2, 3, 3]


def test_a_reader_that_stops_half_way_leaves_nothing_behind():
    async def first_piece(stream):
        async for piece in stream:
            return len(piece)
        return None

    def first_piece_plainly(stream):
        return len(next(iter(stream)))

    for read in (first_piece, first_piece_plainly):
        assert play(with_stream(read), call=Shelf()).result == PIECE_BYTES
    gc.collect()


def test_a_piece_ahead_that_fails_after_the_reader_has_gone_is_no_complaint():
    def fail(method, arguments):
        if method == "stream.get" and arguments[2] == 1:
            raise InvalidInput("gone")

    async def first_piece(stream):
        async for piece in stream:
            await asyncio.sleep(0.01)
            return len(piece)
        return None

    assert play(with_stream(first_piece), call=Shelf(before=fail)).result == PIECE_BYTES
    gc.collect()


def test_a_piece_that_cannot_be_read_is_an_error_of_the_step():
    left = [InvalidInput("busy")]

    def fail(method, arguments):
        if method == "stream.get" and arguments[2] == 1 and left:
            raise left.pop()

    retries = {"limit": 1, "delay": 0}
    played = play(with_stream(read_by_piece, retries=retries), call=Shelf(before=fail))
    assert played.result == digest_of(DATA)
    assert [fact.failure.message for fact in played.facts if isinstance(fact, facts.Failed)] == ["busy"]


@pytest.mark.parametrize("how", ["read", "async for", "for"])
def test_workflow_code_cannot_read_a_stream(how):
    async def run(event, ctx):
        stream = await ctx.do("make", making)
        if how == "read":
            await stream.read()
        elif how == "for":
            b"".join(stream)
        async for _ in stream:
            pass

    failure = play(run, call=Shelf()).failure
    assert failure.message == (
        "workflow code cannot read a stream: this is I/O; read it in a step, which gets it as an argument: "
        "ctx.do(name, function, stream)"
    )


def test_an_async_step_reads_with_async_for():
    async def wrong(stream):
        return [*stream]

    played = play(with_stream(wrong, retries={"limit": 0, "delay": 0}), call=Shelf())
    assert played.failure.message == "an async function reads a stream with `async for`"


def test_a_stream_is_read_nowhere_but_in_a_step():
    stream = Stream(Reference(7, "make-1", "a", 5, ""))

    async def elsewhere():
        return await stream.read()

    with pytest.raises(RuntimeError, match="a stream is read in a step, which gets it as an argument"):
        asyncio.run(elsewhere())
    with pytest.raises(RuntimeError, match="a stream is read in a step"):
        iter(stream)


def test_a_thread_of_the_users_own_has_no_step():
    def read(stream):
        said = []

        def work():
            try:
                iter(stream)
            except RuntimeError as error:
                said.append(str(error))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return said

    said = play(with_stream(read), call=Shelf()).result
    assert said == ["a stream is read in a step, which gets it as an argument, and nowhere else"]


def test_a_stream_of_another_instance_is_refused():
    async def perform():
        here.set(Place(7, "read-1", 1, pieces=Pieces(Shelf())))
        with pytest.raises(InvalidInput, match=r"stream of 5 bytes\] belongs to another instance"):
            await Stream(Reference(8, "make-1", "a", 5, "")).read()

    asyncio.run(perform())


def test_more_than_64_mib_are_not_read_at_once():
    stream = Stream(Reference(7, "make-1", "a", READ_BYTES + 1, ""))
    with pytest.raises(TooLarge) as refused:
        asyncio.run(stream.read())
    assert refused.value.message == "the stream has 67,108,865 bytes; read() gives at most 67,108,864"
    assert "async for" in (refused.value.hint or "")


@pytest.mark.parametrize("inside", [lambda stream: stream, lambda stream: {"data": [stream]}])
def test_the_output_of_an_instance_holds_no_stream(inside):
    async def run(event, ctx):
        return inside(await ctx.do("make", making))

    failure = play(run, call=Shelf()).failure
    assert failure.name == "UnserializableError"
    assert "a stream cannot be kept here: only a step that returns it by itself keeps one" in failure.message


def test_a_step_cannot_give_a_stream_inside_a_bigger_value():
    async def run(event, ctx):
        stream = await ctx.do("make", making)
        await ctx.do("wrap", lambda: {"data": [stream]})

    failure = play(run, call=Shelf()).failure
    assert failure.message.startswith(
        "step 'wrap-1' returned what cannot be kept: value['data'][0]: a stream cannot be kept here"
    )


def test_a_step_whose_stream_no_longer_fits_what_the_code_declares_holds_the_instance():
    declared: list[Any] = [None]

    async def run(event, ctx):
        await ctx.do("make", making, returns=declared[0])
        await ctx.wait_for_event("more", "more")

    async def script(stage: Stage) -> None:
        await stage.until(lambda: stage.change is not None)
        declared[0] = dict
        stage.send("more")

    played = play(run, script, call=Shelf(), cold=True)
    assert played.status == "held"
    assert played.failure.name == NonDeterminismError.__name__
    assert "does not fit dict" in played.failure.message


def test_a_stream_shows_its_size_and_digest_and_equals_itself():
    reference = Reference(7, "make-1", "a", 5, "ab")
    stream = Stream(reference)
    assert repr(stream) == "Stream(size=5, digest='ab')"
    assert stream == opened(reference)
    assert hash(stream) == hash(opened(reference))
    assert stream != Stream(Reference(7, "make-2", "a", 5, "ab"))
    assert stream != reference
    assert opened(5) == 5
