"""The real wrangler makes, shows, changes, pauses, empties and deletes queues of a dev session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stories.featured import open_project
from tests.stories.wrangling import Wrangler, need_wrangler

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def wrangler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wrangler]:
    need_wrangler()
    world = open_project(tmp_path_factory.mktemp("wrangler"), "queues")
    with world.dev() as session:
        yield Wrangler.at(world, session)


def queues(wrangler: Wrangler, *words: str) -> str:
    """Run a command of `wrangler queues` that goes well; give what it prints."""
    ran = wrangler.run("queues", *words)
    assert ran.code == 0, ran.out + ran.err
    return ran.out


def test_wrangler_shows_the_queues_of_the_project(wrangler: Wrangler):
    assert "Consumers: worker:queues" in queues(wrangler, "info", "jobs")
    assert "Paused message delivery for queue jobs." in queues(wrangler, "pause-delivery", "jobs")
    assert "Resumed message delivery for queue jobs." in queues(wrangler, "resume-delivery", "jobs")


def test_wrangler_makes_a_queue_gives_it_consumers_and_deletes_it(wrangler: Wrangler):
    assert "Created queue 'made'" in queues(wrangler, "create", "made", "--delivery-delay-secs", "5")
    queues(wrangler, "update", "made", "--message-retention-period-secs", "120")
    queues(wrangler, "consumer", "http", "add", "made", "--visibility-timeout-secs", "9")
    assert " 9000 " in queues(wrangler, "consumer", "list", "made")
    queues(wrangler, "consumer", "http", "remove", "made")
    queues(wrangler, "consumer", "add", "made", "queues", "--batch-size", "7")
    queues(wrangler, "consumer", "remove", "made", "queues")
    assert "Purged Queue 'made'" in queues(wrangler, "purge", "made", "--force")
    queues(wrangler, "delete", "made")
    assert " made " not in queues(wrangler, "list")
