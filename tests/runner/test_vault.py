"""Secrets in a store."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runner.stage import build
from wflow import stores
from wflow.errors import InvalidInput, LoadError, TooLarge, TooMany, UsageError
from wflow.runner.sealing import FILE, KEY, Sealing
from wflow.runner.vault import AT_ONCE, MOST, SPACE, TEXT_BYTES, Vault
from wflow.stores.store import Absent, Cell

ONE, TWO = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
SHOP = build(version="v1")


def vaulted(folder, body, keys=ONE):
    """Run ``body`` with a vault over the store of a folder."""

    async def run():
        store = await stores.connect(f"sqlite://{folder / 'data'}")
        try:
            return await body(Vault(store, Sealing(folder / "data", {KEY: keys})), store)
        finally:
            await store.close()

    return asyncio.run(run())


def test_secrets_of_a_worker_join_its_builds_and_nobody_elses(tmp_path):
    async def body(vault, _store):
        await vault.change("shop", {"KEY": "hunter2", "OTHER": ""}, 5)
        await vault.change("shopping", {"MORE": "x"}, 5)
        assert await vault.names("shop", 6) == ["KEY", "OTHER"]
        assert (await vault.joined(SHOP, 6)).secrets == {"KEY": "hunter2", "OTHER": ""}
        assert await vault.joined(build(version="v2", worker="sho"), 6) == build(version="v2", worker="sho")

    vaulted(tmp_path, body)


def test_secrets_are_nowhere_on_the_disk_as_they_are(tmp_path):
    async def body(vault, _store):
        await vault.change("shop", {"KEY": "hunter2-is-secret"}, 5)

    vaulted(tmp_path, body)
    kept = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"shop/KEY" in kept
    assert b"hunter2" not in kept


def test_a_change_sets_replaces_and_deletes_and_says_whether_it_did(tmp_path):
    async def body(vault, _store):
        assert await vault.change("shop", {"A": "1", "B": "1"}, 5)
        assert await vault.change("shop", {"A": "2", "B": None, "C": None, "D": "4"}, 6)
        assert (await vault.joined(SHOP, 7)).secrets == {"A": "2", "D": "4"}
        assert not await vault.change("shop", {"C": None}, 8)
        assert not await vault.change("shop", {}, 8)

    vaulted(tmp_path, body)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"no name": "x"}, InvalidInput),
        ({"__X": "x"}, InvalidInput),
        ({"": "x"}, InvalidInput),
        ({"é": "x"}, InvalidInput),
        ({"A" * 256: "x"}, InvalidInput),
        ({"B": "é" * (TEXT_BYTES // 2 + 1)}, TooLarge),
        ({f"A{n}": "x" for n in range(AT_ONCE + 1)}, TooMany),
    ],
)
def test_a_change_with_something_wrong_in_it_changes_nothing(tmp_path, wrong, kind):
    async def body(vault, _store):
        with pytest.raises(kind) as refused:
            await vault.change("shop", {"A": "hunter2", **wrong}, 5)
        assert "hunter2" not in refused.value.message
        assert await vault.names("shop", 6) == []

    vaulted(tmp_path, body)


@pytest.mark.parametrize("worker", ["shop/x", "a\x1b", "x" * 256])
def test_what_no_worker_can_be_called_has_no_secrets(tmp_path, worker):
    async def body(vault, _store):
        with pytest.raises(InvalidInput, match="no Worker can be called"):
            await vault.change(worker, {"KEY": "x"}, 5)
        assert await vault.names("shop", 6) == []

    vaulted(tmp_path, body)


def test_a_worker_has_a_most_of_secrets(tmp_path):
    async def body(vault, _store):
        await vault.change("shop", {f"A{n}": "x" for n in range(100)}, 5)
        await vault.change("shop", {f"B{n}": "x" for n in range(MOST - 100)}, 5)
        with pytest.raises(TooMany, match=f"would have {MOST + 1}"):
            await vault.change("shop", {"C": "x"}, 6)
        await vault.change("shop", {"C": "x", "A0": None, "A1": "again"}, 6)
        assert len(await vault.names("shop", 7)) == MOST

    vaulted(tmp_path, body)


def test_missing_required_secrets_are_named(tmp_path):
    async def body(vault, _store):
        await vault.change("shop", {"A": "x"}, 5)
        await vault.check("shop", ["A"], 6)
        await vault.check("shop", [], 6)
        with pytest.raises(InvalidInput, match=r"'shop' lacks required secrets: C, B$") as refused:
            await vault.check("shop", ["C", "A", "B"], 6)
        assert refused.value.hint == "`wflow secret put C` sets one"

    vaulted(tmp_path, body)


def test_with_a_new_key_first_all_are_sealed_anew_and_the_old_key_may_go(tmp_path):
    async def old(vault, _store):
        await vault.change("shop", {f"A{n}": str(n) for n in range(3)}, 5)

    async def both(vault, _store):
        await vault.change("shop", {"NEW": "x"}, 5)
        assert await vault.renew(6) == (3, [])
        assert await vault.renew(7) == (0, [])

    async def new(vault, _store):
        assert (await vault.joined(SHOP, 8)).secrets == {"A0": "0", "A1": "1", "A2": "2", "NEW": "x"}

    vaulted(tmp_path, old)
    vaulted(tmp_path, both, f"{TWO},{ONE}")
    vaulted(tmp_path, new, TWO)


def test_a_wrong_key_is_told_and_loses_nothing(tmp_path):
    async def put(vault, _store):
        await vault.change("shop", {"KEY": "hunter2"}, 5)

    async def wrong(vault, _store):
        count, lost = await vault.renew(6)
        assert (count, len(lost)) == (0, 1)
        assert lost[0].startswith(
            f"secret KEY of shop does not open: it was sealed with a key that {KEY} does"
        )
        with pytest.raises(LoadError, match="secret KEY of shop does not open"):
            await vault.joined(SHOP, 6)
        assert await vault.names("shop", 6) == ["KEY"]
        await vault.change("shop", {"OTHER": "x"}, 7)

    async def right(vault, _store):
        assert (await vault.joined(SHOP, 8)).secrets == {"KEY": "hunter2", "OTHER": "x"}

    vaulted(tmp_path, put)
    vaulted(tmp_path, wrong, TWO)
    vaulted(tmp_path, right, f"{ONE},{TWO}")


def test_no_new_key_is_made_beside_secrets_that_only_the_lost_one_opens(tmp_path):
    async def put(vault, _store):
        await vault.change("shop", {"KEY": "hunter2"}, 5)

    async def keyless(vault, _store):
        with pytest.raises(InvalidInput, match="the key of the secrets is gone"):
            await vault.change("shop", {"OTHER": "x"}, 6)
        assert not (tmp_path / "data" / FILE).exists()
        await vault.change("shop", {"KEY": None}, 7)
        await vault.change("shop", {"OTHER": "x"}, 8)
        assert (tmp_path / "data" / FILE).exists()

    vaulted(tmp_path, put, "")
    (tmp_path / "data" / FILE).unlink()
    vaulted(tmp_path, keyless, "")


def test_a_key_that_others_may_read_is_told_before_anything_runs(tmp_path):
    async def put(vault, _store):
        await vault.change("shop", {"KEY": "hunter2"}, 5)

    async def again(vault, _store):
        with pytest.raises(UsageError, match="may be read by others"):
            await vault.renew(6)

    vaulted(tmp_path, put, "")
    (tmp_path / "data" / FILE).chmod(0o644)
    vaulted(tmp_path, again, "")


def test_a_secret_that_was_moved_to_another_name_does_not_open(tmp_path):
    async def body(vault, store):
        await vault.change("shop", {"CHEAP": "x", "DEAR": "hunter2"}, 5)
        cells = await store.read(SPACE, ["shop/DEAR"], now=6)
        await store.write(
            [
                Cell(space=SPACE, key="shop/CHEAP", value=cells["shop/DEAR"].value),
                Absent(space=SPACE, key="shop/DEAR"),
            ]
        )
        with pytest.raises(LoadError, match="moved from another place"):
            await vault.joined(SHOP, 7)

    vaulted(tmp_path, body)


def test_a_dev_session_has_its_secrets_from_its_files(tmp_path):
    session = replace(build(version="dev"), secrets={"KEY": "mine"}, root=Path("/project"))

    async def body(vault, _store):
        await vault.change("shop", {"KEY": "kept"}, 5)
        assert await vault.joined(session, 6) is session

    vaulted(tmp_path, body)
