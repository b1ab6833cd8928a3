"""What a token may do."""

from __future__ import annotations

import importlib

import pytest

from wflow import catalogue
from wflow.server import routes, scopes

READING = ("/bulk/get", "/messages/peek")
"""What the path of a request ends with that changes nothing, though it has a body."""


def test_each_scope_includes_the_ones_before_it():
    table = [[scopes.covers(given, wanted) for wanted in scopes.ALL] for given in scopes.ALL]
    assert table == [[True, False, False], [True, True, False], [True, True, True]]


@pytest.mark.parametrize("name", catalogue.names(routes))
def test_reading_never_needs_more_than_read_and_changing_never_less_than_deploy(name):
    module = importlib.import_module(f"wflow.server.routes.{name}")
    for route in module.routes:
        if "tokens" in route.path and "verify" not in route.path:
            assert route.scope == scopes.ADMIN
        else:
            reads = route.method == "GET" or route.path.endswith(READING)
            assert route.scope == (scopes.READ if reads else scopes.DEPLOY)
