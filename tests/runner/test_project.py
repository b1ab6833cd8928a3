from __future__ import annotations

from dataclasses import replace

import pytest

from tests.runner.stage import SHOP
from wflow.config.load import load
from wflow.errors import BundleError
from wflow.runner.project import VERSION, build_of


def test_a_project_is_built_where_it_lies():
    project = load(path=SHOP / "wflow.toml")
    made = build_of(project, {"PSST": "psst"}, 7)
    assert (made.version, made.worker, made.root, made.folder) == (VERSION, "shop", SHOP, SHOP)
    assert made.described.created_at == 7
    assert made.described.workflows == [entry.name for entry in made.manifest.workflows]
    assert made.secrets == {"PSST": "psst"}
    assert "PSST" not in made.manifest.vars


def test_a_variable_that_cannot_be_shipped_is_refused_in_a_session_too():
    project = replace(load(path=SHOP / "wflow.toml"), vars={"WHEN": object()})  # type: ignore[dict-item]
    with pytest.raises(BundleError, match="WHEN"):
        build_of(project, {}, 7)
