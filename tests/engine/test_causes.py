from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.play import OK, again, heard
from wflow.engine import causes
from wflow.engine.divergence import CAUSES, Divergence
from wflow.engine.facts import Opened, Settled
from wflow.engine.steps.do import Do
from wflow.engine.steps.sleep import Sleep
from wflow.errors import NonDeterminismError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.engine.facts import Fact

CHARGE = 'src/worker.py:10 await ctx.do("charge", charge, order)'
PAY = 'src/worker.py:10 await ctx.do("pay", charge, order)'
SHIP = 'src/worker.py:20 await ctx.do("ship", ship)'


def settled(key: str, site: str = "", *, digest: bytes = b"", order: int = 1) -> Settled:
    return Settled(key, "do", 0, OK, digest, order=order, site=site)


def parted(journal: Sequence[Fact], *asked: tuple[Do | Sleep, str, bytes]) -> Any:
    """Let code ask for steps that the journal contradicts, and give what is said of that."""
    machine = again(*journal)

    def play() -> None:
        for step, site, digest in asked:
            machine.open(step, 0, digest, site=site)
        heard(machine)

    with pytest.raises(NonDeterminismError) as caught:
        play()
    found = caught.value.divergence
    assert isinstance(found, Divergence)
    assert found.cause in CAUSES
    assert f"{found.cause}: {found.guess}" in str(caught.value)
    assert all(way in str(caught.value) for way in found.ways)
    return found


# -- the guess --------------------------------------------------------------------------------------------


def test_a_step_of_the_same_arguments_under_another_name_was_renamed():
    found = parted([settled("charge-1", CHARGE, digest=b"x")], (Do("pay"), PAY, b"x"))
    assert (found.cause, found.guess) == ("renamed", "'charge-1' is called 'pay-1' now")
    assert (found.recorded.key, found.recorded.kind, found.recorded.site) == ("charge-1", "do", CHARGE)
    assert (found.requested.key, found.requested.site) == ("pay-1", PAY)
    assert "`formerly='charge'` beside 'pay'" in found.ways[0]


@pytest.mark.parametrize(
    "line",
    [
        PAY,
        'src/worker.py:30 await ctx.do("pay", pay, order)',
        "src/worker.py:9 await ctx.do('pay', charge, order)",
    ],
)
def test_a_line_that_is_the_same_but_for_the_name_was_renamed(line: str):
    was = CHARGE.replace('"', "'") if "'" in line else CHARGE
    found = parted([settled("charge-1", was)], (Do("pay"), line, b""))
    assert found.cause == "renamed"


def test_a_line_that_says_something_else_is_not_the_same_under_another_name():
    found = parted(
        [settled("charge-1", CHARGE)], (Do("pay"), 'src/worker.py:10 await ctx.do("pay", ask)', b"")
    )
    assert found.cause == "added"


def test_a_step_of_a_name_much_like_the_recorded_one_was_renamed():
    found = parted([settled("charge card-1", CHARGE)], (Do("charge-card"), PAY, b""))
    assert found.cause == "renamed"


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("order 17", "order 18"),
        ("at 2026-11-22T10:00:00Z", "at 2026-11-23T11:30:12Z"),
        ("job 0b9c1b2e-9d53-4b8e-9d4b-7d2f5d1c3a11", "job 5f0c7f9a-1d53-4b8e-8d4b-aa2f5d1c3a12"),
        ("file deadbeef01", "file 0badcafe77"),
    ],
)
def test_names_that_differ_in_what_changes_with_each_run_come_from_chance(was: str, now: str):
    found = parted([settled(f"{was}-1", CHARGE)], (Do(now), CHARGE, b""))
    assert found.cause == "chance"
    assert "`ctx.now()`" in found.ways[0]


def test_one_line_that_asks_for_another_name_takes_it_from_elsewhere():
    site = "src/worker.py:10 await ctx.do(names[0], charge)"
    found = parted([settled("alpha-1", site)], (Do("omega"), site.replace(":10", ":12"), b""))
    assert (found.cause, found.requested.key) == ("chance", "omega-1")
    assert "the same line asks for another name" in found.guess


def test_a_step_that_is_unlike_the_recorded_one_is_new():
    found = parted([settled("charge-1", CHARGE)], (Do("ship"), SHIP, b""))
    assert (found.cause, found.guess) == ("added", "'ship-1' is new, and comes before 'charge-1'")
    assert "ctx.patched" in found.ways[0]


def test_a_step_of_another_kind_is_no_new_name_of_the_recorded_one():
    found = parted([settled("charge-1", CHARGE)], (Sleep("charges", 1), CHARGE, b""))
    assert found.cause == "added"


def test_a_step_that_is_recorded_later_changed_places():
    journal = [settled("a-1", CHARGE), settled("b-1", SHIP, order=2)]
    found = parted(journal, (Do("b"), SHIP, b""))
    assert (found.cause, found.requested.key) == ("reordered", "b-1")
    assert "'b-1' was asked for after 'a-1'" in found.guess


def test_a_step_that_nothing_takes_the_place_of_is_gone():
    found = parted([settled("a-1", CHARGE)])
    assert (found.cause, found.guess, found.requested) == (
        "removed",
        "nothing asks for 'a-1' any more",
        None,
    )


def test_a_step_under_way_that_is_not_asked_for_is_told_of_when_the_journal_ends():
    found = parted([Opened("nap-1", "sleep", 0, detail={"duration": 5}, site=SHIP)])
    assert (found.cause, found.recorded.kind, found.recorded.site) == ("removed", "sleep", SHIP)


def test_another_kind_under_a_recorded_name_is_said():
    found = parted([settled("a-1", CHARGE)], (Sleep("a", 1), SHIP, b""))
    assert (found.cause, found.requested.kind, found.requested.site) == ("kind", "sleep", SHIP)
    assert not [way for way in found.ways if "--accept" in way], "what is recorded is no sleep's result"


def test_other_arguments_of_the_same_call_come_from_outside():
    moved = CHARGE.replace(":10", ":99")
    found = parted([settled("charge-1", CHARGE, digest=b"x")], (Do("charge"), moved, b"y"))
    assert found.cause == "arguments"
    assert "the call is the same" in found.guess


@pytest.mark.parametrize("site", ["", "no site at all", CHARGE])
def test_other_arguments_of_another_call_were_changed_there(site: str):
    found = parted([settled("charge-1", site, digest=b"x")], (Do("charge"), PAY, b"y"))
    assert (found.cause, found.guess) == ("arguments", "the call was changed, or what it is given")


# -- the guess when it is known where the recorded line is ----------------------------------------------


def added() -> Any:
    return parted([settled("charge-1", CHARGE)], (Do("ship"), SHIP, b""))


def renamed() -> Any:
    return parted([settled("charge-1", CHARGE, digest=b"x")], (Do("pay"), PAY, b"x"))


def gone() -> Any:
    return parted([settled("charge-1", CHARGE)])


def chance() -> Any:
    return parted([settled("n 1-1", CHARGE)], (Do("n 2"), CHARGE, b""))


@pytest.mark.parametrize(
    ("found", "standing", "cause"),
    [
        (added, None, "added"),
        (added, causes.SAME, "branch"),
        (added, causes.MOVED, "added"),
        (added, causes.GONE, "removed"),
        (renamed, causes.SAME, "branch"),
        (renamed, causes.MOVED, "added"),
        (renamed, causes.GONE, "renamed"),
        (gone, causes.SAME, "branch"),
        (gone, causes.MOVED, "branch"),
        (gone, causes.GONE, "removed"),
        (chance, causes.SAME, "chance"),
    ],
)
def test_where_the_recorded_line_is_now_tells_more(found, standing: str | None, cause: str):
    assert causes.reconsidered(found(), standing).cause == cause


def test_a_line_that_is_gone_is_said_with_what_goes_on_instead():
    found = causes.reconsidered(added(), causes.GONE)
    assert found.guess == "nothing asks for 'charge-1' any more; the code goes on with 'ship-1'"


def test_a_divergence_that_knows_no_record_is_left_as_it_is():
    bare = Divergence(cause="removed", guess="another end")
    assert causes.reconsidered(bare, causes.SAME) is bare


# -- the ways on ------------------------------------------------------------------------------------------


def test_the_ways_on_name_the_instance_and_the_visit_as_a_shell_takes_them():
    journal = [settled("bob's card-3", CHARGE)]
    found = causes.addressed(parted(journal, (Do("ship"), SHIP, b"")), "shop", "order-7")
    assert [way.partition("`wflow ")[2] for way in found.ways][1:] == [
        "workflows instances migrate shop order-7`",
        "workflows instances restart shop order-7 --from-step-name 'bob'\\''s card' --from-step-count 3`",
        "workflows instances resume shop order-7 --accept`",
    ]


def test_nobody_restarts_from_a_rollback():
    machine = again(Settled("rollback:a-1", "rollback", 0, OK))
    with pytest.raises(NonDeterminismError) as caught:
        heard(machine)
    assert not [way for way in caught.value.divergence.ways if "restart" in way]


def test_a_key_without_a_number_is_its_own_name():
    found = parted([Settled("odd", "do", 0, OK)], (Do("b"), SHIP, b""))
    assert "--from-step-name odd" in str(found.ways)
