"""Handlers that are called with events: in class and in function form, and whatever they raise."""

from __future__ import annotations

import asyncio
import contextlib
import types

import pytest

from wflow.engine import names, values
from wflow.link import frames
from wflow.runtime import handling
from wflow.runtime.env import Env
from wflow.runtime.loader import Code
from wflow.runtime.workers import WorkerEntrypoint
from wflow.runtime.workers.entrypoint import of_functions

ENV = Env({"REGION": "eu"})
BATCH = {"queue": "jobs", "messages": [["m1", 0, 1, "json", b"1"], ["m2", 0, 1, "json", b"2"]]}
TIME = {"cron": "* * * * *", "scheduledTime": 60_000}


def handled(worker, kind="queue", event=BATCH):
    message = frames.Handle(7, kind, values.encode(event))
    answer = asyncio.run(handling.handle(Code(worker=worker), ENV, message))
    assert answer.call == 7
    return (values.decode(answer.answer) if answer.answer else None), answer.failure


def test_a_class_gets_the_batch_with_env_and_ctx_as_it_asks_for_them():
    seen = []

    class Consumer(WorkerEntrypoint):
        async def queue(self, batch, env, ctx):
            seen.append(
                (batch.queue, [message.body for message in batch.messages], env.REGION, self.env is env)
            )
            batch.messages[1].retry()

    assert handled(Consumer) == ({"retries": [[1, None]], "raised": None}, None)
    assert seen == [("jobs", [1, 2], "eu", True)]


def test_functions_are_handlers_as_well():
    module = types.ModuleType("functions")

    async def on_queue(batch, env, ctx):
        batch.ackAll()
        raise ValueError(env.REGION)

    def on_scheduled(controller, env, ctx):
        assert (controller.cron, controller.scheduledTime) == ("* * * * *", 60_000)
        controller.noRetry()

    vars(module).update(on_queue=on_queue, on_scheduled=on_scheduled)
    worker = of_functions(module)
    assert handled(worker) == ({"retries": [], "raised": "ValueError: eu"}, None)
    assert handled(worker, "scheduled", TIME) == ({"noRetry": True}, None)


@pytest.mark.parametrize(
    "raised", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_whatever_a_handler_raises_is_told_and_ends_nothing(raised):
    class Consumer(WorkerEntrypoint):
        async def queue(self, batch):
            raise raised

        async def scheduled(self, controller):
            raise raised

    answer, failure = handled(Consumer)
    assert (answer["retries"], failure) == ([[0, None], [1, None]], None)
    assert answer["raised"].startswith(type(raised).__name__)
    assert handled(Consumer, "scheduled", TIME)[1].name == type(raised).__name__


@pytest.mark.parametrize("worker", [None, type("Silent", (WorkerEntrypoint,), {})])
def test_a_worker_without_the_handler_keeps_no_message(worker):
    answer, _ = handled(worker)
    assert answer["retries"] == [[0, None], [1, None]]
    assert "does not export a queue() function" in answer["raised"]
    assert "does not export a scheduled() function" in handled(worker, "scheduled", TIME)[1].message


def test_a_kind_that_there_is_not_is_a_failure():
    assert "no handler 'email'" in handled(WorkerEntrypoint, "email")[1].message


def test_a_body_that_cannot_be_read_is_no_other_messages_affair():
    class Consumer(WorkerEntrypoint):
        async def queue(self, batch):
            for message in batch.messages:
                with contextlib.suppress(ValueError):
                    assert message.body == 2
                    message.ack()
            batch.retry_all()

    broken = {"queue": "jobs", "messages": [["m1", 0, 1, "json", b"{"], ["m2", 0, 1, "json", b"2"]]}
    assert handled(Consumer, event=broken)[0] == {"retries": [[0, None]], "raised": None}


def test_what_wait_until_was_given_may_still_decide():
    class Consumer(WorkerEntrypoint):
        async def queue(self, batch, env, ctx):
            async def later():
                await asyncio.sleep(0)
                batch.messages[0].retry(delay_seconds=3)

            ctx.wait_until(later())

    assert handled(Consumer) == ({"retries": [[0, 3]], "raised": None}, None)


def test_a_handler_has_an_end(monkeypatch):
    monkeypatch.setattr(names, "HANDLE_S", 0.01)

    class Consumer(WorkerEntrypoint):
        async def queue(self, batch):
            batch.messages[0].ack()
            await asyncio.Event().wait()

    answer, _ = handled(Consumer)
    assert answer["retries"] == [[1, None]]
    assert answer["raised"].startswith("TimeoutError")
