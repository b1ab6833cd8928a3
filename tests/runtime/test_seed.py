from __future__ import annotations

from wflow.runtime.attempt import Place
from wflow.runtime.seed import derived, seed_of, step_key

SEED = bytes(range(16))
HERE = Place(7, "charge-1", 1, SEED)


def test_the_same_is_derived_in_every_process():
    assert derived(SEED, "step", "0:charge-1").hex() == "c4946b6cfa7d5d4f1e2b17a144d718ca"
    assert step_key(HERE) == "c4946b6cfa7d5d4f1e2b17a144d718ca"


def test_another_purpose_another_thing_and_another_seed_derive_something_else():
    found = {derived(seed, purpose, what) for seed in (SEED, b"x") for purpose in "ab" for what in ("", "1")}
    assert len(found) == 8


def test_a_step_has_one_key_whatever_the_attempt():
    assert {step_key(Place(7, "charge-1", attempt, SEED)) for attempt in range(1, 5)} == {step_key(HERE)}
    assert step_key(Place(7, "pack-1", 1, SEED), "charge-1") == step_key(HERE)


def test_another_visit_another_seed_and_another_life_of_the_instance_have_another_key():
    others = [
        Place(7, "charge-2", 1, SEED),
        Place(7, "rollback:charge-1", 1, SEED),
        Place(7, "charge-1", 1, b"another seed"),
        Place(7, "charge-1", 1, SEED, 1),
    ]
    assert len({step_key(place) for place in (HERE, *others)}) == 5


def test_instances_that_are_older_than_seeds_differ_by_their_number():
    assert seed_of(SEED, 7) == seed_of(SEED, 8) == SEED
    assert step_key(Place(7, "charge-1", 1)) != step_key(Place(8, "charge-1", 1))
