"""What is asked of secrets, against the real API."""

from __future__ import annotations

import pytest

from tests.server.test_secrets import SmallSecrets
from wflow.client.api import Remote, connect
from wflow.errors import RunnerError, UsageError


@pytest.fixture
def secrets(live):
    live.host.secrets = SmallSecrets()
    with connect(Remote(url=live.url)) as asking:
        yield asking.secrets


def test_secrets_are_set_listed_changed_and_deleted(live, secrets):
    secrets.put("shop", "KEY", "ß$\n")
    assert live.host.secrets.kept == {"shop": {"KEY": "ß$\n"}}
    secrets.change("shop", {"KEY": None, "A": "1", "B": "2"})
    assert [one["name"] for one in secrets.list("shop")] == ["A", "B"]
    secrets.delete("shop", "A")
    assert live.host.secrets.kept == {"shop": {"B": "2"}}


def test_what_is_not_there_is_told(secrets):
    with pytest.raises(RunnerError, match="there is none"):
        secrets.delete("shop", "KEY")
    with pytest.raises(UsageError):
        secrets.list("..")
