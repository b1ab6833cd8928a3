from __future__ import annotations

import subprocess
import sys

import pytest


def loaded(code: str) -> set[str]:
    """Name what a fresh Python has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(done.stdout.split())


def test_a_client_loads_httpx_without_its_command_line():
    found = loaded("import wflow.client.api")
    assert "httpx" in found
    assert not found & {"rich", "click", "pygments", "httpx._main"}


@pytest.mark.parametrize("first", ["import wflow.client.slim", "import httpx, wflow.client.slim"])
def test_who_wants_that_command_line_can_still_import_it(first):
    assert "httpx._main" in loaded(f"{first}\nimport httpx._main")
