"""How long an instance of a test stays in memory: as long as it likes, or never longer than one await.

Every test that plays a workflow is run in both modes, without its knowing: what an instance does must not
depend on whether it stayed in memory or was played from its journal. In the mode ``evicting`` it is let go
whenever it can be, which is whenever all that it said is on disk and none of its attempts runs; so whatever
its code comes to see, it sees on a replay. A test that speaks of the stay in memory itself, or counts what
each start adds, says so: ``@pytest.mark.resident("why")``.

In a storm (WFLOW_STORM) there is a third, harsher mode, ``cutting``: an instance is let go after each commit
that tells something new, and what runs then is cut off. It is for tests that hold whatever is cut off:
``@pytest.mark.cut_off``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from wflow.engine.facts import Failed, Logged, Received, Settled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from wflow.engine.facts import Fact

RESIDENT, EVICTING, CUTTING = "resident", "evicting", "cutting"
PLAYERS = {
    "tests.engine.play": {"Play"},
    "tests.engine.driver": {"World"},
    "tests.runtime.stage": {"Stage", "play"},
}
"""What plays instances, by module: a test whose module has one of these is run in each mode."""

current = RESIDENT
"""The mode of the test that is being run."""


def mode_now() -> str:
    """Give the mode of the test that is being run."""
    return current


def advances(new: Iterable[Fact]) -> bool:
    """Tell whether facts tell more than that somebody began: who is let go after them has come further."""
    return any(isinstance(fact, (Settled, Failed, Received, Logged)) for fact in new)


# -- for the conftest of a room whose tests play ---------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers."""
    config.addinivalue_line("markers", "resident(why): the test speaks of an instance that stays in memory")
    config.addinivalue_line("markers", "cut_off: the test holds whatever is cut off, at whatever commit")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a module that plays in each mode."""
    if not _plays(metafunc.module):
        return
    modes = [RESIDENT]
    if metafunc.definition.get_closest_marker("resident") is None:
        modes.append(EVICTING)
        if os.environ.get("WFLOW_STORM") and metafunc.definition.get_closest_marker("cut_off"):
            modes.append(CUTTING)
    metafunc.parametrize("mode", modes, indirect=True)


@pytest.fixture(autouse=True)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the mode of the test."""
    given: str = getattr(request, "param", RESIDENT)
    monkeypatch.setattr("tests.residency.current", given)
    return given


def _plays(module: ModuleType) -> bool:
    players = ((name, known) for name, found in PLAYERS.items() for known in found)
    here = {(getattr(one, "__module__", ""), getattr(one, "__name__", "")) for one in vars(module).values()}
    return any(player in here for player in players)
