from __future__ import annotations

import asyncio

from wflow.runner import feed as feeds
from wflow.runner.feed import Feed


def test_who_is_behind_gets_the_last_position_at_once():
    async def story() -> None:
        assert await Feed(7).changed(3) == 7

    asyncio.run(story())


def test_all_who_wait_are_woken_by_the_next_commit():
    async def story() -> None:
        feed = Feed(7)
        waiting = [asyncio.create_task(feed.changed(7)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        feed.tell(9)
        assert await asyncio.gather(*waiting) == [9, 9, 9]
        assert await feed.changed(8) == 9

    asyncio.run(story())


def test_who_waits_in_vain_may_look_around_after_a_while(monkeypatch):
    monkeypatch.setattr(feeds, "PATIENCE_S", 0.01)

    async def story() -> None:
        assert await Feed(7).changed(7) == 7

    asyncio.run(story())


def test_the_end_is_told_to_who_waits_and_to_who_comes_later():
    async def story() -> None:
        feed = Feed(7)
        waiting = asyncio.create_task(feed.changed(7))
        await asyncio.sleep(0)
        feed.close()
        assert await waiting is None
        assert await feed.changed(3) is None

    asyncio.run(story())
