from __future__ import annotations

import pytest

from wflow.runner.listen import bind, closing
from wflow.runner.url import url_of


@pytest.mark.parametrize(
    ("ip", "host"),
    [
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "localhost"),  # noqa: S104 - no socket is bound to it
        ("::1", "[::1]"),
        ("::", "localhost"),
    ],
)
def test_the_url_is_one_that_a_person_can_open(ip, host):
    with closing(bind("127.0.0.1", 0)) as sockets:
        assert url_of(ip, sockets) == f"http://{host}:{sockets[0].getsockname()[1]}"
