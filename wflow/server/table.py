"""Which route a path and a method lead to: the more of a path is spelled out, the sooner it is looked at."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from wflow import catalogue
from wflow.server import routes
from wflow.wire.envelope import PREFIX, NoSuchRoute, WrongMethod

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wflow.server.route import Route

Parts = dict[str, str]


class Table:
    """The routes of all files under `routes/`.

    A path may be read in two ways: `.../instances/batch` is a place to send batches to, and the instance that
    somebody called so. The method decides.
    """

    def __init__(self, listed: Iterable[Route]) -> None:
        """Sort the routes by the length of their paths."""
        self._by_length: dict[int, list[tuple[list[str], Route]]] = defaultdict(list)
        for route in listed:
            pattern = f"{PREFIX}{route.path}".split("/")
            self._by_length[len(pattern)].append((pattern, route))
        for found in self._by_length.values():
            found.sort(key=lambda one: [_is_open(part) for part in one[0]])

    def find(self, path: str, method: str) -> tuple[Route, Parts]:
        """Find a route, with the parts of the path that it leaves open; raises NoSuchRoute, WrongMethod.

        A slash at the end changes nothing: wrangler sends one when it asks for the latest instance.
        """
        fitting = list(self._fitting(path))
        for route, parts in fitting:
            if route.method == method:
                return route, parts
        if fitting:
            raise WrongMethod(f"{path[:200]} takes {', '.join(self.methods(path))}, not {method[:20]}")
        raise NoSuchRoute(f"nothing lies at {path[:200]}")

    def methods(self, path: str) -> list[str]:
        """List the methods that a path takes."""
        return list(dict.fromkeys(route.method for route, _ in self._fitting(path)))

    def _fitting(self, path: str) -> Iterator[tuple[Route, Parts]]:
        given = path.removesuffix("/").split("/")
        for pattern, route in self._by_length.get(len(given), ()):
            parts: Parts = {}
            for name, part in zip(pattern, given, strict=True):
                if _is_open(name) and part:
                    parts[name[1:-1]] = part
                elif name != part:
                    break
            else:
                yield route, parts


def table() -> Table:
    """Read the folder of routes."""
    return Table(route for _, module in catalogue.modules(routes) for route in module.routes)


def _is_open(part: str) -> bool:
    return part.startswith("{")
