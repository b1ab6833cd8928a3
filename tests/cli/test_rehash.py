from __future__ import annotations

import os
import subprocess
import sys

from wflow.cli import rehash

AGAIN = """
import os, sys
from wflow.cli import rehash
sys.argv = ["wflow", "--version"]
rehash.begin_again(77, b"handed over")
"""
TAKES = """
import os
from wflow.cli import rehash
descriptor = os.open("/dev/stdin", os.O_RDONLY)
os.environ["_WFLOW_REPLAY_HANDED"] = str(descriptor)
print(rehash.taken_over(), rehash.taken_over())
"""


def run(code, **more):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_knows_the_hash_seed_that_it_began_with():
    assert rehash.has(7, {"PYTHONHASHSEED": "7"})
    assert not rehash.has(7, {"PYTHONHASHSEED": "8"})
    assert not rehash.has(7, {})


def test_the_same_command_line_is_run_again():
    assert run(AGAIN).strip() == run("import wflow; print(wflow.__version__)").strip()


def test_what_was_handed_over_is_taken_once(tmp_path):
    file = tmp_path / "handed"
    file.write_bytes(b"handed over")
    with file.open() as stdin:
        assert run(TAKES, stdin=stdin) == "b'handed over' None\n"


def test_without_a_process_before_there_is_nothing_to_take(monkeypatch):
    monkeypatch.delenv("_WFLOW_REPLAY_HANDED", raising=False)
    assert rehash.taken_over() is None
    monkeypatch.setenv("_WFLOW_REPLAY_HANDED", "nonsense")
    assert rehash.taken_over() is None
    assert "_WFLOW_REPLAY_HANDED" not in os.environ
