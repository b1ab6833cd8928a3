"""How a verdict is shown, and said."""

from __future__ import annotations

from wflow.engine.divergence import Divergence, Point, Verdict
from wflow.engine.outcome import Failure
from wflow.wire import fit
from wflow.wire.types import Rehearsal

PARTED = Divergence(
    cause="renamed",
    guess="it is called so now",
    recorded=Point(key="charge-1", kind="do", site="src/worker.py:3 here"),
    ways=["give it back its name"],
)


def rehearsal(verdict: Verdict) -> Rehearsal:
    return Rehearsal(workflow="orders", id="a", version="v1", status="waiting", verdict=verdict)


def test_one_that_fits_is_shown_without_an_error():
    shown = fit.shown(rehearsal(Verdict(heard=3, recorded=3)))
    assert (shown["fits"], shown["error"], shown["divergence"]) == (True, None, None)
    assert (shown["workflow_name"], shown["id"], shown["version_id"]) == ("orders", "a", "v1")


def test_why_one_does_not_fit_is_said_in_lines_without_the_ways_out():
    failure = Failure("NonDeterminismError", "they differ\n  journal: ...", trace="our frames")
    shown = fit.shown(rehearsal(Verdict(heard=1, recorded=3, failure=failure, divergence=PARTED)))
    assert "our frames" not in str(shown)
    assert fit.why(shown) == [
        "they differ",
        "  journal: step 'charge-1' (do), src/worker.py:3 here",
        "  code:    nothing that is new",
        "  guess:   renamed: it is called so now",
    ]


def test_without_a_divergence_the_error_is_all_there_is():
    shown = fit.shown(rehearsal(Verdict(heard=0, recorded=0, failure=Failure("Boom", "one\ntwo"))))
    assert fit.why(shown) == ["one", "  two"]
    assert fit.why({}) == ["it is not known why"]
