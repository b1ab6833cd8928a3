"""Which route a path and a method lead to."""

from __future__ import annotations

import pytest

from wflow.server.route import Answer, Route
from wflow.server.table import Table
from wflow.wire.envelope import NoSuchRoute, WrongMethod


async def nothing(_call):
    return Answer()


ONE = Route("GET", "/things/{id}", "read", nothing)
GONE = Route("DELETE", "/things/{id}", "deploy", nothing)
MANY = Route("POST", "/things/batch", "deploy", nothing)
STATE = Route("GET", "/things/state", "read", nothing)
PART = Route("GET", "/things/{id}/part", "read", nothing)


@pytest.fixture(params=[False, True])
def table(request):
    """The order in which routes are listed is of no matter."""
    listed = [ONE, GONE, MANY, STATE, PART]
    return Table(reversed(listed) if request.param else listed)


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/things/a", (ONE, {"id": "a"})),
        ("GET", "/things/a/", (ONE, {"id": "a"})),
        ("GET", "/things/batch", (ONE, {"id": "batch"})),
        ("DELETE", "/things/batch", (GONE, {"id": "batch"})),
        ("POST", "/things/batch", (MANY, {})),
        ("GET", "/things/state", (STATE, {})),
        ("DELETE", "/things/state", (GONE, {"id": "state"})),
        ("GET", "/things/state/part", (PART, {"id": "state"})),
        ("GET", "/things/a%2Fpart", (ONE, {"id": "a/part"})),
        ("GET", "/things/%2A%2F5%20%2a/part", (PART, {"id": "*/5 *"})),
        ("GET", "/things/100%", (ONE, {"id": "100%"})),
    ],
)
def test_what_is_spelled_out_comes_first_and_the_method_decides(table, method, path, found):
    assert table.find(f"/client/v4{path}", method) == found


@pytest.mark.parametrize(
    "path", ["", "/", "/client/v4", "/client/v4/things", "/client/v4/things//part", "/things/a"]
)
def test_nothing_lies_elsewhere(table, path):
    with pytest.raises(NoSuchRoute):
        table.find(path, "GET")


def test_all_methods_of_a_path_are_told_whichever_way_it_is_read(table):
    assert set(table.methods("/client/v4/things/batch")) == {"POST", "GET", "DELETE"}
    with pytest.raises(WrongMethod, match=r"takes POST, .* not PUT"):
        table.find("/client/v4/things/batch", "PUT")
