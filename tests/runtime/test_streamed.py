"""What a step gives as a stream: cut into pieces, kept, counted, and refused when it is none."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.runtime.shelf import Shelf
from tests.runtime.stage import Stage, play
from wflow.engine import facts, values
from wflow.engine.facts import Settled
from wflow.engine.machine import Machine
from wflow.engine.outcome import FULL, Err, Ok
from wflow.engine.stream import CHUNK_BYTES, PIECE_BYTES, Reference
from wflow.errors import MismatchError, NonRetryableError, StoreError, TooLarge, UnserializableError
from wflow.runtime.stream import Stream
from wflow.runtime.streamed import UNDER_WAY, WINDOW, Pieces, is_stream

ONCE = {"limit": 0, "delay": 0}
AGAIN = {"limit": 3, "delay": 0}


def stream_of(function, *arguments, **options):
    """Make a workflow of one step that says what it got: the size and the digest, or the error."""

    async def run(event: Any, ctx: Any) -> list[object]:
        try:
            got = await ctx.do("make", function, *arguments, **options)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return [type(error).__name__, str(error), isinstance(error, NonRetryableError)]
        assert isinstance(got, Stream)
        return [got.size, got.digest]

    return run


def told_of(data: bytes) -> list[object]:
    return [len(data), hashlib.sha256(data).hexdigest()]


def settled(played) -> Settled:
    return next(fact for fact in played.facts if isinstance(fact, Settled))


async def hello() -> AsyncIterator[Any]:
    yield b"hel"
    yield bytearray(b"lo ")
    yield memoryview(b"--world--")[2:-2]


def plain() -> Iterator[bytes]:
    yield b"hello "
    yield b"world"


async def gives_async() -> AsyncIterator[bytes]:
    return hello()


def gives_async_plainly() -> AsyncIterator[bytes]:
    return hello()


async def gives_plain() -> Iterator[bytes]:
    return plain()


class Source:
    """Something to iterate that is no iterator itself."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return hello()


@pytest.mark.parametrize(
    "function",
    [
        hello,
        plain,
        gives_async,
        gives_async_plainly,
        gives_plain,
        Source,
        lambda: iter([b"hello ", b"world"]),
        lambda: map(str.encode, ["hello ", "world"]),
        lambda: io.BytesIO(b"hello world"),
        lambda *_: gives_plain(),
    ],
)
def test_a_step_that_gives_bytes_one_after_the_other_gives_a_stream(function):
    shelf = Shelf()
    played = play(stream_of(function), call=shelf)
    assert played.result == told_of(b"hello world")
    assert (shelf.steps, list(shelf.pieces.values())) == (["make-1"], [b"hello world"])


@pytest.mark.parametrize("value", [b"bytes", [b"a", b"b"], (b"a",), {"a": b"b"}, {b"a"}, "text", None, 7])
def test_what_is_a_value_is_no_stream(value):
    assert not is_stream(value)


def test_the_pieces_are_of_one_size_whatever_the_chunks_are():
    data = bytes(range(256)) * 3_000  # 2.93 pieces

    async def small():
        for start in range(0, len(data), 1_000):
            yield data[start : start + 1_000]

    async def large():
        yield data[:700_000]
        yield b""
        yield data[700_000:]

    for function in (small, large):
        shelf = Shelf()
        played = play(stream_of(function), call=shelf)
        assert played.result == told_of(data)
        assert shelf.sizes == [PIECE_BYTES, PIECE_BYTES, len(data) - 2 * PIECE_BYTES]
        assert b"".join(piece for _, piece in sorted(shelf.pieces.items())) == data


def test_a_stream_of_whole_pieces_has_no_empty_one_at_its_end():
    shelf = Shelf()
    played = play(stream_of(lambda: iter([bytes(2 * PIECE_BYTES)])), call=shelf)
    assert played.result == told_of(bytes(2 * PIECE_BYTES))
    assert shelf.sizes == [PIECE_BYTES, PIECE_BYTES]


def test_a_stream_of_nothing_is_a_stream():
    async def nothing():
        for _ in range(0):
            yield b""

    played = play(stream_of(nothing), call=Shelf())
    assert played.result == told_of(b"")


def test_the_outcome_refers_to_the_pieces_and_counts_them():
    shelf = Shelf()
    played = play(stream_of(hello), call=shelf)
    outcome = settled(played).outcome
    assert isinstance(outcome, Ok)
    digest = hashlib.sha256(b"hello world").hexdigest()
    ((_, token, _),) = shelf.pieces
    assert values.decode(outcome.value) == Reference(7, "make-1", token, 11, digest)
    assert outcome.beside == 11


def test_all_of_it_is_kept_before_the_step_is_over():
    shelf = Shelf()
    kept_by_then: list[int] = []

    def look(fact: object) -> None:
        if isinstance(fact, Settled):
            kept_by_then.append(sum(shelf.sizes))

    async def run(event, ctx):
        await ctx.do("make", lambda: iter([bytes(10 * PIECE_BYTES)]))

    class Watched(list[bytes]):
        def append(self, raw):
            look(facts.decode(raw))
            super().append(raw)

    async def script(stage: Stage) -> None:
        stage.journal = Watched(stage.journal)

    play(run, script, call=shelf)
    assert kept_by_then == [10 * PIECE_BYTES]


def test_a_stream_is_made_no_faster_than_it_is_kept():
    made = 0
    shelf = Shelf()

    async def fast():
        nonlocal made
        for _ in range(50):
            made += 1
            yield bytes(PIECE_BYTES)

    async def script(stage: Stage) -> None:
        shelf.opens = asyncio.Event()
        await stage.until(lambda: shelf.calls)
        for _ in range(100):
            await asyncio.sleep(0)
        assert made == 1, "the first piece is waited for"
        shelf.opens.set()

    played = play(stream_of(fast), script, call=shelf)
    assert played.result == told_of(bytes(50 * PIECE_BYTES))
    assert shelf.most_at_once == WINDOW


def test_all_streams_of_a_runtime_share_what_may_be_under_way():
    shelf = Shelf()

    def many():
        yield bytes(20 * PIECE_BYTES)

    async def run(event, ctx):
        await asyncio.gather(*(ctx.do("make", many) for _ in range(40)))

    play(run, call=shelf)
    assert shelf.most_at_once <= UNDER_WAY
    assert len(shelf.pieces) == 40 * 20


def test_an_iterator_is_read_in_the_thread_that_made_it():
    def export() -> Iterator[bytes]:
        connection = sqlite3.connect(":memory:")  # of one thread only
        connection.execute("CREATE TABLE rows (line BLOB)")
        connection.executemany("INSERT INTO rows VALUES (?)", [(bytes(100_000),)] * 10)
        return (line for (line,) in connection.execute("SELECT line FROM rows"))

    played = play(stream_of(export), call=Shelf())
    assert played.result == told_of(bytes(1_000_000))


def test_an_open_file_is_read_in_pieces_and_closed(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(bytes(17 * 1024 * 1024))  # as a line it would be too long
    opened = []

    def give():
        opened.append(path.open("rb"))
        return opened[0]

    played = play(stream_of(give), call=Shelf())
    assert played.result == told_of(bytes(17 * 1024 * 1024))
    assert opened[0].closed


@pytest.mark.parametrize("gives", [[b"a", "b"], [b"a", None], [b"a", 7], [b"a", [b"b"]]])
@pytest.mark.parametrize("kind", ["async", "plain"])
def test_what_is_no_bytes_fails_the_step_for_good(gives, kind):
    closed = []

    async def slowly():
        try:
            for one in gives:
                yield one
        finally:
            closed.append(True)

    def plainly():
        try:
            yield from gives
        finally:
            closed.append(True)

    played = play(stream_of(slowly if kind == "async" else plainly, retries=AGAIN), call=Shelf())
    name, message, final = played.result
    assert (name, final) == (UnserializableError.__name__, True)
    assert message.startswith(f"step 'make-1' gave a stream of bytes, and in it {gives[1]!r}, a ")
    assert message.endswith("for other data return a list")
    assert closed == [True]


def test_too_much_at_once_fails_the_step_for_good():
    async def huge():
        yield bytes(CHUNK_BYTES)
        yield bytes(CHUNK_BYTES + 1)

    shelf = Shelf()
    name, message, final = play(stream_of(huge, retries=AGAIN), call=shelf).result
    assert (name, final) == (UnserializableError.__name__, True)
    assert message == "step 'make-1' gave a stream with 16,777,217 bytes at once; the limit is 16,777,216"
    assert shelf.pieces == {}


def test_streams_count_to_what_an_instance_may_keep_and_stop_where_the_room_ends(monkeypatch):
    monkeypatch.setitem(Machine.__init__.__kwdefaults__, "state_bytes", 10 * PIECE_BYTES)
    made = []

    async def making(count):
        for number in range(count):
            made.append(number)
            yield bytes(PIECE_BYTES)

    async def run(event, ctx):
        await ctx.do("make", making, 6)
        await ctx.do("value", bytes, PIECE_BYTES)
        with pytest.raises(TooLarge, match=r"^The instance has exceeded the 1GiB storage limit$"):
            await ctx.do("make", making, 100, retries=AGAIN)
        await ctx.do("make", making, 2)
        return "full"

    shelf = Shelf()
    played = play(run, call=shelf, crash_after=[3])
    assert played.result == "full"
    assert made.count(0) == 3
    assert len(made) == 6 + 3 + 2, "the one beyond the room stopped at once"
    outcomes = [fact.outcome for fact in played.facts if isinstance(fact, Settled)]
    assert outcomes[2] == Err(FULL)
    assert shelf.steps == ["make-1", "make-3"]


def test_of_two_streams_that_fit_only_one_by_one_the_second_fails(monkeypatch):
    monkeypatch.setitem(Machine.__init__.__kwdefaults__, "state_bytes", 10 * PIECE_BYTES)

    async def making():
        yield bytes(6 * PIECE_BYTES)

    async def run(event, ctx):
        done = await asyncio.gather(ctx.do("a", making), ctx.do("b", making), return_exceptions=True)
        return sorted(type(one).__name__ for one in done)

    assert play(run, call=Shelf()).result == ["Stream", "TooLarge"]


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_what_the_runner_has_no_room_for_fails_the_step_for_good(kind):
    shelf = Shelf(room=3)

    async def slowly():
        for _ in range(100):
            yield bytes(PIECE_BYTES)

    def plainly():
        for _ in range(100):
            yield bytes(PIECE_BYTES)

    played = play(stream_of(slowly if kind == "async" else plainly, retries=AGAIN), call=shelf)
    assert played.result == [TooLarge.__name__, FULL.message, False]
    assert settled(played).outcome == Err(FULL)
    assert settled(played).attempt == 1


def test_an_error_of_the_stream_itself_is_one_of_the_step_and_it_is_tried_again():
    attempts = []

    async def stumbling():
        attempts.append(1)
        yield bytes(2 * PIECE_BYTES)
        if len(attempts) < 3:
            raise ValueError("fell")
        yield b"end"

    shelf = Shelf()
    played = play(stream_of(stumbling, retries=AGAIN), call=shelf)
    assert played.result == told_of(bytes(2 * PIECE_BYTES) + b"end")
    assert shelf.steps == ["make-1"]
    failed = [fact for fact in played.facts if isinstance(fact, facts.Failed)]
    assert [fact.failure.message for fact in failed] == ["fell", "fell"]
    assert "stumbling" in failed[0].failure.trace
    assert "wflow/runtime/streamed.py" not in failed[0].failure.trace


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_a_stream_that_fails_for_good_leaves_nothing(kind):
    async def slowly():
        yield bytes(10 * PIECE_BYTES)
        raise NonRetryableError("no")

    def plainly():
        yield bytes(10 * PIECE_BYTES)
        raise NonRetryableError("no")

    shelf = Shelf()
    function = slowly if kind == "async" else plainly

    async def run(event, ctx):
        with pytest.raises(NonRetryableError, match="no"):
            await ctx.do("make", function)
        await ctx.do("next", lambda: None)

    async def script(stage: Stage) -> None:
        await stage.until(lambda: "stream.drop make-1" in shelf.calls)

    play(run, script, call=shelf)
    assert shelf.pieces == {}


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_what_the_store_says_is_the_steps_error(kind):
    left = [StoreError("the disk is full"), StoreError("the disk is full")]

    def fail(method, arguments):
        if method == "stream.put" and arguments[2] == 5 and left:
            raise left.pop()

    async def slowly():
        for _ in range(10):
            yield bytes(PIECE_BYTES)

    def plainly():
        for _ in range(10):
            yield bytes(PIECE_BYTES)

    shelf = Shelf(before=fail)
    played = play(stream_of(slowly if kind == "async" else plainly, retries=AGAIN), call=shelf)
    assert played.result == told_of(bytes(10 * PIECE_BYTES))
    assert settled(played).attempt == 3
    assert len(shelf.pieces) == 10


def test_a_crash_in_the_middle_leaves_pieces_that_the_next_attempt_clears_away():
    shelf = Shelf()
    starts = []

    async def making():
        starts.append(1)
        yield bytes(3 * PIECE_BYTES)
        if len(starts) == 1:
            await asyncio.Event().wait()
        yield b"!"

    async def script(stage: Stage) -> None:
        await stage.until(lambda: len(shelf.pieces) == 3)
        stage.crash()

    shelf_before = shelf.pieces
    played = play(stream_of(making), script, call=shelf)
    assert played.result == told_of(bytes(3 * PIECE_BYTES) + b"!")
    assert len(shelf_before) == 4
    assert shelf.steps == ["make-1"]


@pytest.mark.parametrize("crash_after", range(4))
def test_a_crash_after_the_step_makes_no_stream_again(crash_after):
    shelf = Shelf()
    made = []

    async def making():
        made.append(1)
        yield b"once"

    async def run(event, ctx):
        got = await ctx.do("make", making)
        await ctx.do("next", lambda: None)
        return [got.size, got.digest]

    played = play(run, call=shelf, crash_after=[crash_after])
    assert played.result == told_of(b"once")
    assert len(made) <= 2 if crash_after == 0 else len(made) == 1
    assert sum(shelf.sizes) == 4


def test_the_timeout_of_an_attempt_holds_for_all_of_its_stream():
    closed = []

    async def endless():
        try:
            while True:
                yield bytes(1_000)
                await asyncio.sleep(0.001)
        finally:
            closed.append(True)

    name, message, _ = play(stream_of(endless, timeout=50, retries=ONCE), call=Shelf()).result
    assert (name, message) == ("WorkflowTimeoutError", "Execution timed out after 50ms")
    assert closed == [True]


def test_a_plain_stream_that_takes_too_long_is_stopped_at_its_next_chunk():
    closed = threading.Event()
    shelf = Shelf()

    def endless():
        try:
            while True:
                yield bytes(1_000)
        finally:
            closed.set()

    async def script(stage: Stage) -> None:
        await stage.until(lambda: "stream.drop make-1" in shelf.calls and closed.is_set())

    name, message, _ = play(stream_of(endless, timeout=50, retries=ONCE), script, call=shelf).result
    assert (name, message) == ("WorkflowTimeoutError", "Execution timed out after 50ms")
    assert "stream.put make-1 0" in shelf.calls
    assert shelf.pieces == {}


def test_a_stream_that_will_not_be_cancelled_sends_nothing_more():
    shelf = Shelf()
    over = []

    async def stubborn():
        yield bytes(PIECE_BYTES)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            yield bytes(PIECE_BYTES)
        finally:
            over.append(len(shelf.calls))

    async def script(stage: Stage) -> None:
        await stage.until(lambda: over)

    name, message, _ = play(stream_of(stubborn, timeout=50, retries=ONCE), script, call=shelf).result
    assert (name, message) == ("WorkflowTimeoutError", "Execution timed out after 50ms")
    assert shelf.calls == ["stream.put make-1 0", "stream.drop make-1"]


def test_a_step_that_the_code_gives_up_stops_its_stream():
    closed = []

    async def endless():
        try:
            while True:
                yield bytes(1_000)
                await asyncio.sleep(0.001)
        finally:
            closed.append(True)

    async def run(event, ctx):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ctx.do("make", endless)
        return "on"

    assert play(run, call=Shelf()).result == "on"
    assert closed == [True]


def test_a_stream_that_does_not_fit_its_declared_type_is_not_even_begun():
    begun = []

    async def making() -> AsyncIterator[bytes]:
        begun.append(1)
        yield b"a"

    shelf = Shelf()
    name, message, final = play(stream_of(making, returns=bytes, retries=AGAIN), call=shelf).result
    assert (name, final) == (MismatchError.__name__, True)
    assert message == "step 'make-1' gave a stream of bytes, which does not fit bytes"
    assert begun == []
    assert shelf.calls == []


@pytest.mark.parametrize(
    "returns", [Stream, object, Any, AsyncIterator[bytes], Iterator[bytes], Stream | None, None]
)
def test_a_stream_fits_what_may_be_one(returns):
    assert play(stream_of(hello, returns=returns), call=Shelf()).result == told_of(b"hello world")


def test_a_decorated_step_may_give_a_stream_and_another_one_takes_it():
    async def run(event, ctx):
        @ctx.do()
        async def words():
            yield b"some "
            yield b"bytes"

        @ctx.do()
        async def read(words):
            return (await words.read()).decode()

        return await read()

    assert play(run, call=Shelf()).result == "some bytes"


def test_an_item_of_a_map_may_give_a_stream():
    async def make(size):
        yield bytes(size)

    async def run(event, ctx):
        streams = await ctx.map(make, [1, 2, 3])
        return [one.size for one in streams]

    assert play(run, call=Shelf()).result == [1, 2, 3]


def test_a_poll_may_end_with_a_stream():
    async def run(event, ctx):
        got = await ctx.poll("look", hello, every="1 second")
        return got.size

    assert play(run, call=Shelf()).result == 11


def test_a_step_that_gives_a_stream_on_keeps_a_copy_of_it():
    async def run(event, ctx):
        first = await ctx.do("make", hello)
        second = await ctx.do("copy", lambda stream: stream, first)
        return [first.digest == second.digest, first == second]

    shelf = Shelf()
    assert play(run, call=shelf).result == [True, False]
    assert shelf.steps == ["copy-1", "make-1"]


def test_what_a_rollback_gives_as_a_stream_is_run_to_its_end():
    undone = []

    async def undo(output):
        undone.append(await output.read())
        yield b""
        undone.append("end")

    async def run(event, ctx):
        await ctx.do("make", hello, rollback=undo)
        raise ValueError("no")

    played = play(run, call=Shelf())
    assert played.status == "errored"
    assert undone == [b"hello world", "end"]


def test_a_piece_that_is_gone_or_cut_is_an_error_of_the_reader():
    async def read(stream):
        return await stream.read()

    async def run(event, ctx):
        stream = await ctx.do("make", hello)
        await ctx.do("read", read, stream, retries=ONCE)

    shelf = Shelf()

    async def script(stage: Stage) -> None:
        await stage.until(lambda: shelf.pieces)
        (key,) = shelf.pieces
        shelf.pieces[key] = b"hello"

    failure = play(run, script, call=shelf).failure
    assert failure.name == "WorkflowInternalError"
    assert failure.message == "piece 0 of the [stream of 11 bytes] is not what was kept"


def test_pieces_travel_from_any_loop():
    shelf = Shelf()

    async def perform():
        pieces = Pieces(shelf)
        await asyncio.to_thread(lambda: asyncio.run(pieces.put("a-1", "t", 0, b"x")))
        assert await pieces.get(Reference(1, "a-1", "t", 1, ""), 0) == b"x"

    asyncio.run(perform())
