from __future__ import annotations

import json

from wflow.runner.address import announced, find


def test_a_session_is_found_while_it_runs_and_not_after(tmp_path):
    with announced(tmp_path, "http://localhost:9000"):
        assert find(tmp_path) == "http://localhost:9000"
    assert find(tmp_path) is None


def test_a_session_that_was_killed_is_gone(tmp_path):
    (tmp_path / ".wflow").mkdir()
    # No process has this id: it is above the kernel's limit.
    (tmp_path / ".wflow" / "session.json").write_text(json.dumps({"url": "http://localhost:1", "pid": 2**30}))
    assert find(tmp_path) is None


def test_a_file_that_makes_no_sense_is_no_session(tmp_path):
    (tmp_path / ".wflow").mkdir()
    for text in ("", "[]", "{}", '{"pid": "x", "url": 1}'):
        (tmp_path / ".wflow" / "session.json").write_text(text)
        assert find(tmp_path) is None
