"""Values that a journal cannot keep, as far as the code that makes them tells (see `wflow.engine.values`)."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Final

from wflow.bundle.forbidden import PATHS
from wflow.bundle.scopes import Class, Function, Imported, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.bundle.scopes import Scope

_HTTP: Final = ("get", "post", "put", "patch", "delete", "head", "options", "request")
_LOCKS: Final = ("Lock", "RLock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier")
_WHAT: Final = {
    **{f"requests.{name}": "an HTTP response" for name in _HTTP},
    **{f"httpx.{name}": "an HTTP response" for name in _HTTP},
    **{
        f"{room}.{name}": f"a {name}"
        for room in ("threading", "asyncio", "multiprocessing")
        for name in _LOCKS
    },
    **dict.fromkeys(PATHS, "a path"),
    **dict.fromkeys(("re.match", "re.search", "re.fullmatch"), "a match of `re`"),
    **dict.fromkeys(("httpx.Client", "httpx.AsyncClient", "requests.Session"), "a client of HTTP"),
    **dict.fromkeys(("sqlite3.connect", "psycopg.connect", "psycopg2.connect"), "a connection"),
    **dict.fromkeys(("builtins.zip", "builtins.enumerate"), "an iterator"),
    **dict.fromkeys(("threading.Thread", "multiprocessing.Process"), "a thread or process"),
    "aiohttp.ClientSession": "a client of HTTP",
    "re.compile": "a pattern of `re`",
    "socket.socket": "a socket",
    "socket.create_connection": "a socket",
    "builtins.range": "a range",
    "builtins.object": "a plain object",
    "builtins.complex": "a complex number",
    "fractions.Fraction": "a Fraction",
    "asyncio.Queue": "a Queue",
    "asyncio.create_task": "a task",
    "asyncio.get_running_loop": "an event loop",
    "subprocess.run": "a finished process",
    "subprocess.Popen": "a process",
    "collections.deque": "a deque",
    "functools.partial": "a function",
    "logging.getLogger": "a logger",
    "types.SimpleNamespace": "a SimpleNamespace",
    "zoneinfo.ZoneInfo": "a time zone",
}
_AWAITED: Final = {
    **{f"httpx.AsyncClient.{name}": "an HTTP response" for name in _HTTP},
    **dict.fromkeys(("workers.fetch", "js.fetch", "pyodide.http.pyfetch"), "an HTTP response"),
    "asyncio.create_subprocess_exec": "a process",
    "asyncio.create_subprocess_shell": "a process",
    "asyncio.open_connection": "a connection",
}
_CLIENTS: Final = {"httpx.AsyncClient", "httpx.Client", "requests.Session"}


def parts_of(scope: Scope, value: ast.expr, hops: int = 6) -> Iterator[tuple[ast.expr, str]]:
    """Give the parts of a value that cannot be kept, and what they are; variables are followed."""
    match value:
        case ast.Dict(keys=keys, values=values):
            for key in keys:
                if key is not None and (what := _key(key)):
                    yield key, what
            for each in values:
                yield from parts_of(scope, each, hops)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            for each in elements:
                yield from parts_of(scope, each, hops)
        case ast.IfExp(body=one, orelse=other):
            yield from parts_of(scope, one, hops)
            yield from parts_of(scope, other, hops)
        case ast.BoolOp(values=values):
            for each in values:
                yield from parts_of(scope, each, hops)
        case ast.NamedExpr(value=inner):
            yield from parts_of(scope, inner, hops)
        case _:
            what = _what(scope, value, hops)
            if what is not None:
                yield value, what


def result_of(scope: Scope, function: ast.expr) -> str | None:
    """Say what a function that is not the project's gives, when that cannot be kept: ``requests.get``."""
    name = scope.full_name(function)
    if name is None or name == "builtins.open":
        return None
    return _WHAT.get(name) or _AWAITED.get(name)


def _what(scope: Scope, value: ast.expr, hops: int) -> str | None:
    match value:
        case ast.Lambda():
            return "a function"
        case ast.Name(id=name):
            return _named(scope, name, hops)
        case ast.Await(value=ast.Call() as call):
            return _awaited(scope, call)
        case ast.Call():
            return _called(scope, value)
    return None


def _named(scope: Scope, name: str, hops: int) -> str | None:
    match scope.meaning(name):
        case Function():
            return f"the function `{name}`"
        case Class():
            return f"the class `{name}`"
        case Imported(is_module=True):
            return f"the module `{name}`"
        case Variable(role="caught"):
            return f"the exception `{name}`"
        case Variable(value=ast.expr() as made, role="entered"):
            entered = scope.full_name(made.func) if isinstance(made, ast.Call) else None
            return _WHAT.get(entered or "") if entered in _CLIENTS else _text_file(scope, made)
        case Variable(value=ast.expr() as made, role="") if hops:
            found = next(parts_of(scope, made, hops - 1), None)
            return None if found is None else found[1]
        case None if callable(getattr(builtins, name, None)):
            return f"the builtin `{name}`"
    return None


def _called(scope: Scope, call: ast.Call) -> str | None:
    name = scope.full_name(call.func)
    if name is not None:
        kind = getattr(builtins, name.removeprefix("builtins."), None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            return "an exception"
        return _WHAT.get(name) or _text_file(scope, call)
    match call.func:
        case ast.Attribute(value=ast.Name(id=client), attr=method):
            if method in _HTTP and _client(scope, client) in {"httpx.Client", "requests.Session"}:
                return "an HTTP response"
        case ast.Name(id=made):
            meaning = scope.meaning(made)
            if isinstance(meaning, Class):
                return _instance(meaning.node)
    return None


def _awaited(scope: Scope, call: ast.Call) -> str | None:
    match call.func:
        case ast.Attribute(value=ast.Name(id=client), attr=method):
            if _client(scope, client) == "httpx.AsyncClient" and method in _HTTP:
                return "an HTTP response"
    return _AWAITED.get(scope.full_name(call.func) or "")


def _client(scope: Scope, name: str) -> str | None:
    """Name the class of a client that a variable holds."""
    match scope.meaning(name):
        case Variable(value=ast.Call(func=function), role="" | "entered"):
            return scope.full_name(function)
    return None


def _text_file(scope: Scope, made: ast.expr) -> str | None:
    """Tell of a file that is open for text; one that is open for reading bytes becomes a stream."""
    match made:
        case ast.Call(func=function, args=[_, ast.Constant(value=str(mode)), *_]):
            is_text = "b" not in mode
        case ast.Call(func=function, args=[_]):
            is_text = not made.keywords
        case _:
            return None
    return (
        "a file that is open for text" if is_text and scope.full_name(function) == "builtins.open" else None
    )


def _instance(node: ast.ClassDef) -> str | None:
    """Say what an instance is of a class that declares no fields: one without bases and decorators."""
    if node.decorator_list or node.keywords:
        return None
    match node.bases:
        case []:
            return f"a {node.name}, which declares no fields,"
        case [ast.Name(id=base)]:
            kind = getattr(builtins, base, None)
            return "an exception" if isinstance(kind, type) and issubclass(kind, BaseException) else None
    return None


def _key(key: ast.expr) -> str | None:
    match key:
        case ast.Tuple():
            return "a dict's key that is a tuple"
        case ast.Constant(value=value) if type(value) not in {str, int}:
            return f"a dict's key that is `{value!r}`"
    return None
