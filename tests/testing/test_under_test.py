"""What is under test: classes by their names, or a project with a config file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wflow import Context, Event, InvalidInput, WorkerEntrypoint, WorkflowEntrypoint
from wflow.errors import ConfigError
from wflow.testing import found, project

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
name = "shop"
main = "shop_main.py"

[[workflows]]
name = "orders"
binding = "ORDERS"
class_name = "Orders"
"""


class Orders(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> None:
        pass


class Front(WorkerEntrypoint):
    pass


def test_a_project_of_classes_declares_what_it_is_told():
    made = project({"MY_ORDERS": Orders}, worker=Front, kv=["KV"], vars={"A": 1}, limits={"MY_ORDERS": 3})
    manifest = made.build.manifest
    assert [(entry.name, entry.binding, entry.concurrency) for entry in manifest.workflows] == [
        ("my-orders", "MY_ORDERS", 3)
    ]
    assert [(entry.binding, entry.id) for entry in manifest.kv] == [("KV", "kv")]
    assert manifest.vars == {"A": 1}
    assert made.classes().workflows == {"my-orders": Orders}
    assert made.classes().worker is Front


@pytest.mark.parametrize("wrong", [int, object(), "Orders", Front])
def test_what_is_no_workflow_is_refused(wrong):
    with pytest.raises(InvalidInput, match="is no class of a WorkflowEntrypoint"):
        project({"ORDERS": wrong})


def test_what_is_no_worker_is_refused():
    with pytest.raises(InvalidInput, match="is no class of a WorkerEntrypoint"):
        project({}, worker=Orders)


def test_a_project_is_found_from_a_folder_in_it_or_by_its_file(tmp_path: Path):
    (tmp_path / "wflow.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "shop_main.py").write_text("class Orders: ...\n", encoding="utf-8")
    (tmp_path / ".dev.vars").write_text("KEY=psst\n", encoding="utf-8")
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    for start in (tmp_path, tmp_path / "tests" / "deep", tmp_path / "wflow.toml"):
        build = found(start).build
        assert (build.root, build.worker, build.secrets) == (tmp_path, "shop", {"KEY": "psst"})


def test_where_there_is_none_that_is_what_is_said(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no `wflow\.toml`"):
        found(tmp_path)
