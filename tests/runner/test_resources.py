"""What bindings are bound to is there once a version is taken in."""

from __future__ import annotations

import asyncio

from tests.runner.shipped import deploy, shipped
from wflow.bindings import kv_namespaces

BOUND = """
[[d1_databases]]
binding = "DB"
database_name = "app"
database_id = "d1"

[[kv_namespaces]]
binding = "MORE"
id = "f00"
"""


def test_a_version_that_is_taken_in_has_its_databases_and_namespaces(tmp_path):
    async def body():
        async with shipped(tmp_path, run=False) as on:
            with (on.project / "wflow.toml").open("a") as config:
                config.write(BOUND)
            await deploy(on)
            runner = on.runner
            about = await runner.databases.get("d1")
            assert about.name == "app"
            kept = await kv_namespaces.find_one(runner.store, "f00", now=runner.now())
            assert kept is not None
            assert kept.title == "shop-more"
            await runner.databases.rename("d1", "renamed")
            await deploy(on)
            assert (await runner.databases.get("d1")).name == "renamed", "what is there stays as it is"

    asyncio.run(body())
