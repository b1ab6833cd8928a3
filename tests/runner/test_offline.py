from __future__ import annotations

import asyncio
import threading

import pytest

from tests.runner.stage import stage
from wflow.client import api
from wflow.config.load import load
from wflow.errors import RunnerError, StoreBusy, StoreError, UsageError
from wflow.runner import offline


def left_behind(folder):
    """Leave a store with an instance, as a session does."""

    async def story() -> None:
        async with stage(folder, run=False) as on:
            on.runner.registry.activate(on.build())
            await on.create("patient", "p")

    asyncio.run(story())
    return load(path=folder / "shop" / "wflow.toml")


def test_the_api_answers_from_a_store_that_nobody_runs(tmp_path):
    project = left_behind(tmp_path)
    with offline.open(tmp_path / "data", project) as remote, api.connect(remote) as opened:
        assert [one["name"] for one in opened.workflows.list().items] == [
            "clumsy",
            "counting",
            "gated",
            "patient",
        ]
        assert opened.instances.get("patient", "p")["status"] == "queued"
        assert opened.instances.create("patient", {}, id_="q")["id"] == "q"
        assert opened.instances.steer("patient", "q", "terminate")["status"] == "terminated"
    with offline.open(tmp_path / "data", project) as remote, api.connect(remote) as opened:
        assert opened.instances.get("patient", "q")["status"] == "terminated"
    assert not [thread for thread in threading.enumerate() if thread.name == "wflow-offline"]


def test_without_a_project_only_what_was_deployed_is_known(tmp_path):
    left_behind(tmp_path)
    with offline.open(tmp_path / "data", None) as remote, api.connect(remote) as opened:
        assert opened.workflows.list().items == []
        with pytest.raises(RunnerError) as refused:
            opened.instances.get("patient", "p")
        assert refused.value.status == 404


def test_a_folder_without_a_store_is_refused_and_stays_as_it_was(tmp_path):
    with pytest.raises(UsageError, match="there is no store in") as refused, offline.open(tmp_path, None):
        pass
    assert refused.value.hint is not None
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_use_is_refused(tmp_path):
    project = left_behind(tmp_path)
    with (
        offline.open(tmp_path / "data", project),
        pytest.raises(StoreBusy),
        offline.open(tmp_path / "data", project),
    ):
        pass


def test_a_store_that_is_none_is_told_where_it_was_asked_for(tmp_path):
    (tmp_path / "wflow.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(StoreError), offline.open(tmp_path, None):
        pass


def test_an_error_inside_the_block_ends_the_server_as_well(tmp_path):
    project = left_behind(tmp_path)
    with pytest.raises(ZeroDivisionError), offline.open(tmp_path / "data", project):
        raise ZeroDivisionError
    with offline.open(tmp_path / "data", project):
        pass
