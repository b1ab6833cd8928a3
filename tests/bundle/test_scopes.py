from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from wflow.bundle import scopes
from wflow.bundle.scopes import Function, Scope, Self, StepApi, Variable


def module(code, own=()):
    return scopes.of_module(ast.parse(dedent(code)), own)


def name(scope, expression):
    return scope.full_name(ast.parse(expression, mode="eval").body)


@pytest.mark.parametrize(
    ("code", "expression", "expected"),
    [
        ("import time", "time.time", "time.time"),
        ("import time as t", "t.time", "time.time"),
        ("import urllib.request", "urllib.request.urlopen", "urllib.request.urlopen"),
        ("import urllib.request as r", "r.urlopen", "urllib.request.urlopen"),
        ("from datetime import datetime as dt", "dt.now", "datetime.datetime.now"),
        ("from . import time", "time.time", None),
        ("from .a import time", "time.time", None),
        ("", "open", "builtins.open"),
        ("", "time.time", None),
        ("", "open().read", None),
        ("open = 1", "open", None),
        ("def open(): ...", "open", None),
        ("class open: ...", "open", None),
        ("for open in []: ...", "open", None),
        ("with x as (a, open): ...", "open", None),
        ("if (open := 1): ...", "open", None),
        ("try: ...\nexcept E as open: ...", "open", None),
        ("match x:\n    case {'a': open, **rest}: ...", "open", None),
        ("match x:\n    case [*open]: ...", "open", None),
        ("match x:\n    case {**open}: ...", "open", None),
        ("open: int = 1", "open", None),
        ("a = open = 1", "open", None),
        ("open += 1", "open", None),
        ("if x:\n    import time", "time.time", "time.time"),
        ("import time\ntime = 1", "time.time", None),
        ("try:\n    import a\nexcept E:\n    a = None", "a.b", "a.b"),
        ("a = None\nimport a", "a.b", "a.b"),
        ("try:\n    import a as x\nexcept E:\n    import b as x", "x", "a"),
        ("def f():\n    import time", "time.time", None),
        ("f = lambda time: 1", "time.time", None),
    ],
)
def test_a_name_of_a_module_means_what_binds_it(code, expression, expected):
    assert name(module(code), expression) == expected


def test_a_module_of_the_project_is_no_library():
    assert name(module("import secrets, time", own={"secrets"}), "secrets.token_hex") is None
    assert name(module("from secrets import token_hex", own={"secrets"}), "token_hex") is None
    assert name(module("import secrets, time", own={"secrets"}), "time.time") == "time.time"


def function(code, given=None):
    outer = module(code)
    node = next(node for node in ast.walk(ast.parse(dedent(code))) if isinstance(node, ast.FunctionDef))
    return scopes.of_function(node, outer, given or {}, ())


def test_a_function_sees_its_own_names_first_and_then_those_around_it():
    scope = function("import time, random\ndef f(random, *args, key=1, **more):\n    open = 1")
    assert name(scope, "time.time") == "time.time"
    assert name(scope, "random.random") is None
    assert name(scope, "open") is None
    assert isinstance(scope.meaning("key"), Variable)
    assert isinstance(scope.meaning("more"), Variable)


def test_parameters_mean_what_the_caller_says():
    scope = function("def f(self, event, ctx):\n    pass", {"self": Self(), "ctx": StepApi()})
    assert isinstance(scope.meaning("self"), Self)
    assert isinstance(scope.meaning("ctx"), StepApi)
    assert isinstance(scope.meaning("event"), Variable)


def test_a_parameter_that_is_bound_again_keeps_its_meaning():
    scope = function("def f(ctx):\n    ctx = ctx or 1", {"ctx": StepApi()})
    assert isinstance(scope.meaning("ctx"), StepApi)


def test_a_borrowed_name_belongs_to_the_module():
    scope = function("total = 0\nown = 0\ndef f():\n    global total\n    total = 1\n    own = 2")
    assert scope.borrowed == {"total"}
    assert scope.is_global("total")
    assert not scope.is_global("own")
    assert not scope.is_global("nowhere")


def test_functions_and_lambdas_are_known_with_their_scope():
    scope = module("def f(): ...\ng = lambda: 1\nh = g")
    assert isinstance(scope.meaning("f"), Function)
    found = scope.meaning("g")
    assert isinstance(found, Function)
    assert found.scope is scope
    assert isinstance(scope.meaning("h"), Variable)


def test_a_function_that_is_written_twice_is_known_to_be_either():
    assert isinstance(module("def f(): ...\ndef f(): ...").meaning("f"), Variable)


def test_parameters_are_named_and_those_that_have_a_place():
    node = ast.parse("lambda a, /, b, *c, d, **e: 1", mode="eval").body
    assert isinstance(node, ast.Lambda)
    assert scopes.parameters(node) == ["a", "b", "d", "c", "e"]
    assert scopes.positional(node) == ["a", "b"]


def test_a_scope_without_names_knows_only_builtins():
    assert Scope().full_name(ast.Name(id="print", ctx=ast.Load())) == "builtins.print"
