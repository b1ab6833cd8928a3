from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.shipped import shipped
from tests.runner.stage import Stage, stage, until
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.errors import (
    BundleError,
    InvalidInput,
    LoadError,
    StoreError,
    VersionNotFound,
    WorkerNotFound,
    WorkflowNotFound,
)
from wflow.runner import versions
from wflow.runner.deployments import point
from wflow.runner.runner import Runner
from wflow.stores.store import Absent, Cell
from wflow.wire.types import HttpRequest, Share

if TYPE_CHECKING:
    from pathlib import Path

    from wflow.wire.types import Deployment, Version

WORKER = "src/worker.py"
COUNTING = '[[workflows]]\nname = "counting"\nbinding = "COUNTING"\nclass_name = "Counting"\n'
PATIENT = '[[workflows]]\nname = "patient"\nbinding = "PATIENT"\nclass_name = "Patient"\n'


async def deploy(on: Stage, *, worker: str = "shop", digest: str | None = None) -> Version:
    """Deploy the project as it lies."""
    config = on.project / "wflow.toml"
    config.write_text(config.read_text().replace("/dev/null", str(on.witness)))
    packed = pack(load(path=config))
    return await on.runner.deploy(
        worker, packed.data, digest=digest or packed.manifest.digest, message="hello", author="me"
    )


async def upload(on: Stage) -> Version:
    """Upload the project as it lies."""
    config = on.project / "wflow.toml"
    config.write_text(config.read_text().replace("/dev/null", str(on.witness)))
    packed = pack(load(path=config))
    return await on.runner.upload(
        "shop", packed.data, digest=packed.manifest.digest, message="later", author="me", tag="try"
    )


async def release(on: Stage, *shares: tuple[Version, float], trigger: str | None = None) -> Deployment:
    """Make versions live."""
    wanted = [Share(version=version.id, percentage=percentage) for version, percentage in shares]
    return await on.runner.release("shop", wanted, message="why", author="you", trigger=trigger)


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
        await runner.store.read("deployments", ["shop"], now=runner.now()),
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
            asked = (first.id, second.id, first.id[:8], "dev")
            assert await on.runner.numbers(asked) == {first.id: 1, second.id: 2}

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


def test_an_installation_that_takes_long_holds_up_no_other_upload(tmp_path, monkeypatch):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            installed = asyncio.Event()

            async def ready(requirements: Any, _wheels: Any) -> None:
                if requirements:
                    await installed.wait()

            monkeypatch.setattr(on.runner.environments, "ready", ready)
            needs = on.project / "requirements.txt"
            needs.write_text("lonely_lib\n")
            slow = asyncio.create_task(upload(on))
            await until(lambda: list((tmp_path / "versions").glob("*/code")), "what was unpacked")
            needs.unlink()
            assert (await upload(on)).number == 1
            installed.set()
            assert (await slow).number == 2

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
            for take_in in (deploy, upload):
                with pytest.raises(StoreError):
                    await take_in(on)
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
            assert "clumsy" in found, (
                "it never had an instance, but the code of one that goes on may begin it"
            )
            with pytest.raises(WorkflowNotFound, match="no longer declares workflow 'patient'"):
                await on.create("patient", "q")
            assert await on.status("patient", "p") == "queued"
            await on.runner.steer("patient", "p", "terminate")
        async with stage(tmp_path, run=False) as on:
            assert [one.name for one in on.runner.workflows()] == ["counting", "gated", "patient"]

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
            await on.runner.store.write([Absent(space="bundles", key=version.id)])
        for _ in range(2):
            with pytest.raises(LoadError, match="does not have version"):
                await Runner.open(f"sqlite://{tmp_path / 'data'}", tmp_path / "versions")

    asyncio.run(story())


# -- uploads and deployments -----------------------------------------------------------------------------


def test_an_upload_is_kept_and_nothing_of_it_is_live(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            edit(on, WORKER, 'VERSION = "one"', 'VERSION = "two"')
            edit(on, "wflow.toml", PATIENT, "")
            second = await upload(on)
            assert (second.number, second.message, second.tag) == (2, "later", "try")
            assert [one.id for one in await on.runner.versions("shop")] == [second.id, first.id]
            assert [one.id for one in on.runner.workers()] == [first.id]
            assert len(await on.runner.deployments("shop")) == 1
            assert await on.fetch("/version") == (200, "one")
            await on.create("patient", "p")
            assert (await on.get("patient", "p")).version == first.id
            assert (await on.runner.manifest("shop", second.id)).digest == second.digest
        async with stage(tmp_path, run=False) as on:
            assert [one.id for one in on.runner.workers()] == [first.id]
            assert on.runner.registry.owner("patient") == "shop"

    asyncio.run(story())


def test_a_worker_whose_only_version_is_an_upload_is_not_served(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            only = await upload(on)
            assert list(on.runner.workers()) == []
            assert await on.runner.deployments("shop") == []
        async with stage(tmp_path, run=False) as on:
            assert list(on.runner.workflows()) == []
            deployment = await release(on, (only, 100))
            assert (deployment.trigger, deployment.author, deployment.message) == ("deployment", "you", "why")
            assert await on.fetch("/version") == (200, "one")

    asyncio.run(story())


def test_a_rollback_is_a_deployment_of_an_older_version_and_is_kept(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            edit(on, WORKER, 'VERSION = "one"', 'VERSION = "two"')
            second = await deploy(on)
            rolled = await release(on, (first, 100))
            assert rolled.trigger == "rollback"
            assert await on.fetch("/version") == (200, "one")
            assert [one.version for one in on.runner.workflows()] == [first.id] * 4
            found = await on.runner.deployments("shop")
            assert [one.shares[0].version for one in found] == [first.id, second.id, first.id]
            assert [one.trigger for one in found] == ["rollback", "upload", "upload"]
            instants = [one.created_at for one in found]
            assert instants == sorted(set(instants), reverse=True), "no two at the same instant"
        async with stage(tmp_path, run=False) as on:
            assert await on.fetch("/version") == (200, "one")
            assert await on.runner.deployments("shop") == found

    asyncio.run(story())


def test_uploads_at_once_get_numbers_of_their_own(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            made = await asyncio.gather(deploy(on), upload(on), deploy(on), upload(on))
            assert sorted(one.number for one in made) == [1, 2, 3, 4]
            found = await on.runner.versions("shop")
            assert [one.number for one in found] == [4, 3, 2, 1]
            assert len({one.created_at for one in found}) == 4
            (live, *_) = await on.runner.deployments("shop")
            assert live.shares[0].version == max(made[0], made[2], key=lambda one: one.number).id

    asyncio.run(story())


def test_a_rollback_does_not_wait_for_an_upload_that_takes_long(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            await deploy(on)
            gate = tmp_path / "gate"
            text = (on.project / WORKER).read_text()
            begun = tmp_path / "begun"
            mark = f"\nPath({str(begun)!r}).touch()\n"
            wait = f"while not Path({str(gate)!r}).exists():\n    pass\n"
            (on.project / WORKER).write_text(f"{text}{mark}{wait}")
            uploading = asyncio.create_task(upload(on))
            await until(begun.exists, "the import to begin")
            await release(on, (first, 100))
            assert not uploading.done()
            assert await on.fetch("/version") == (200, "one")
            gate.touch()
            assert (await uploading).number == 3
            assert on.runner.registry.current["shop"].version == first.id

    asyncio.run(story())


LOW = [f"i{number}" for number in range(60) if point("shop", f"i{number}") < 60][:3]
HIGH = [f"i{number}" for number in range(60) if point("shop", f"i{number}") >= 60][:3]


def test_two_versions_share_new_instances_and_requests_by_their_ids_and_keys(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            edit(on, WORKER, 'VERSION = "one"', 'VERSION = "two"')
            second = await upload(on)
            made = await release(on, (first, 60), (second, 40))
            assert [share.version for share in made.shares] == [second.id, first.id]
        async with stage(tmp_path, run=False) as on:
            for id_ in (*LOW, *HIGH):
                await on.create("patient", id_)
            assert {(await on.get("patient", id_)).version for id_ in LOW} == {first.id}
            assert {(await on.get("patient", id_)).version for id_ in HIGH} == {second.id}
            for keys, answer in ((LOW, "one"), (HIGH, "two")):
                for key in keys:
                    assert await asked(on, ("Cloudflare-Workers-Version-Key", key)) == answer
            got = {await asked(on) for _ in range(40)}
            assert got == {"one", "two"}, "without a key it is chance"

    asyncio.run(story())


async def asked(on: Stage, *headers: tuple[str, str]) -> str:
    request = HttpRequest(method="GET", url="http://x/version", headers=list(headers), body=b"")
    return (await on.runner.fetch("shop", request)).body.decode()


def test_a_restart_takes_the_version_that_is_live_for_the_id_by_then(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            for id_ in (LOW[0], HIGH[0]):
                await on.create("patient", id_)
            second = await upload(on)
            await release(on, (first, 60), (second, 40))
            assert (await on.get("patient", HIGH[0])).version == first.id, "it stays where it began"
            for id_ in (LOW[0], HIGH[0]):
                await on.runner.restart("patient", id_)
            assert (await on.get("patient", LOW[0])).version == first.id
            assert (await on.get("patient", HIGH[0])).version == second.id

    asyncio.run(story())


def test_what_is_paused_stays_paused_and_where_it_is_whatever_is_deployed(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            first = await deploy(on)
            await on.create("patient", "p")
            await on.reaches("patient", "p", "waiting")
            await on.runner.steer("patient", "p", "pause")
            second = await deploy(on)
            for shares in (((first, 100),), ((first, 50), (second, 50)), ((second, 100),)):
                await release(on, *shares)
                found = await on.get("patient", "p")
                assert (found.status, found.version) == ("paused", first.id)
            await on.runner.steer("patient", "p", "resume")
            await on.reaches("patient", "p", "waiting")
            assert (await on.get("patient", "p")).version == first.id

    asyncio.run(story())


def test_settings_and_retired_workflows_follow_the_main_version(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            await on.create("patient", "p")
            edit(on, "wflow.toml", PATIENT, "")
            edit(on, "wflow.toml", 'name = "counting"', 'name = "counting"\nlimits = { steps = 7 }')
            second = await upload(on)

            def limit() -> int:
                return on.runner.registry.declared("counting").step_limit

            await release(on, (first, 90), (second, 10))
            assert limit() == 7
            with pytest.raises(WorkflowNotFound, match="no longer declares workflow 'patient'"):
                await on.create("patient", "q")
            await release(on, (first, 100))
            assert limit() == 10_000
            await on.create("patient", "q")

    asyncio.run(story())


def test_code_that_still_has_a_retired_workflow_goes_on_with_it(tmp_path):
    async def order(on: Stage) -> int:
        key = ("Cloudflare-Workers-Version-Key", LOW[0])
        request = HttpRequest(method="POST", url="http://x/counting", headers=[key], body=b'{"steps": 1}')
        return (await on.runner.fetch("shop", request)).status

    async def story() -> None:
        async with shipped(tmp_path) as on:
            after = '        after = await ctx.do("after"'
            call = '        await ctx.call(self.env.COUNTING, {"steps": 2}, id="child")\n'
            edit(on, WORKER, after, call + after)
            first = await deploy(on)
            await on.create("patient", "p")
            await on.reaches("patient", "p", "waiting")
            edit(on, "wflow.toml", COUNTING, "")
            second = await upload(on)
            await release(on, (first, 90), (second, 10))
            assert await order(on) == 201
        async with shipped(tmp_path) as on:
            for one in await on.runner.store.find("counting"):
                await on.reaches("counting", one.id, "complete")
                assert one.version == first.id
                await on.runner.delete("counting", [one.id])
        async with shipped(tmp_path) as on:
            assert await order(on) == 201, "nobody else can begin one, but there is code that may"
            await release(on, (second, 100))
            with pytest.raises(WorkflowNotFound, match="no longer declares workflow 'counting'"):
                await on.create("counting", "c")
            await on.runner.send_event("patient", "p", "go", b"\x80")
            await on.reaches("patient", "p", "complete")
            assert (await on.get("counting", "child")).version == first.id

    asyncio.run(story())


def test_what_cannot_be_live_changes_nothing(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            second = await upload(on)
            before = await kept(on)
            for shares in (((first, 50),), ((first, 50), (second, 60)), ((second, 50), (second, 50)), ()):
                with pytest.raises(InvalidInput):
                    await release(on, *shares)
            edit(on, "wflow.toml", 'name = "shop"', 'name = "market"')
            for name in ("counting", "gated", "patient", "clumsy"):
                edit(on, "wflow.toml", f'name = "{name}"', f'name = "{name}-too"')
            other = await deploy(on, worker="market")
            with pytest.raises(VersionNotFound, match="the Worker 'shop' has no version"):
                await release(on, (other, 100))
            with pytest.raises(WorkerNotFound):
                await on.runner.release("nobody", [], message="", author="")
            with pytest.raises(VersionNotFound):
                await on.runner.version("shop", other.id)
            assert (await kept(on))[-2:] == before[-2:]
            assert on.runner.registry.current["shop"].version == first.id

    asyncio.run(story())


def test_an_upload_whose_workflow_became_another_workers_cannot_go_live(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            edit(on, "wflow.toml", PATIENT, "")
            without = await deploy(on)
            (on.project / "wflow.toml").write_text((on.project / "wflow.toml").read_text() + f"\n{PATIENT}")
            with_patient = await upload(on)
            config = f'name = "clinic"\nmain = "src/worker.py"\n[vars]\nWITNESS = "{on.witness}"\n{PATIENT}'
            (on.project / "wflow.toml").write_text(config)
            await deploy(on, worker="clinic")
            for shares in (((with_patient, 100),), ((without, 50), (with_patient, 50))):
                with pytest.raises(InvalidInput, match="'patient' belongs to the Worker 'clinic'"):
                    await release(on, *shares)
            assert on.runner.registry.current["shop"].version == without.id

    asyncio.run(story())


def test_the_code_of_a_dev_session_is_shown_as_a_version_and_cannot_be_deployed(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            on.runner.registry.activate(on.build())
            (only,) = await on.runner.versions("shop")
            (live,) = await on.runner.deployments("shop")
            assert (only.id, live.shares[0].version) == ("dev", "dev")
            assert (await on.runner.manifest("shop", "dev")).name == "shop"
            with pytest.raises(WorkerNotFound):
                await release(on, (only, 100))
        async with stage(tmp_path, run=False) as on:
            assert list(on.runner.workers()) == []

    asyncio.run(story())


# -- what is let go --------------------------------------------------------------------------------------


def test_versions_beyond_the_bound_go_unless_a_deployment_or_an_instance_needs_them(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "KEPT", 3)
    monkeypatch.setattr(versions, "NEEDED", 2)

    async def story() -> None:
        async with stage(tmp_path) as on:
            needed = await deploy(on)  # an instance stays on it
            await on.create("patient", "p")
            await on.reaches("patient", "p", "waiting")
            over = await deploy(on)  # its instance ends
            await on.create("counting", "c", {"steps": 1})
            await on.reaches("counting", "c", "complete")
            back = await deploy(on)
            uploads = [await upload(on) for _ in range(2)]
            await release(on, (back, 100))
            uploads += [await upload(on) for _ in range(2)]
            left = [one.id for one in await on.runner.versions("shop")]
            assert left == [*(one.id for one in uploads[:0:-1]), back.id, needed.id]
            assert over.id not in on.runner.registry.builds
            with pytest.raises(LoadError):
                await on.runner.build(over.id)
            assert names(tmp_path / "versions") == set(left)
            newest = await upload(on)
            assert newest.number == 8, "numbers go on"
            await on.runner.send_event("patient", "p", "go", b"\x80")
            await on.reaches("patient", "p", "complete")
            await upload(on)
            assert needed.id not in [one.id for one in await on.runner.versions("shop")]
        async with stage(tmp_path, run=False) as on:
            assert on.runner.registry.current["shop"].version == back.id

    asyncio.run(story())


def test_the_last_version_of_a_retired_workflow_stays_as_long_as_it_has_instances(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "KEPT", 1)
    monkeypatch.setattr(versions, "NEEDED", 1)

    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            await on.create("patient", "p")
            await on.runner.steer("patient", "p", "terminate")
            created = on.runner.registry.workflow("patient").created_at
            edit(on, "wflow.toml", PATIENT, "")
            for _ in range(3):
                await deploy(on)
            counting = on.runner.registry.workflow("counting").created_at
        async with stage(tmp_path, run=False) as on:
            found = on.runner.registry.workflow("patient")
            assert (found.version, found.created_at) == (first.id, created)
            assert on.runner.registry.workflow("counting").created_at == counting, "its first version is gone"
            assert len(await on.runner.versions("shop")) == 2
            await on.runner.restart("patient", "p")
            assert (await on.get("patient", "p")).version == first.id
            await on.runner.delete("patient", ["p"])
        async with stage(tmp_path, run=False) as on:
            await deploy(on)
            assert len(await on.runner.versions("shop")) == 1

    asyncio.run(story())


# -- stores of before, and death -------------------------------------------------------------------------


def test_a_store_that_an_older_wflow_wrote_is_read_and_gone_on_with(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            first = await deploy(on)
            await on.create("patient", "p")
            edit(on, "wflow.toml", PATIENT, "")
            second = await deploy(on)
            store = on.runner.store
            (worker,) = (await store.read("workers", ["shop"], now=on.runner.now())).values()
            await store.write(
                [
                    Absent(space="deployments", key="shop"),
                    Cell(space="workers", key="shop", value=worker.value),
                ]
            )
        async with stage(tmp_path, run=False) as on:
            assert [one.id for one in on.runner.workers()] == [second.id]
            assert on.runner.registry.workflow("patient").version == first.id
            assert on.runner.registry.workflow("counting").created_at == first.created_at
            (live,) = await on.runner.deployments("shop")
            assert live.shares == [Share(version=second.id, percentage=100)]
            await release(on, (first, 100))
            assert [one.trigger for one in await on.runner.deployments("shop")] == ["rollback", "upload"]

    asyncio.run(story())


DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from wflow.bundle import unpack
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.runner import versions
from wflow.runner.runner import Runner
from wflow.wire.types import Share

root, what, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def die(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)

async def story():
    runner = await Runner.open(f"sqlite://{root / 'data'}", root / "versions")
    write = runner.store.write
    async def before(changes):
        die()
    async def after(changes):
        await write(changes)
        die()
    if when == "unpacked":
        versions._try = die
    elif when == "unpacking":
        unpack._sync_folders = die
    elif when == "dropped":
        versions.KEPT = versions.NEEDED = 1
        runner._versions._shelf.clear = die
    else:
        runner.store.write = {"before": before, "after": after}[when]
    packed = pack(load(path=root / "shop" / "wflow.toml"))
    said = {"digest": packed.manifest.digest, "message": "", "author": ""}
    if what == "rollback":
        oldest = (await runner.versions("shop"))[-1]
        await runner.release("shop", [Share(version=oldest.id, percentage=100)], message="", author="")
    else:
        await getattr(runner, what)("shop", packed.data, **said)

asyncio.run(story())
"""


@pytest.mark.parametrize(
    ("what", "when", "left"),
    [
        ("upload", "unpacking", (2, 2)),
        ("upload", "unpacked", (2, 2)),
        ("upload", "before", (2, 2)),
        ("upload", "after", (2, 3)),
        ("deploy", "unpacked", (2, 2)),
        ("deploy", "before", (2, 2)),
        ("deploy", "after", (3, 3)),
        ("deploy", "dropped", (3, 1)),
        ("rollback", "before", (2, 2)),
        ("rollback", "after", (1, 2)),
    ],
)
def test_a_runner_that_is_killed_over_a_change_has_made_all_of_it_or_nothing(tmp_path, what, when, left):
    live, count = left

    async def begin() -> None:
        async with stage(tmp_path, run=False) as on:
            for _ in range(2):
                await deploy(on)

    async def look() -> None:
        async with stage(tmp_path, run=False) as on:
            assert on.runner.registry.current["shop"].described.number == live
            found = await on.runner.versions("shop")
            assert len(found) == count
            assert (await on.runner.deployments("shop"))[0].shares[0].version == on.runner.workers()[0].id
            assert names(tmp_path / "versions") <= {one.id for one in found}
            assert await on.fetch("/version") == (200, "one")
            for version in found:
                await on.runner.build(version.id)
            await deploy(on)

    asyncio.run(begin())
    died = subprocess.run([sys.executable, "-c", DIES, str(tmp_path), what, when], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    asyncio.run(look())


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}
