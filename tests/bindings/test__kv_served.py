"""KV against a model of it in ten lines: by Workers and by steps, which fail, are given up, and die."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bindings.small_control import SmallControl, link
from tests.bindings.steps import Steps
from wflow import stores
from wflow.bindings import kv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEYS = ["a", "a:1", "a:2", "a:é", "b", "\U0001f600", "\uff5e"]
KEY = st.sampled_from(KEYS)
WORKER = ""
WHO = st.sampled_from([WORKER, "one-1", "two-1"])
PUT = st.tuples(st.just("put"), WHO, KEY, st.integers(0, 9), st.sampled_from([None, 60, 120]))
ACTS = st.one_of(
    PUT,
    PUT,
    PUT,
    st.tuples(st.just("delete"), WHO, KEY),
    st.tuples(st.just("get"), WHO, KEY),
    st.tuples(st.just("bulk"), WHO, st.lists(KEY, min_size=1, max_size=4)),
    st.tuples(st.just("list"), WHO, st.sampled_from(["", "a", "a:", "zz"]), st.integers(1, 4)),
    st.tuples(st.sampled_from(["settle", "give_up", "fail", "settle"]), st.sampled_from(["one-1", "two-1"])),
    st.tuples(st.just("die")),
    st.tuples(st.just("tick"), st.sampled_from([1, 59, 60])),
)


class Model:
    """What is kept, and what each step has written since its attempt began: None is a key that is gone."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.held: dict[str, dict[str, Any]] = {}

    def write(self, who: str, key: str, value: Any) -> None:
        (self.kept if who == WORKER else self.held.setdefault(who, {}))[key] = value

    def seen(self, who: str, now: int) -> dict[str, Any]:
        both = {**self.kept, **self.held.get(who, {})}
        living = {key: one for key, one in both.items() if one and (one[1] is None or one[1] > now)}
        return {key: living[key] for key in sorted(living)}

    def ended(self, who: str, *, well: bool) -> None:
        written = self.held.pop(who, {})
        self.kept |= written if well else {}


class Player:
    """Does to a namespace what is done to the model, and compares what both show."""

    def __init__(self, control: SmallControl, number: int) -> None:
        self.control = control
        self.steps = Steps(control, f"i{number}")
        self.model = Model()
        self.attempts = {"one-1": 1, "two-1": 1}
        self.kv = link(kv, control, f"space-{number}")

    async def act(self, act: tuple[Any, ...]) -> None:
        name, *more = act
        if name in ("put", "delete", "get", "bulk", "list"):
            await self.called(name, *more)
        elif name == "die":
            await self.steps.died()
            self.model.held.clear()
        elif name == "tick":
            self.control.at += more[0] * 1000
        elif name in ("settle", "give_up", "fail"):
            (step,) = more
            await getattr(self.steps, name)(step, self.attempts[step])
            self.model.ended(step, well=name == "settle")
            self.attempts[step] += 1

    async def called(self, name: str, who: str, *more: Any) -> None:
        if who == WORKER:
            self.steps.leave()
        else:
            self.steps.enter(who, self.attempts[who])
        seen = self.model.seen(who, self.control.at)
        match name, more:
            case "put", (key, value, ttl):
                await self.kv.put(key, str(value), expiration_ttl=ttl, metadata=value)
                until = None if ttl is None else self.control.at + ttl * 1000
                self.model.write(who, key, (str(value), until))
            case "delete", (key,):
                await self.kv.delete(key)
                self.model.write(who, key, None)
            case "get", (key,):
                assert await self.kv.get(key) == seen.get(key, (None,))[0]
            case "bulk", (keys,):
                assert await self.kv.get(keys) == {key: seen.get(key, (None,))[0] for key in keys}
            case "list", (prefix, limit):
                await self.listed(prefix, limit, [key for key in seen if key.startswith(prefix)])

    async def listed(self, prefix: str, limit: int, wanted: list[str]) -> None:
        cursor, names = None, []
        while True:
            page = await self.kv.list(prefix=prefix, limit=limit, cursor=cursor)
            names += [one.name for one in page.keys]
            assert page.list_complete or len(page.keys) == limit
            if page.list_complete:
                break
            cursor = page.cursor
        assert names == wanted


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[Any]], None]]:
    """Play acts on a namespace and an instance of their own; the store is one for all."""
    folder: Path = tmp_path_factory.mktemp("kv")
    numbers = itertools.count()
    with asyncio.Runner() as runner:
        store = runner.run(stores.connect(f"sqlite://{folder}/state"))

        async def played(acts: list[Any]) -> None:
            player = Player(SmallControl(store), next(numbers))
            await player.steps.begin()
            for act in acts:
                await player.act(act)
            for who in (WORKER, *player.attempts):
                await player.called("list", who, "", 3)
                await player.called("bulk", who, KEYS)

        def run(acts: list[Any]) -> None:
            runner.run(played(acts))

        yield run
        runner.run(store.close())


@given(acts=st.lists(ACTS, min_size=10, max_size=40))
def test_whatever_steps_and_workers_do_everybody_sees_what_the_model_says(play, acts):
    play(acts)
