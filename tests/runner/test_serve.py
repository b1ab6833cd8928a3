from __future__ import annotations

import asyncio
import os
import signal

import pytest

from wflow.runner.serve import stop_signal, until


def test_work_is_done_to_its_end_when_nobody_stops_it():
    async def story() -> None:
        done: list[str] = []

        async def work() -> None:
            await asyncio.sleep(0)
            done.append("work")

        await until(asyncio.Event(), work())
        assert done == ["work"]

    asyncio.run(story())


def test_work_is_given_up_at_once_when_it_is_stopped_and_puts_itself_in_order():
    async def story() -> None:
        stopped, told = asyncio.Event(), []

        async def work() -> None:
            try:
                stopped.set()
                await asyncio.sleep(600)
            finally:
                told.append("in order")

        await until(stopped, work())
        assert told == ["in order"]

    asyncio.run(asyncio.wait_for(story(), 2))


def test_what_goes_wrong_in_the_work_is_raised_even_when_it_was_stopped():
    async def story(stopped: asyncio.Event) -> None:
        async def work() -> None:
            raise ZeroDivisionError

        await until(stopped, work())

    for already in (False, True):
        stopped = asyncio.Event()
        if already:
            stopped.set()
        with pytest.raises(ZeroDivisionError):
            asyncio.run(story(stopped))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_and_a_second_one_does_not_wait(number):
    async def story() -> None:
        stopped = stop_signal()
        os.kill(os.getpid(), number)
        await stopped.wait()
        os.kill(os.getpid(), number)
        await asyncio.sleep(600)

    with pytest.raises(SystemExit) as ended:
        asyncio.run(story())
    assert ended.value.code == 130
