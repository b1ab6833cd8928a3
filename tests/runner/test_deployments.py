from __future__ import annotations

import asyncio
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runner.stage import build
from wflow import stores
from wflow.errors import InvalidInput, VersionNotFound
from wflow.runner import deployments
from wflow.runner.deployments import KEPT, checked, point, trigger_of
from wflow.runner.registry import Beside, Registry
from wflow.stores.store import Cell
from wflow.wire.types import Deployment, Share, Version

IDS = [f"order-{number}" for number in range(10_000)]


def version(id_: str, number: int, worker: str = "shop") -> Version:
    made = build(version=id_, worker=worker).described
    return msgspec.structs.replace(made, number=number, created_at=number)


OLD, NEW, NEWEST = (version(id_, number) for number, id_ in enumerate(("old", "new", "newest"), 1))
ALL = [NEWEST, NEW, OLD]


def shares(**percent: float) -> list[Share]:
    return [Share(version=id_, percentage=share) for id_, share in percent.items()]


def live(*percent: Share) -> Deployment:
    return Deployment(id="d", worker="shop", created_at=1, shares=list(percent))


def split(percentage: float) -> Registry:
    """Have two versions live, the newer one with so many percent."""
    registry = Registry()
    beside = Beside(build=build(version="old"), percentage=100 - percentage)
    registry.activate(build(version="new"), beside=beside)
    return registry


def chosen(registry: Registry, id_: str) -> str:
    return registry.choose("shop", point("shop", id_)).version


# -- who gets which --------------------------------------------------------------------------------------


@given(st.text(), st.text())
def test_a_place_is_for_ever_the_same_and_lies_below_100(worker, id_):
    assert 0 <= point(worker, id_) < 100
    assert point(worker, id_) == point(worker, id_)


def test_a_place_is_this_one_on_every_machine_and_in_every_release():
    # An instance that is restarted, and a visitor who comes again, must find what they had.
    assert point("shop", "order-1") == pytest.approx(22.8301, abs=0.0001)
    assert point("blog", "order-1") != point("shop", "order-1")


@given(st.lists(st.floats(0.01, 99.99), min_size=2, max_size=6), st.lists(st.text(), max_size=50))
def test_raising_a_share_only_ever_moves_ids_to_the_newer_version(percentages, ids):
    before: set[str] = set()
    for percentage in sorted(percentages):
        registry = split(percentage)
        now = {id_ for id_ in ids if chosen(registry, id_) == "new"}
        assert before <= now
        before = now


@pytest.mark.parametrize("percentage", [1, 10, 33.4, 50, 90, 99])
def test_shares_hold_within_tolerance(percentage):
    registry = split(percentage)
    got = sum(chosen(registry, id_) == "new" for id_ in IDS)
    wanted = len(IDS) * percentage / 100
    assert abs(got - wanted) < 4 * math.sqrt(wanted * (1 - percentage / 100)) + 1


def test_without_a_key_it_is_chance_that_holds_to_the_shares():
    registry = split(25)
    got = sum(registry.choose("shop").version == "new" for _ in range(4_000))
    assert 850 < got < 1_150


# -- what can be asked for -------------------------------------------------------------------------------


def test_the_newest_version_is_the_main_one_whatever_the_order():
    for given_shares in (shares(old=90, new=10), shares(new=10, old=90)):
        assert checked("shop", given_shares, ALL) == shares(new=10, old=90)
    assert checked("shop", shares(old=100), ALL) == shares(old=100)
    assert checked("shop", shares(old=66.667, new=33.333), ALL)[0].version == "new"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "one version or 2, not 0"),
        (shares(old=30, new=30, newest=40), "one version or 2, not 3"),
        (shares(old=50, new=49), "the shares make 99 percent together"),
        (shares(old=60, new=60), "the shares make 120 percent together"),
        (shares(old=99), "the shares make 99 percent together"),
        (shares(old=100, new=0), "more than 0 and at most 100 percent, not 0"),
        (shares(old=110, new=-10), "more than 0 and at most 100 percent, not 110"),
        (shares(old=math.nan), "not nan"),
        (shares(old=math.inf), "not inf"),
        (shares(old=50) * 2, "the version old is there twice"),
    ],
)
def test_shares_that_make_no_sense_are_refused(asked, told):
    with pytest.raises(InvalidInput, match=told):
        checked("shop", asked, ALL)


def test_a_version_that_the_worker_does_not_have_is_refused():
    with pytest.raises(VersionNotFound, match="'shop' has no version 'nowhere'") as refused:
        checked("shop", shares(old=50, nowhere=50), ALL)
    assert refused.value.hint is not None


def test_an_older_version_alone_is_a_rollback():
    assert trigger_of(shares(old=100), [live(*shares(new=100))], ALL) == "rollback"
    assert trigger_of(shares(old=100), [live(*shares(new=10, old=90))], ALL) == "rollback"
    assert trigger_of(shares(new=100), [live(*shares(old=100))], ALL) == "deployment"
    assert trigger_of(shares(new=100), [live(*shares(new=10, old=90))], ALL) == "deployment"
    assert trigger_of(shares(new=50, old=50), [live(*shares(newest=100))], ALL) == "deployment"
    assert trigger_of(shares(old=100), [], ALL) == "deployment"


# -- what is kept ----------------------------------------------------------------------------------------


def keep(tmp_path, *cells: Cell) -> list[Deployment]:
    async def story() -> list[Deployment]:
        store = await stores.connect(f"sqlite://{tmp_path / 'data'}")
        try:
            if cells:
                await store.write(cells)
            return await deployments.find(store, "shop", now=1)
        finally:
            await store.close()

    return asyncio.run(story())


def worker(main: Version) -> Cell:
    return Cell(space="workers", key="shop", value=msgspec.json.encode(main))


def test_a_worker_that_was_never_live_has_no_deployments(tmp_path):
    assert keep(tmp_path) == []


def test_the_last_deployments_are_kept_and_older_ones_go(tmp_path):
    made = [msgspec.structs.replace(live(*shares(new=100)), id=f"d{n}") for n in range(KEPT + 20)]
    found = keep(tmp_path, worker(NEW), deployments.cell("shop", made))
    assert found == made[:KEPT]


def test_a_store_of_before_deployments_tells_of_the_one_that_is_live(tmp_path):
    (found,) = keep(tmp_path, worker(NEW))
    assert (found.shares, found.created_at, found.trigger) == (shares(new=100), 2, "upload")


def test_what_an_older_wflow_deployed_since_is_the_live_one(tmp_path):
    kept = live(*shares(old=100))
    found = keep(tmp_path, deployments.cell("shop", [kept]), worker(NEW))
    assert [one.shares[0].version for one in found] == ["new", "old"]
    assert found[1] == kept
