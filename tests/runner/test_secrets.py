"""Secrets of Workers that run: set, changed and deleted beside what they do."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.runner.shipped import deploy, shipped
from tests.runner.stage import stage, until
from wflow.engine import values
from wflow.errors import InvalidInput, LoadError, WorkerNotFound
from wflow.runner.sealing import FILE

VALUE = "hunter2-is-secret"
STAND = """

class Asking(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        tell(self.env.WITNESS, event.instance_id, f"knows {len(getattr(self.env, 'KEY', ''))}")
        return None
"""


def knows(on, instance):
    return f"{instance} knows {len(VALUE)}" in on.effects


@contextlib.asynccontextmanager
async def asking(folder):
    """Have the shop deployed, with a workflow that tells how long its secret is."""
    async with shipped(folder) as on:
        with (on.project / "src/worker.py").open("a") as code:
            code.write(STAND)
        with (on.project / "wflow.toml").open("a") as config:
            config.write('\n[[workflows]]\nbinding = "ASKING"\nname = "asking"\nclass_name = "Asking"\n')
        await deploy(on)
        yield on


async def ask(on, id_):
    await on.create("asking", id_)
    await on.reaches("asking", id_, "complete")


def test_a_changed_secret_is_there_for_what_begins_next_and_what_runs_ends_as_it_began(tmp_path):
    async def body():
        async with asking(tmp_path) as on:
            secrets, now = on.runner.secrets, on.runner.now()
            gate = tmp_path / "gate"
            await on.create("gated", "long", {"gate": str(gate)})
            await until(lambda: "long begins" in on.effects, "the step to begin")
            (version,) = on.runner.registry.live()
            before = on.runner.fleet.current(version)
            await secrets.change("shop", {"KEY": VALUE}, now)
            await until(lambda: on.runner.fleet.current(version) not in {None, before}, "a new runtime")
            await ask(on, "a")
            assert knows(on, "a")
            gate.touch()
            await on.reaches("gated", "long", "complete")
            assert on.effects.count("long begins") == 1, "the attempt was not cut"
            assert len(await on.runner.versions("shop")) == 1, "the version is what it was"
            now_up = on.runner.fleet.current(version)
            await secrets.delete("shop", "KEY", on.runner.now())
            await until(lambda: on.runner.fleet.current(version) not in {None, now_up}, "one without")
            await ask(on, "b")
            assert "b knows 0" in on.effects

    asyncio.run(body())


def test_secrets_outlive_the_runner_and_a_wrong_key_holds_only_the_workers_code_back(tmp_path):
    async def first():
        async with asking(tmp_path) as on:
            await on.runner.secrets.change("shop", {"KEY": VALUE}, on.runner.now())
            await ask(on, "a")

    async def wrong():
        async with shipped(tmp_path) as on:
            (version,) = on.runner.registry.live()
            with pytest.raises(LoadError, match="secret KEY of shop does not open"):
                await on.runner.fleet.peer(version)
            await on.create("asking", "b")
            told = await on.lines()
            assert any("secret KEY of shop does not open" in line for line in told)
            assert not any(VALUE in line for line in told)

    async def right():
        async with shipped(tmp_path) as on:
            await on.reaches("asking", "b", "complete")
            assert knows(on, "b")

    asyncio.run(first())
    key = tmp_path / FILE
    kept = key.read_text()
    key.write_text("A" * 43 + "=\n")
    asyncio.run(wrong())
    key.write_text(kept)
    asyncio.run(right())


def test_required_secrets_are_asked_for_at_the_upload(tmp_path):
    async def body():
        async with asking(tmp_path) as on:
            with (on.project / "wflow.toml").open("a") as config:
                config.write('\n[secrets]\nrequired = ["KEY", "OTHER"]\n')
            with pytest.raises(InvalidInput, match="'shop' lacks required secrets: KEY, OTHER"):
                await deploy(on)
            assert len(await on.runner.versions("shop")) == 1
            await on.runner.secrets.change("shop", {"KEY": VALUE, "OTHER": "x"}, on.runner.now())
            await deploy(on)
            await ask(on, "a")
            assert knows(on, "a")

    asyncio.run(body())


def test_the_name_of_a_binding_is_no_secrets(tmp_path):
    async def body():
        async with asking(tmp_path) as on:
            with pytest.raises(InvalidInput, match="Binding name 'ASKING' already in use"):
                await on.runner.secrets.change("shop", {"ASKING": VALUE}, on.runner.now())
            assert await on.runner.secrets.find("shop", on.runner.now()) == []

    asyncio.run(body())


def test_secrets_may_be_there_before_the_worker(tmp_path):
    async def body():
        async with shipped(tmp_path, run=False) as on:
            secrets, now = on.runner.secrets, on.runner.now()
            with pytest.raises(WorkerNotFound):
                await secrets.find("shop", now)
            await secrets.change("shop", {"KEY": VALUE}, now)
            assert await secrets.find("shop", now) == ["KEY"]
            with pytest.raises(InvalidInput, match="has no secret 'OTHER'"):
                await secrets.delete("shop", "OTHER", now)
            await secrets.delete("shop", "KEY", now)

    asyncio.run(body())


def test_a_dev_session_has_the_secrets_of_its_files_and_takes_no_others(tmp_path):
    async def body():
        async with stage(tmp_path) as on:
            assert await on.runner.secrets.find("shop", on.runner.now()) == ["WITNESS"]
            with pytest.raises(InvalidInput, match=r"from `\.dev\.vars` or `\.env`"):
                await on.runner.secrets.change("shop", {"KEY": VALUE}, on.runner.now())

    asyncio.run(body())


def test_values_are_in_no_record_and_no_line(tmp_path):
    async def body():
        async with asking(tmp_path) as on:
            await on.runner.secrets.change("shop", {"KEY": VALUE}, on.runner.now())
            await ask(on, "a")
            kept = await on.runner.store.tail(0)
            assert kept
            assert VALUE.encode() not in b"".join(record.body for record in kept)
            assert VALUE not in repr(values.encode(await on.runner.secrets.find("shop", on.runner.now())))

    asyncio.run(body())
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert VALUE.encode() not in file.read_bytes(), file
