"""Recorded histories as tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wflow import Context, Event, WorkflowEntrypoint
from wflow.errors import UsageError
from wflow.testing import DoesNotReplay, Kit, assert_replays, histories, project, replay
from wflow.wire.strict import HistoryError

if TYPE_CHECKING:
    from pathlib import Path


class Shop(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        charged = await ctx.do("charge", lambda: 5)
        await ctx.sleep("nap", "1 day")
        return [charged, await ctx.do("thank", lambda: self.env.WORD), ctx.random()]


class Renamed(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        charged = await ctx.do("take", lambda: 5)
        await ctx.sleep("nap", "1 day")
        return [charged, await ctx.do("thank", lambda: self.env.WORD), ctx.random()]


SAME = project({"SHOP": Shop}, vars={"WORD": "thanks"})
OTHER = project({"SHOP": Renamed}, vars={"WORD": "thanks"})


@pytest.fixture
def history(wflow: Kit, tmp_path: Path) -> Path:
    """A history of an instance that is complete."""
    file = tmp_path / "histories" / "paid.json"
    file.parent.mkdir()

    async def record() -> None:
        async with wflow.introspect_instance("SHOP", "one") as one:
            await wflow.env.SHOP.create(id="one")
            await one.wait_for_status("complete")
            await one.export(file)

    wflow.run(record())
    return file


pytestmark = pytest.mark.wflow(project=SAME)


def test_a_history_replays_on_the_code_that_wrote_it(history: Path):
    verdict = replay(history, SAME)
    assert verdict.clean
    assert verdict.heard == verdict.recorded == 3
    assert_replays(history, SAME)


def test_one_that_the_code_does_not_fit_fails_with_the_first_difference(history: Path):
    assert replay(history, OTHER).divergence is not None
    with pytest.raises(DoesNotReplay) as failed:
        assert_replays(history, OTHER)
    told = str(failed.value)
    assert "paid.json: after 0 of 3 outcomes" in told
    assert "'charge-1'" in told
    assert "'take-1'" in told


def test_a_folder_of_histories_is_a_list_of_cases(history: Path):
    (history.parent / "second.json").write_bytes(history.read_bytes())
    (history.parent / "notes.txt").touch()
    cases = histories(history.parent)
    assert [(case.id, case.values) for case in cases] == [
        ("paid", (history,)),
        ("second", (history.parent / "second.json",)),
    ]


def test_a_folder_without_any_is_refused_as_it_would_test_nothing(tmp_path: Path):
    with pytest.raises(UsageError, match="no history"):
        histories(tmp_path)


def test_what_is_no_history_is_refused(tmp_path: Path):
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"format": 99}), encoding="utf-8")
    with pytest.raises(HistoryError):
        replay(file, SAME)


async def test_an_async_test_can_replay_too(wflow: Kit, tmp_path: Path):
    file = tmp_path / "one.json"
    one = wflow.introspect_instance("SHOP", "one")
    await wflow.env.SHOP.create(id="one")
    await one.output()
    await one.export(file)
    assert replay(file, SAME).clean
