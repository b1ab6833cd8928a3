"""A runner whose shop is deployed: versions are uploaded and made live, and their code is edited between."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.runner.stage import Stage, stage
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.engine import facts
from wflow.wire.types import Share

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wflow.engine.facts import Fact
    from wflow.stores.store import Instance
    from wflow.wire.types import Version

WORKER = "src/worker.py"


@asynccontextmanager
async def shipped(folder: Path, *, run: bool = True) -> AsyncIterator[Stage]:
    """Have a runner; nothing is deployed yet."""
    async with stage(folder, run=False) as on:
        if run:
            on.runner.execute()
        yield on


async def upload(on: Stage) -> Version:
    """Upload the project as it lies; it is not live."""
    config = on.project / "wflow.toml"
    config.write_text(config.read_text().replace("/dev/null", str(on.witness)))
    packed = pack(load(path=config))
    digest = packed.manifest.digest
    return await on.runner.upload("shop", packed.data, digest=digest, message="", author="me")


async def deploy(on: Stage) -> Version:
    """Upload the project as it lies, and make it live."""
    version = await upload(on)
    await on.runner.release("shop", [Share(version=version.id, percentage=100)], message="", author="me")
    return version


def edit(on: Stage, old: str, new: str, name: str = WORKER) -> None:
    """Change the project's code."""
    path = on.project / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


async def journal(on: Stage, instance: Instance) -> list[Fact]:
    """Read what is recorded of an instance."""
    return [facts.decode(record.body) for record in await on.runner.store.journal(instance.key)]
