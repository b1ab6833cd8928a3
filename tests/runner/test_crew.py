from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.runner.stage import PaperPeer, build, entry, meanwhile, until
from wflow.errors import LinkError, LoadError
from wflow.runner import crew as crews
from wflow.runner.crew import Crew

if TYPE_CHECKING:
    from wflow.runner.peer import Peer
    from wflow.stores.store import Claim


class Sailor(PaperPeer):
    """A runtime on paper, known by a number; it may be given requests to work on."""

    def __init__(self, number: int) -> None:
        super().__init__(build(entry("orders"), version="v1"))
        self.number = number
        self.requests = 0

    @property
    def work(self) -> int:
        return len(self.holds) + self.requests

    @property
    def busy(self) -> bool:
        return self.work > 0

    def kill(self) -> None:
        self.alive = False

    async def gone(self) -> None:
        """Be gone."""


class Harbour:
    """Launches runtimes on paper; what is in `wrong` goes wrong instead, one after the other."""

    def __init__(self) -> None:
        self.launched: list[Sailor] = []
        self.joining: list[int] = []
        self.retired: list[int] = []
        self.told: list[str] = []
        self.wrong: list[Exception | None] = []
        self.open = asyncio.Event()
        self.open.set()
        self.starting = 0

    async def launch(self, version: str) -> Peer:
        assert version == "v1"
        self.starting += 1
        try:
            await self.open.wait()
        finally:
            self.starting -= 1
        if self.wrong and (broken := self.wrong.pop(0)) is not None:
            raise broken
        return self.made()

    def made(self) -> Peer:
        self.launched.append(Sailor(len(self.launched) + 1))
        return cast("Peer", self.launched[-1])

    def joined(self, peer: Peer) -> None:
        self.joining.append(cast("Sailor", peer).number)

    def retire(self, peer: Peer, patience_s: float | None = None) -> None:
        self.retired.append(cast("Sailor", peer).number)

    def tell(self, level: str, text: str) -> None:
        self.told.append(f"{level}: {text}")


def numbers(peers: Any) -> list[int]:
    return [peer.number for peer in peers]


def work(peer: Any, *keys: int) -> None:
    """Have a runtime hold claims."""
    for key in keys:
        peer.holds[key] = cast("Claim", None)


def test_whoever_asks_as_the_first_one_comes_up_and_is_dead_gets_another_one(monkeypatch):
    monkeypatch.setattr(crews, "BACKOFF_S", (0.0,))

    async def story() -> None:
        asked: list[asyncio.Task[list[int]]] = []

        class Rocks(Harbour):
            def made(self) -> Peer:
                peer = super().made()
                if not asked:
                    peer.kill()
                    # This comes before anybody hears that it came up.
                    asked.append(asyncio.get_running_loop().create_task(placed()))
                return peer

        async def placed() -> list[int]:
            async with crew.placing([7]) as chosen:
                return numbers(chosen.values())

        crew = Crew("v1", 1, Rocks())
        await crew.peer()
        async with asyncio.timeout(5):
            assert await asked[0] == [2]

    asyncio.run(story())


def test_a_runtime_that_does_not_listen_gets_nothing_while_there_is_another_one():
    async def story() -> None:
        harbour = Harbour()
        crew = Crew("v1", 2, harbour)
        await crew.peer()
        crew.reinforce(2)
        await settled(harbour, crew)
        first, second = harbour.launched
        work(second, 1, 2, 3)
        first.hot.add(9)
        idlest: Any = crew.idlest
        assert idlest() is first
        first.listens = False
        assert idlest() is second
        async with crew.placing([8, 9]) as chosen:
            assert numbers(chosen.values()) == [2, 2], "nothing waits for one that may never read"
        second.listens = False
        assert crew.idlest() is first

    asyncio.run(story())


async def settled(harbour: Harbour, crew: Crew) -> list[int]:
    """Wait until nobody comes up any more; names those that are up."""
    await until(lambda: not (harbour.starting or crew.starting), "all to be up")
    return numbers(crew.members)


async def manned(harbour: Harbour, most: int) -> Crew:
    """Have a crew with all that may be."""
    crew = Crew("v1", most, harbour)
    await crew.peer()
    crew.reinforce(most)
    assert await settled(harbour, crew) == list(range(1, most + 1))
    return crew


def test_there_are_as_many_as_there_is_to_do_at_once_and_they_stay():
    async def story() -> None:
        harbour = Harbour()
        crew = Crew("v1", 3, harbour)
        for instances, there in (([1], 1), ([2], 1), ([3, 4], 2), ([5, 6, 7, 8], 3), ([9], 3)):
            async with crew.placing(instances):
                pass
            assert len(await settled(harbour, crew)) == there
        assert harbour.told == []
        assert harbour.joining == [2, 3], "whoever waits for room hears of those beside the first"

    asyncio.run(story())


def test_a_request_that_comes_while_another_is_under_way_brings_one_more_up():
    async def story() -> None:
        harbour = Harbour()
        crew = Crew("v1", 2, harbour)
        first: Any = await crew.peer()
        crew.reinforce(1)
        assert await settled(harbour, crew) == [1]
        first.requests = 1
        crew.reinforce(1)
        assert await settled(harbour, crew) == [1, 2]
        found: Any = await crew.peer()
        assert found.number == 2

    asyncio.run(story())


def test_one_that_is_asked_for_by_many_at_once_comes_up_once():
    async def story() -> None:
        harbour = Harbour()
        crew = Crew("v1", 4, harbour)
        found = await asyncio.gather(*(crew.peer() for _ in range(50)))
        assert numbers(set(found)) == numbers(harbour.launched) == [1]

    asyncio.run(story())


def test_instances_go_to_whoever_has_the_least_to_do():
    async def story() -> None:
        crew = await manned(Harbour(), 3)
        first, second, third = crew.members
        work(first, 100, 101, 102)
        work(second, 200)
        async with crew.placing([1, 2, 3, 4, 5]) as chosen:
            assert numbers(chosen.values()) == [3, 2, 3, 2, 3]
        work(third, 300, 301, 302, 303)
        assert numbers([crew.idlest()]) == [2]

    asyncio.run(story())


def test_what_is_on_its_way_counts_until_it_is_there():
    async def story() -> None:
        crew = await manned(Harbour(), 2)
        first, second = crew.members
        async with crew.placing([1]) as one:
            async with crew.placing([2]) as other, crew.placing([3, 4]) as more:
                chosen = {**one, **other, **more}
            assert sorted(numbers(chosen.values())) == [1, 1, 2, 2]
            assert chosen[1] is first
            async with crew.placing([5]) as last:
                assert last[5] is second
        assert not crew._coming

    asyncio.run(story())


def test_what_rests_in_memory_goes_back_there_however_much_there_is_to_do():
    async def story() -> None:
        crew = await manned(Harbour(), 2)
        first, second = crew.members
        work(second, *range(100, 120))
        second.hot.update({1, 2})
        async with crew.placing([1, 2, 3]) as chosen:
            assert chosen == {1: second, 2: second, 3: first}

    asyncio.run(story())


def test_who_dies_is_missed_when_there_is_work_and_comes_after_a_pause(monkeypatch):
    monkeypatch.setattr(crews, "BACKOFF_S", (0.0, 600.0))

    async def story() -> None:
        harbour = Harbour()
        crew = await manned(harbour, 2)
        first, second = crew.members
        assert crew.lost(second)
        assert not crew.lost(second), "it was struck out already"
        async with crew.placing([1, 2]) as chosen:
            assert set(chosen.values()) == {first}
        await meanwhile(0.02)
        assert len(crew.starting) == 1
        assert harbour.starting == 0, "it waits"
        crew.replace(harbour.made())
        assert await settled(harbour, crew) == [3, 4], "new code is no reason to wait"

    asyncio.run(story())


def test_new_code_replaces_all_and_each_of_those_before_leaves_when_one_like_it_is_there():
    async def story() -> None:
        harbour = Harbour()
        crew = await manned(harbour, 3)
        before = list(crew.members)
        harbour.open.clear()
        crew.replace(harbour.made())
        assert numbers(crew.members) == [4]
        assert harbour.retired == [1]
        assert not any(map(crew.takes, before)), "those before get nothing new"
        assert numbers(crew.everyone) == [4, 2, 3]
        harbour.open.set()
        assert await settled(harbour, crew) == [4, 5, 6]
        assert harbour.retired == [1, 2, 3]
        assert numbers(crew.everyone) == [4, 5, 6]

    asyncio.run(story())


def test_code_that_comes_while_others_come_up_lets_go_of_those():
    async def story() -> None:
        harbour = Harbour()
        crew = await manned(harbour, 3)
        harbour.open.clear()
        crew.replace(harbour.made())
        await until(lambda: harbour.starting == 2, "the rest of the crew")
        crew.replace(harbour.made())
        harbour.open.set()
        assert await settled(harbour, crew) == [5, 6, 7]
        assert sorted(harbour.retired) == [1, 2, 3, 4]
        assert len(harbour.launched) == 7

    asyncio.run(story())


def test_the_first_of_old_code_gives_way_to_new_code_that_came_meanwhile():
    async def story() -> None:
        harbour = Harbour()
        crew = Crew("v1", 1, harbour)
        harbour.open.clear()
        asked = asyncio.create_task(crew.peer())
        await until(lambda: harbour.starting, "the first")
        new = harbour.made()
        crew.replace(new)
        harbour.open.set()
        assert await asked is new
        assert [(one.number, one.alive) for one in harbour.launched] == [(1, True), (2, False)]

    asyncio.run(story())


def test_code_that_loads_only_once_is_told_of_and_goes_on_with_those_that_it_has():
    async def story() -> None:
        harbour = Harbour()
        harbour.wrong = [None, None, LoadError("address already in use")]
        crew = Crew("v1", 3, harbour)
        for instances in ([1, 2], [3, 4, 5], [6, 7, 8, 9]):
            async with crew.placing(instances):
                pass
            await settled(harbour, crew)
        assert numbers(crew.members) == [1, 2]
        assert harbour.told == [
            "warn: version v1 cannot be loaded in one more process, so it has 2: address already in use"
        ]
        crew.replace(harbour.made())
        assert await settled(harbour, crew) == [3, 4, 5], "other code may"

    asyncio.run(story())


def test_the_rest_of_a_crew_that_does_not_come_keeps_nobody_of_those_before():
    async def story() -> None:
        harbour = Harbour()
        crew = await manned(harbour, 3)
        harbour.wrong = [LoadError("taken"), RuntimeError("a bug")]
        crew.replace(harbour.made())
        assert await settled(harbour, crew) == [4]
        await until(lambda: harbour.retired == [1, 2, 3], "those before to leave")
        assert harbour.told[1] == "error: one more process of version v1: RuntimeError('a bug')"

    asyncio.run(story())


def test_a_process_that_cannot_be_started_is_tried_again_when_there_is_work(monkeypatch):
    monkeypatch.setattr(crews, "BACKOFF_S", (0.0,))

    async def story() -> None:
        harbour = Harbour()
        harbour.wrong = [LinkError("no memory"), None, LinkError("no memory")]
        crew = Crew("v1", 2, harbour)
        with pytest.raises(LinkError, match="no memory"):
            await crew.peer()
        assert harbour.told == [], "who asked was told"
        for there in ([1], [1, 2]):
            async with crew.placing([1, 2]):
                pass
            assert await settled(harbour, crew) == there
        assert harbour.told == ["warn: one more process of version v1: no memory"]

    asyncio.run(story())


def test_those_without_work_are_retired_and_those_with_some_stay():
    async def story() -> None:
        harbour = Harbour()
        crew = await manned(harbour, 3)
        work(crew.members[1], 1)
        async with crew.placing([2]) as chosen:
            assert numbers(chosen.values()) == [1]
            crew.retire_idle()
        assert numbers(crew.members) == [1, 2]
        assert harbour.retired == [3]

    asyncio.run(story())
