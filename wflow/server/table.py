"""Which route a path and a method lead to: the more of a path is spelled out, the sooner it is looked at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from wflow import catalogue
from wflow.server import routes
from wflow.server.route import Route
from wflow.wire.envelope import PREFIX, NoSuchRoute, WrongMethod

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Parts = dict[str, str]


class Table:
    """The routes of all files under `routes/`.

    A path may be read in two ways: `.../instances/batch` is a place to send batches to, and the instance that
    somebody called so. The method decides.
    """

    def __init__(self, listed: Iterable[Route]) -> None:
        """Sort the routes by the length of their paths."""
        by_length: dict[int, list[tuple[list[str], Route]]] = defaultdict(list)
        for route in listed:
            pattern = f"{PREFIX}{route.path}".split("/")
            by_length[len(pattern)].append((pattern, route))
        for found in by_length.values():
            found.sort(key=lambda one: [_is_open(part) for part in one[0]])
        self._by_length = {
            length: [_place(pattern, route) for pattern, route in found]
            for length, found in by_length.items()
        }

    def find(self, path: str, method: str) -> tuple[Route, Parts]:
        """Find a route, with the parts of the path that it leaves open; raises NoSuchRoute, WrongMethod.

        ``path`` is as it was sent: a part may hold a slash, as `%2F`. A slash at the end changes nothing:
        wrangler sends one when it asks for the latest instance.
        """
        given = _split(path)
        for place in self._by_length.get(len(given), ()):
            if place.route.method == method and (parts := place.parts(given)) is not None:
                return place.route, parts
        if methods := self.methods(path):
            raise WrongMethod(f"{path[:200]} takes {', '.join(methods)}, not {method[:20]}")
        raise NoSuchRoute(f"nothing lies at {path[:200]}")

    def methods(self, path: str) -> list[str]:
        """List the methods that a path takes."""
        return list(dict.fromkeys(route.method for route in self._fitting(_split(path))))

    def _fitting(self, given: Sequence[str]) -> Iterator[Route]:
        for place in self._by_length.get(len(given), ()):
            if place.parts(given) is not None:
                yield place.route


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A route with the parts of its path: those spelled out, the last one first, and the open ones."""

    spelled: tuple[tuple[int, str], ...]
    open: tuple[tuple[int, str], ...]
    route: Route

    def parts(self, given: Sequence[str]) -> Parts | None:
        """Read a path of the same length; None when it is another one."""
        for index, text in self.spelled:
            if given[index] != text:
                return None
        parts = {name: given[index] for index, name in self.open}
        return parts if all(parts.values()) else None


def table() -> Table:
    """Read the folder of routes."""
    return Table(route for _, module in catalogue.modules(routes) for route in module.routes)


def _place(pattern: Sequence[str], route: Route) -> _Place:
    numbered = list(enumerate(pattern))
    return _Place(
        spelled=tuple((index, part) for index, part in reversed(numbered) if not _is_open(part)),
        open=tuple((index, part[1:-1]) for index, part in numbered if _is_open(part)),
        route=route,
    )


def _split(path: str) -> list[str]:
    parts = path.removesuffix("/").split("/")
    return [unquote(part) for part in parts] if "%" in path else parts


def _is_open(part: str) -> bool:
    return part.startswith("{")
