"""`wflow replay`, on the histories of `tests/histories`: what it prints, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HISTORIES = Path(__file__).parent.parent / "histories"
SEED = str(json.loads((HISTORIES / "0.1.0-steps.json").read_text())["hash_seed"])
INSTANCES = "/accounts/local/workflows/{}/instances/{}"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project that the histories are of, to be changed; processes have the hash seed of the histories."""
    monkeypatch.setenv("PYTHONHASHSEED", SEED)
    folder = tmp_path / "project"
    shutil.copytree(HISTORIES / "project", folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    return folder


def file(name):
    return str(HISTORIES / f"0.1.0-{name}.json")


def edit(project, old, new):
    worker = project / "src" / "worker.py"
    text = worker.read_text()
    assert old in text
    worker.write_text(text.replace(old, new))


def there(runner, workflow, id_, queued="2026-11-22T00:00:00Z"):
    """Have a runner know an instance, whose history is the workflow's."""
    address = INSTANCES.format(workflow, id_)
    runner.gives("GET", address, {"id": id_, "queued": queued})
    runner.answers["GET", f"{address}/history"] = (200, Path(file(workflow)).read_bytes())


def test_a_history_that_fits_is_listed_and_replays_cleanly(process, project):
    ran = process("replay", file("steps"))
    assert (ran.code, ran.err) == (0, "")
    head, columns, *rows, verdict = ran.out.splitlines()
    assert head == "Instance steps of steps, complete"
    assert columns.split() == ["#", "Outcome", "Kind", "Asked", "for", "at", "Gives", "At"]
    assert rows[0].split()[:3] == ["1", "double-1", "step"]
    assert "src/worker.py:" in rows[0]
    assert "await ctx.do(" in rows[0]
    assert len(rows) == 9
    assert verdict == "replays cleanly: 9 of 9"


@pytest.mark.parametrize("seed", ["random", "0", "1"])
def test_it_begins_again_where_it_has_another_hash_seed(process, project, monkeypatch, seed):
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    ran = process("replay", file("steps"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith("replays cleanly: 9 of 9\n")


def test_the_first_difference_is_marked_with_both_lines_and_the_ways_on(process, project):
    edit(project, 'ctx.do("triple", triple, 3)', 'ctx.do("thrice", triple, 3)')
    ran = process("replay", file("steps"))
    assert ran.code == 1
    marked = [line.split()[:3] for line in ran.out.splitlines() if line.startswith(">")]
    assert marked == [[">", "4", "triple-1"]]
    assert "the first difference comes after 3 of 9:" in ran.out
    assert "journal: step 'triple-1' (do), src/worker.py" in ran.out
    assert 'ctx.do("thrice", triple, 3)' in ran.out
    assert "renamed" in ran.out
    assert "wflow workflows instances resume steps steps --accept" in ran.out


def test_another_output_than_the_recorded_one_is_a_difference(process, project):
    edit(project, "return [*found, len(await self.env.KV.get", "return [0, *found, len(await self.env.KV.get")
    ran = process("replay", file("steps"))
    assert ran.code == 1
    assert "the instance gave [2, 4, 6, 9, 3, 15]; the code gives [0, 2, 4, 6, 9, 3, 15]" in ran.out


def test_programs_get_all_of_it_as_json(process, project):
    ran = process("replay", file("retries"), "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["clean"], found["heard"], found["recorded"]) == (0, True, 5, 5)
    assert found["outcomes"][1] | {"at": 0, "site": ""} == {
        "number": 2,
        "name": "breaks-1",
        "kind": "step",
        "site": "",
        "value": None,
        "error": "KeyError: 'broken'",
        "at": 0,
        "heard": True,
    }
    assert (found["failure"], found["divergence"]) == (None, None)


def test_a_difference_is_in_the_json_too(process, project):
    edit(project, '"stumbles"', '"tumbles"')
    ran = process("replay", file("retries"), "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["clean"], found["heard"]) == (1, False, 0)
    assert found["divergence"]["requested"]["key"] == "tumbles-1"
    assert [one["heard"] for one in found["outcomes"]] == [False] * 5


def test_what_the_code_prints_is_not_printed_again(process, project):
    ran = process("replay", file("telling"), "--json")
    assert json.loads(ran.out)["clean"]
    assert ran.err == ""


def test_what_the_code_logs_is_not_logged_again(process, project):
    edit(project, "class Steps(", 'import logging\nlogging.basicConfig(level="INFO")\n\nclass Steps(')
    edit(project, "        found = [", '        logging.info("logged")\n        found = [')
    ran = process("replay", file("steps"))
    assert "replays cleanly" in ran.out
    assert ran.err == ""


def test_code_that_blocks_for_ever_ends_with_the_first_interrupt(project):
    os.mkfifo("here")
    blocks = 'open("here", "w").close()\n        while True: pass\n'
    edit(project, "        found = [", f"        {blocks}        found = [")
    command = [sys.executable, "-m", "wflow", "replay", file("steps")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        Path("here").read_bytes()
        process.send_signal(signal.SIGINT)
        assert process.communicate() == (b"", b"")
        assert process.returncode == 130


def test_a_journal_that_contradicts_itself_is_refused_with_the_place(process, project, tmp_path):
    given = json.loads(Path(file("retries")).read_bytes())
    opened = next(at for at, fact in enumerate(given["facts"]) if fact["fact"] == "opened")
    key = given["facts"].pop(opened)["key"]
    spoilt = tmp_path / "spoilt.json"
    spoilt.write_text(json.dumps(given))
    ran = process("replay", str(spoilt))
    assert ran.code == 1
    assert f"step '{key}' was not opened before" in ran.err
    assert "facts[" in ran.err


def test_what_a_sensitive_step_gave_is_hidden_unless_that_is_asked_for(process, project):
    def gives(*flags):
        return json.loads(process("replay", file("telling"), "--json", *flags).out)["outcomes"][0]["value"]

    assert gives() == "[REDACTED]"
    assert gives("--with-sensitive") == "s3cret"
    assert "[REDACTED]" in process("replay", file("telling")).out


def test_an_instance_is_found_among_the_workflows_of_the_project(process, project, logged_in):
    there(logged_in, "chance", "abc")
    ran = process("replay", "abc")
    assert (ran.code, ran.err) == (0, "")
    assert "replays cleanly: 14 of 14" in ran.out
    assert logged_in.asked[-1].query == {"with_sensitive": "true"}


def test_the_latest_of_all_workflows_is_the_newest(process, project, logged_in):
    there(logged_in, "steps", "latest", "2026-11-22T00:00:00Z")
    there(logged_in, "chance", "latest", "2026-11-22T00:00:01Z")
    assert "of chance" in process("replay", "latest").out
    assert "of steps" in process("replay", "latest", "--workflow", "steps").out


def test_an_id_that_several_workflows_have_wants_the_workflow(process, project, logged_in):
    there(logged_in, "steps", "a")
    there(logged_in, "chance", "a")
    ran = process("replay", "a")
    assert ran.code == 1
    assert "several workflows have an instance `a`: steps, chance" in ran.err


def test_a_token_that_gets_no_secrets_replays_without_them(process, project, logged_in):
    there(logged_in, "telling", "a")
    address = f"{INSTANCES.format('telling', 'a')}/history"
    logged_in.refuses("GET", address, 403, code=9109, message="no")
    ran = process("replay", "a")
    assert ran.code == 1
    assert "this token may not read what sensitive steps gave" in ran.err
    assert logged_in.asked[-1].query == {}


@pytest.mark.usefixtures("project", "logged_in")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "there is no instance `nobody` of steps, parallel"),
        (["nothing.json"], "there is no file `nothing.json`"),
        (["wflow.toml"], "the file is no JSON"),
        ([file("steps"), "--step", "--json"], "`--step` is for a person, `--json` for a program"),
        ([file("steps"), "--workflow", "none"], "this project has no workflow 'none'"),
        (["a", "--port", "1"], "`--port` is the port of a dev session"),
    ],
)
def test_what_cannot_be_replayed_is_told(process, arguments, said):
    ran = process("replay", *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err


def test_a_history_can_be_replayed_against_another_workflow(process, project):
    ran = process("replay", file("steps"), "--workflow", "looping")
    assert ran.code == 1
    assert "Instance steps of steps, complete, against looping" in ran.out


def test_code_that_does_not_import_is_told_with_its_trace(process, project):
    edit(project, "class Steps", "1 / 0\n\n\nclass Steps")
    ran = process("replay", file("steps"))
    assert ran.code == 1
    assert "ZeroDivisionError" in ran.err


def test_a_redacted_history_says_what_that_means(process, project, tmp_path):
    redacted = tmp_path / "redacted.json"
    raw = json.loads(Path(file("telling")).read_text())
    redacted.write_text(json.dumps({**raw, "redacted": ["all"], "replaced": 3}))
    ran = process("replay", str(redacted))
    assert ran.code == 0
    assert "Replaced in this history: 3 values. Arguments and the end are not compared" in ran.err
