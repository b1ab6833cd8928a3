"""What the engine does across versions: features of the table's group B, named after their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stories.featured import Site, gate_of, open_gate, open_project, step
from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Have a runner with an instance whose attempt goes on, and then deploy new code."""
    world = open_project(tmp_path_factory.mktemp("deployed"), "engine")
    with world.runner() as runner, runner.api(runner.out.strip()) as api:
        assert world.wflow("login", "--url", runner.url, "--token", runner.out.strip()).code == 0
        assert world.wflow("deploy").code == 0
        site = Site(world, runner, api)
        site.start("versioned", gate_of(world, "old"), "old")
        wait_for(lambda: site.effects("versioned"), "the attempt")
        world.edit("worker.py", 'VERSION = "one"', 'VERSION = "two"')
        assert world.wflow("deploy").code == 0
        yield site


def test_b23_an_instance_stays_on_the_version_that_it_began_with(deployed: Site):
    open_gate(deployed.world, "old")
    deployed.until("waiting", "versioned", "old")
    deployed.start("versioned", gate_of(deployed.world, "old"), "new")
    for id_ in ("old", "new"):
        deployed.send("versioned", id_, "go")
    old, new = (deployed.end("versioned", id_) for id_ in ("old", "new"))
    assert old["output"] == ["one", "one"]
    assert new["output"] in (["two", "two"], ["three", "three"])  # whichever is live by now
    assert old["versionId"] != new["versionId"]


def test_b24_an_instance_moves_to_another_version_when_its_journal_fits(deployed: Site):
    open_gate(deployed.world, "old")
    deployed.start("versioned", gate_of(deployed.world, "old"), "moved")
    current = deployed.until("waiting", "versioned", "moved")["versionId"]
    deployed.world.edit("worker.py", 'VERSION = "two"', 'VERSION = "three"')
    assert deployed.world.wflow("deploy").code == 0
    moved = deployed.api.instances.migrate("versioned", "moved")
    assert (moved["migrated"], moved["fits"]) == (True, True)
    deployed.send("versioned", "moved", "go")
    over = deployed.end("versioned", "moved")
    assert over["output"] == ["two", "three"], "what was done stays, and the rest is new"
    assert over["versionId"] != current
    assert len(step(over, "work-1")["attempts"]) == 1


def test_b29_a_deploy_ends_no_attempt_that_runs(deployed: Site):
    open_gate(deployed.world, "old")
    wait_for(lambda: step(deployed.look("versioned", "old"), "work-1")["finished"], "the end of the attempt")
    attempts = step(deployed.look("versioned", "old"), "work-1")["attempts"]
    assert [each["success"] for each in attempts] == [True]
    assert deployed.effects("versioned").count("one") == 1
