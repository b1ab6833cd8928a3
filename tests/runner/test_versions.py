from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.runner.stage import Stage, stage
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.errors import BundleError, InvalidInput, LoadError, StoreError, WorkerNotFound, WorkflowNotFound
from wflow.runner.runner import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from wflow.wire.types import Version

WORKER = "src/worker.py"
PATIENT = '[[workflows]]\nname = "patient"\nbinding = "PATIENT"\nclass_name = "Patient"\n'


async def deploy(on: Stage, *, worker: str = "shop", digest: str | None = None) -> Version:
    """Deploy the project as it lies."""
    config = on.project / "wflow.toml"
    config.write_text(config.read_text().replace("/dev/null", str(on.witness)))
    packed = pack(load(path=config))
    return await on.runner.deploy(
        worker, packed.data, digest=digest or packed.manifest.digest, message="hello", author="me"
    )


def edit(on: Stage, name: str, old: str, new: str) -> None:
    path = on.project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


async def kept(on: Stage) -> tuple[object, ...]:
    """Give all that a refused deploy must leave as it was: registry, store and disk."""
    runner = on.runner
    folder = on.project.parent / "versions"
    return (
        list(runner.workflows()),
        list(runner.workers()),
        sorted(each.name for each in folder.iterdir()) if folder.exists() else [],
        [cell.key for cell in await runner.store.scan("bundles", now=runner.now())],
        [cell.key for cell in await runner.store.scan("workers", now=runner.now())],
        [cell.key for cell in await runner.store.scan("versions:shop", now=runner.now())],
    )


def test_a_deploy_makes_numbered_versions_and_the_last_one_current(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            second = await deploy(on)
            assert (first.number, second.number) == (1, 2)
            assert first.digest == second.digest, "the same sources are the same bundle"
            assert first.id != second.id
            assert (second.worker, second.message, second.author) == ("shop", "hello", "me")
            assert second.workflows == ["counting", "gated", "patient", "clumsy"]
            assert [one.id for one in await on.runner.versions("shop")] == [second.id, first.id]
            assert [one.id for one in on.runner.workers()] == [second.id]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("\n\n1 / 0\n", "ZeroDivisionError"),
        ("\n\ndef f(:\n", "SyntaxError"),
        ("\n\nimport os\n\nos._exit(3)\n", "the process ended while it imported the code"),
        ("\n\nCounting = None\n", "has no class 'Counting'"),
    ],
)
def test_code_that_does_not_import_is_refused_and_nothing_is_changed(tmp_path, wrong, told):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            await deploy(on)
            before = await kept(on)
            (on.project / WORKER).write_text((on.project / WORKER).read_text() + wrong)
            with pytest.raises(LoadError, match=told):
                await deploy(on)
            assert await kept(on) == before

    asyncio.run(story())


def test_a_bundle_that_is_not_what_it_says_is_refused_and_nothing_is_changed(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            await deploy(on)
            before = await kept(on)
            with pytest.raises(BundleError):
                await deploy(on, digest=f"sha256:{'0' * 64}")
            with pytest.raises(BundleError):
                await on.runner.deploy("shop", b"no bundle", digest="", message="", author="")
            with pytest.raises(InvalidInput, match="the bundle is of 'shop', and was sent for 'market'"):
                await deploy(on, worker="market")
            assert await kept(on) == before

    asyncio.run(story())


def test_a_workflow_of_another_worker_is_refused_unless_that_one_no_longer_declares_it(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            await deploy(on)
            before = await kept(on)
            edit(on, "wflow.toml", 'name = "shop"', 'name = "market"')
            with pytest.raises(InvalidInput, match="belongs to the Worker 'shop'") as refused:
                await deploy(on, worker="market")
            assert refused.value.hint is not None
            assert await kept(on) == before

    asyncio.run(story())


def test_a_store_that_fails_leaves_no_half_of_a_version(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            await deploy(on)
            before = await kept(on)
            store = on.runner.store
            on.runner._versions._store = Full(store)  # type: ignore[assignment]
            with pytest.raises(StoreError):
                await deploy(on)
            on.runner._versions._store = store
            assert await kept(on) == before

    asyncio.run(story())


class Full:
    """A store that can be read."""

    def __init__(self, store: object) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def write(self, changes: object) -> None:
        raise StoreError("database or disk is full")


def test_a_restart_restores_versions_and_their_code_from_the_store(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            edit(on, WORKER, 'VERSION = "one"', 'VERSION = "two"')
            second = await deploy(on)
            created = {one.name: one.created_at for one in on.runner.workflows()}
        shutil.rmtree(tmp_path / "versions")
        async with stage(tmp_path, run=False) as on:
            assert {one.name: one.created_at for one in on.runner.workflows()} == created
            assert [one.version for one in on.runner.workflows()] == [second.id] * 4
            assert await on.fetch("/version") == (200, "two")
            old = await on.runner.build(first.id)
            assert 'VERSION = "one"' in await asyncio.to_thread((old.root / WORKER).read_text)

    asyncio.run(story())


def test_a_restart_knows_workflows_that_are_gone_from_the_config_if_they_have_instances(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            await on.create("patient", "p")
            edit(on, "wflow.toml", PATIENT, "")
            edit(
                on,
                "wflow.toml",
                '[[workflows]]\nname = "clumsy"\nbinding = "CLUMSY"\nclass_name = "Clumsy"\n',
                "",
            )
            await deploy(on)
            await deploy(on)
        async with stage(tmp_path, run=False) as on:
            found = {one.name: one.version for one in on.runner.workflows()}
            assert found["patient"] == first.id
            assert "clumsy" not in found, "it never had an instance"
            with pytest.raises(WorkflowNotFound, match="no longer declares workflow 'patient'"):
                await on.create("patient", "q")
            assert await on.status("patient", "p") == "queued"

    asyncio.run(story())


def test_a_restart_removes_what_a_deploy_that_was_killed_left_on_disk_and_nothing_else(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            version = await deploy(on)
        versions = tmp_path / "versions"
        (versions / "0123abcd-0000-4000-8000-0123456789ab" / "code").mkdir(parents=True)
        (versions / "notes").mkdir()
        (versions / "readme.txt").write_text("mine")
        async with stage(tmp_path, run=False):
            assert names(versions) == {version.id, "notes", "readme.txt"}

    asyncio.run(story())


def test_an_unknown_version_and_an_unknown_worker_are_told_apart_from_bugs(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            with pytest.raises(LoadError, match="does not have version nowhere"):
                await on.runner.build("nowhere")
            with pytest.raises(WorkerNotFound, match="there is no Worker 'shop' here"):
                await on.runner.versions("shop")

    asyncio.run(story())


def test_a_store_whose_bundle_is_gone_is_let_go_of_when_it_cannot_be_restored(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            version = await deploy(on)
            from wflow.stores.store import Absent

            await on.runner.store.write([Absent(space="bundles", key=version.id)])
        for _ in range(2):
            with pytest.raises(LoadError, match="the bundle of version"):
                await Runner.open(f"sqlite://{tmp_path / 'data'}", tmp_path / "versions")

    asyncio.run(story())


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}
