from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from wflow.runner import watch

ROOT = Path("/home/me/shop")
CONFIG = ROOT / "wflow.toml"


@pytest.mark.parametrize(
    "name",
    [
        "worker.py",
        "src/worker.py",
        "src/deep/er/module.py",
        "tests/test_worker.py",
        "wflow.toml",
        ".dev.vars",
        ".dev.vars.staging",
        ".env",
        ".env.local",
    ],
)
def test_what_runs_is_watched(name):
    assert watch.concerns(ROOT / name, CONFIG)


@pytest.mark.parametrize(
    "name",
    [
        "data.json",
        "src/data.sqlite",
        "src/data.sqlite-wal",
        "notes.txt",
        "README.md",
        "src/worker.pyc",
        "src/worker.py~",
        "src/.#worker.py",
        "src/.worker.py.swp",
        "src/wflow.toml",
        "src/.env",
        "wrangler.toml",
        ".wflow/state/code.py",
        ".wflow/state/wflow.sqlite",
        ".venv/lib/python3.11/site-packages/x.py",
        "node_modules/x/setup.py",
        "src/__pycache__/worker.py",
        ".mypy_cache/3.11/x.py",
        ".git/hooks/pre-commit.py",
        "environment",
    ],
)
def test_what_does_not_run_is_not_watched(name):
    assert not watch.concerns(ROOT / name, CONFIG)


def test_what_lies_outside_the_project_is_not_watched():
    assert not watch.concerns(Path("/home/me/other/worker.py"), CONFIG)


def test_a_config_by_another_name_is_the_config():
    config = ROOT / "wrangler.toml"
    assert watch.concerns(config, config)
    assert not watch.concerns(CONFIG, config)


def test_the_first_set_is_empty_and_nothing_is_missed_after_it(tmp_path):
    async def story() -> None:
        async with aclosing(watch.changes(tmp_path / "wflow.toml")) as changes:
            assert await anext(changes) == set()
            (tmp_path / "data.json").write_text("{}")
            (tmp_path / "worker.py").write_text("")
            assert await anext(changes) == {tmp_path / "worker.py"}
            # What happens while nobody asks comes with the next set.
            (tmp_path / "wflow.toml").write_text("")
            (tmp_path / "worker.py").unlink()
            seen: set[Path] = set()
            while seen < {tmp_path / "wflow.toml", tmp_path / "worker.py"}:
                seen |= await anext(changes)

    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_folder_made_later_is_watched_too(tmp_path):
    async def story() -> None:
        async with aclosing(watch.changes(tmp_path / "wflow.toml")) as changes:
            await anext(changes)
            (tmp_path / "src").mkdir()
            seen: set[Path] = set()
            waiting = asyncio.ensure_future(anext(changes))
            while not seen:
                (tmp_path / "src" / "worker.py").write_text("x = 1\n")
                done, _ = await asyncio.wait([waiting], timeout=0.1)
                seen = waiting.result() if done else set()
            assert seen == {tmp_path / "src" / "worker.py"}

    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_watch_that_is_cancelled_ends_at_once(tmp_path):
    async def story() -> None:
        async with aclosing(watch.changes(tmp_path / "wflow.toml")) as changes:
            await anext(changes)
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(asyncio.wait_for(story(), 2))


def test_a_project_that_is_reached_by_a_link_is_watched(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    async def story() -> None:
        async with aclosing(watch.changes(tmp_path / "link" / "wflow.toml")) as changes:
            await anext(changes)
            (tmp_path / "real" / "worker.py").write_text("")
            assert await anext(changes) == {tmp_path / "link" / "worker.py"}

    asyncio.run(asyncio.wait_for(story(), 20))


def test_every_file_that_a_build_is_made_of_counts(tmp_path):
    config, proto = tmp_path / "wflow.toml", tmp_path / "proto"
    assert watch.concerns(proto / "a.proto", config, [proto])
    assert not watch.concerns(proto / "a.proto", config, [tmp_path / "src"])
    assert not watch.concerns(proto / "__pycache__" / "a.pyc", config, [proto])
    assert not watch.concerns(proto / "a.proto", config)
