from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.config.conftest import Folder

TOP = """\
name = "shop"
main = "src/worker.py"
"""


def flow(**changed: str) -> str:
    keys = {"binding": "A", "name": "a", "class_name": "MyWorkflow"} | changed
    return "\n[[workflows]]\n" + "".join(f'{key} = "{value}"\n' for key, value in keys.items())


def test_names_are_taken_across_all_kinds(folder: Folder):
    config = TOP + 'kv_namespaces = [{ binding = "A" }]\nvars = { A = { binding = "B" }, B = 1 }\n' + flow()
    assert folder.refusal(config) == (
        "`wflow.toml` has 2 problems\n"
        "\n"
        '  wflow.toml:3   kv_namespaces[0].binding: "A" is taken by `workflows[0].binding` (line 7)\n'
        '  wflow.toml:4   vars.A: "A" is taken by `workflows[0].binding` (line 7)'
    )


def test_two_workflows_may_share_a_class(folder: Folder):
    assert len(folder.load(TOP + flow() + flow(binding="B", name="b")).workflows) == 2


@pytest.mark.parametrize(
    ("source", "instead"),
    [
        ("class A: ...\nclass B: ...", "it has A, B"),
        ("import os", "it has no class"),
        ("\n".join(f"class {letter}: ..." for letter in "ABCDEFGHIJ"), "it has A, B, C, D, E, F, G, H"),
    ],
)
def test_a_missing_class_is_told_with_those_there_are(folder: Folder, source: str, instead: str):
    folder.write("src/worker.py", source)
    assert folder.refusal(TOP + flow()).endswith(f"defines nor imports `MyWorkflow` ({instead})")


@pytest.mark.parametrize(
    "source", ["from workflow import *", "class MyWorkflow", "def __getattr__(name): ..."]
)
def test_a_source_that_does_not_tell_is_trusted(folder: Folder, source: str):
    folder.write("src/worker.py", source)
    assert folder.load(TOP + flow()).workflows[0].class_name == "MyWorkflow"


def test_the_class_of_another_script_is_not_looked_for(folder: Folder):
    assert folder.load(TOP + flow(class_name="Elsewhere", script_name="billing")).workflows
    assert "neither defines" in folder.refusal(TOP + flow(class_name="Elsewhere", script_name="shop"))


@pytest.mark.parametrize("key", ["limits.steps = 5", "concurrency.limit = 5", 'schedules = "* * * * *"'])
def test_what_another_script_decides_is_refused(folder: Folder, key: str):
    message = folder.refusal(TOP + flow(script_name="billing") + key)
    assert message.endswith(": not allowed with `script_name`: set it where the class is")


def test_a_main_that_is_not_there_is_told_with_the_nearest(folder: Folder):
    message = folder.refusal('name = "shop"\nmain = "src/wrker.py"')
    assert message.endswith('main: no such file: "src/wrker.py" (did you mean `src/worker.py`?)')


def test_a_folder_is_no_main(folder: Folder):
    (folder.root / "zz.py").mkdir()
    assert folder.refusal('name = "shop"\nmain = "zz.py/"').endswith('main: no such file: "zz.py"')


def test_a_pipe_is_no_main(folder: Folder):
    os.mkfifo(folder.root / "zz.py")
    assert "no such file" in folder.refusal('name = "shop"\nmain = "zz.py"')


def test_a_main_that_cannot_be_read_says_why(folder: Folder):
    message = folder.refusal(f'name = "shop"\nmain = "{"z" * 300}.py"')
    assert message.endswith(": File name too long")


def test_a_worker_has_a_most_of_crons_and_schedules(folder: Folder):
    crons = ", ".join(f'"{n % 60} {n // 60} * * *"' for n in range(99))
    config = TOP + f"triggers = {{ crons = [{crons}] }}\n" + flow()
    assert folder.load(config + 'schedules = "* * * * *"').workflows[0].schedules
    assert folder.refusal(config + 'schedules = ["* * * * *", "0 * * * *"]').endswith(
        "workflows[0].schedules: a Worker has at most 100 crons and schedules; here they are 101"
    )


def test_a_queue_has_one_consumer_and_a_secret_is_required_once(folder: Folder):
    config = TOP + 'queues.consumers = [{ queue = "a" }, { queue = "b" }, { queue = "a" }]\n'
    assert folder.refusal(config).endswith(
        'queues.consumers[2].queue: "a" is taken by `queues.consumers[0].queue` (line 3)'
    )
    config = TOP + 'secrets.required = ["A", "B", "A"]\n'
    assert folder.refusal(config).endswith(
        'secrets.required[2]: "A" is taken by `secrets.required[0]` (line 3)'
    )


def test_a_main_that_a_build_makes_need_not_be_there(folder: Folder):
    config = 'name = "shop"\nmain = "made.py"\n' + flow() + '[build]\ncommand = "make"\n'
    assert folder.load(config).build.command == "make"
