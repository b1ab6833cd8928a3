"""What user code prints, from tasks and threads."""

# ruff: noqa: T201 - printing is what is tested

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import sys
import threading
from typing import TYPE_CHECKING

from wflow.engine import names
from wflow.runtime.attempt import Place, here
from wflow.runtime.output import HELD, Lines, Output

if TYPE_CHECKING:
    from wflow.link.frames import Printed


def printed_by(code, *, level="info"):
    """Run ``code`` with stdout going to an output, and give the lines that were sent."""

    async def perform():
        sent: list[Printed] = []
        lines = Lines(Output(asyncio.get_running_loop(), sent.append), level)
        with contextlib.redirect_stdout(lines):
            done = code()
            if done is not None:
                await done
        await asyncio.sleep(0.01)
        return sent

    return asyncio.run(perform())


def at(step, code, *arguments):
    """Run code as if in a step."""
    context = contextvars.copy_context()
    context.run(here.set, Place(7, step))
    return context.run(code, *arguments)


def test_lines_are_told_with_instance_step_and_level():
    (line,) = printed_by(lambda: at("step-1", print, "hello", 5), level="error")
    assert (line.text, line.instance, line.step, line.level) == ("hello 5", 7, "step-1", "error")
    assert line.at > 1_700_000_000_000


def test_code_outside_of_steps_has_no_place():
    (line,) = printed_by(lambda: print("hello"))
    assert (line.instance, line.step) == (0, "")


def test_a_line_is_told_when_it_ends():
    def code():
        print("one ", end="")
        print("two")
        print("three\nfour\nfi", end="")
        sys.stdout.flush()
        print("ve\n\nsix")

    assert [line.text for line in printed_by(code)] == ["one two", "three", "four", "five", "", "six"]


def test_threads_that_print_at_once_do_not_mix_their_lines():
    barrier = threading.Barrier(8)

    def shout(n):
        barrier.wait(5)
        for _ in range(100):
            print(n, end="")
            print(n, end="")
            print()

    def code():
        threads = [threading.Thread(target=at, args=(f"step-{n}", shout, n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    lines = printed_by(code)
    assert len(lines) == 800
    assert {(line.text, line.step) for line in lines} == {(f"{n}{n}", f"step-{n}") for n in range(8)}


def test_an_unfinished_line_is_told_with_its_own_step_when_another_one_prints():
    def code():
        at("one-1", lambda: print("unfinished", end=""))
        at("two-1", print, "whole")

    assert [(line.text, line.step) for line in printed_by(code)] == [
        ("unfinished", "one-1"),
        ("whole", "two-1"),
    ]


def test_the_order_of_a_task_and_its_thread_is_kept():
    async def code():
        print("before")
        await asyncio.to_thread(print, "in the thread")
        print("after")

    assert [line.text for line in printed_by(code)] == ["before", "in the thread", "after"]


def test_a_flood_is_bounded_and_says_what_it_left_out():
    def code():
        for n in range(HELD + 500):
            print(n)

    for flood in (code, lambda: asyncio.to_thread(code)):
        lines = printed_by(flood)
        told = [line for line in lines if "left out" in line.text]
        if flood is code:
            assert len(lines) == HELD + 1
            assert told[0].text == "500 lines were left out: too many at once"
        assert len(lines) <= HELD + 501


def test_a_line_without_an_end_does_not_grow_for_ever():
    def code():
        for _ in range(50):
            print("x" * 1_000, end="")

    lines = printed_by(code)
    assert [len(line.text) for line in lines] == [names.LOG_LINE_CHARS] * 3


def test_a_long_line_is_cut_and_says_so():
    (line,) = printed_by(lambda: sys.stdout.write("x" * 100_000 + "\n") and None)
    assert len(line.text) == names.LOG_LINE_CHARS
    assert line.text.endswith("... (100,000 characters)")


def test_a_finalizer_that_prints_while_a_line_is_printed_does_not_hang():
    class Noisy:
        def __del__(self):
            print("gone")

    class Text(str):
        __slots__ = ()

        def split(self, *arguments):
            Noisy()
            return super().split(*arguments)

    assert {line.text for line in printed_by(lambda: print(Text("hello")))} >= {"hello"}


def test_it_is_a_text_stream_that_libraries_can_ask():
    def code():
        assert sys.stdout.writable()
        assert not sys.stdout.isatty()
        assert not sys.stdout.readable()
        assert sys.stdout.encoding == "utf-8"
        with contextlib.suppress(io.UnsupportedOperation):
            sys.stdout.fileno()
        sys.stdout.writelines(["a\n", "b\n"])

    assert [line.text for line in printed_by(code)] == ["a", "b"]


def test_lines_are_held_back_as_long_as_nobody_reads_them_and_no_more_than_so_many():
    async def perform():
        sent: list[Printed] = []
        output = Output(asyncio.get_running_loop(), sent.append)
        output.hold(held=True)
        for number in range(HELD + 5):
            output.say("info", f"line {number}")
        await asyncio.sleep(0.01)
        assert not sent
        output.hold(held=False)
        output.say("info", "after")
        await asyncio.sleep(0.01)
        return [line.text for line in sent]

    *lines, lost, after = asyncio.run(perform())
    assert lines == [f"line {number}" for number in range(HELD)]
    assert (lost, after) == ("5 lines were left out: too many at once", "after")
