from __future__ import annotations

import msgspec

from wflow.engine.divergence import Divergence, Point, Verdict, error
from wflow.engine.outcome import Failure

CHARGE = Point(key="charge-1", kind="do", site='src/worker.py:42 await ctx.do("charge", charge)')
PAY = Point(key="pay-1", kind="do")


def test_the_error_says_it_all_in_lines():
    found = Divergence(cause="renamed", guess="so it seems", recorded=CHARGE, requested=PAY, ways=["mend it"])
    assert str(error(found, "it does not fit")).splitlines() == [
        "it does not fit",
        "  journal: step 'charge-1' (do), src/worker.py:42 await ctx.do(\"charge\", charge)",
        "  code:    step 'pay-1' (do)",
        "  guess:   renamed: so it seems",
        "  ways on:",
        "    - mend it",
    ]
    assert error(found, "it does not fit").divergence == found


def test_what_is_not_there_is_said_to_be_missing():
    lines = str(error(Divergence(cause="removed", guess="?"), "it does not fit")).splitlines()
    assert lines[1:3] == ["  journal: nothing more", "  code:    nothing that is new"]
    assert "ways" not in lines[-1]


def test_a_divergence_comes_back_from_the_plain_values_of_a_record():
    found = Divergence(cause="renamed", guess="so it seems", recorded=CHARGE, ways=["mend it"])
    assert msgspec.convert(msgspec.to_builtins(found), Divergence) == found


def test_a_verdict_is_clean_unless_it_has_a_failure():
    assert Verdict(heard=2, recorded=2).clean
    assert not Verdict(heard=1, recorded=2, failure=Failure("Boom", "it went off")).clean
