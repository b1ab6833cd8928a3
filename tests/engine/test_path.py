from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.engine.path import INSIDE, MODEL, within_model, written

if TYPE_CHECKING:
    from wflow.engine.path import Path

WAY: Path = ((((None, "rows"), MODEL), 3), INSIDE)


def test_a_path_is_written_as_code_would_write_it():
    assert written(None, "value") == "value"
    assert written(WAY, "event.payload") == "event.payload['rows'][3]{...}"


def test_a_path_knows_whether_it_leads_through_a_model():
    assert within_model(WAY)
    assert not within_model(((None, "rows"), 3))
    assert not within_model(None)
