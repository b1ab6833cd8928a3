from __future__ import annotations

import msgspec
import pytest

from wflow.engine.changes import Change, Ended, Held, Rested, Rolling, Told
from wflow.engine.outcome import Failure, RolledBack


@pytest.mark.parametrize(
    "change",
    [
        Rested(1, 2, 3, ["paid", "shipped"]),
        Rested(2**62, 2, 3, []),
        Ended(1, 2, "complete", b"\x01"),
        Ended(1, 2, "errored", None, Failure("Boom", "it went off", cause=Failure("Spark", ""))),
        Ended(1, 2, "terminated"),
        Ended(1, 2, "errored", None, Failure("Boom", ""), RolledBack()),
        Ended(1, 2, "terminated", rollback=RolledBack(Failure("Boom", "again"))),
        Held(1, 2, Failure("NonDeterminismError", "what is this?")),
        Rolling(1, 2),
        Rolling(1, 2, Failure("Boom", "it went off")),
        Told(1, 2),
        Told(1, 2, b"\x01", ["a", "b"]),
    ],
)
def test_a_change_comes_back_as_it_was(change):
    raw = msgspec.msgpack.encode(change)
    assert msgspec.msgpack.decode(raw, type=Change) == change
