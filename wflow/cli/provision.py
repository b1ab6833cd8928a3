"""Bindings that name no resource get one at a deploy, and what it is goes into the config file."""

from __future__ import annotations

import dataclasses
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from wflow.cli import output, remote
from wflow.errors import RunnerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wflow.client.api import Api
    from wflow.config.model import D1Database, KvNamespace, Producer, Project
    from wflow.config.written import Given


def provided(project: Project) -> Project:
    """Give a project whose bindings all name a resource; asks the runner only if one of them does not."""
    named = [
        *(each.id for each in project.kv_namespaces),
        *(each.id for each in project.d1_databases),
        *(each.queue for each in project.producers),
    ]
    if None not in named:
        return project
    with remote.connect() as api:
        return provide(api, project)


def provide(api: Api, project: Project) -> Project:
    """Give a project whose bindings all name a resource, made on the runner if it was not there.

    What the live version has under the same binding is taken first, then what has the name
    ``<worker>-<binding>``, as a deploy that broke off may have left it. The ids are written into the config
    file; where that cannot be done, a person is told what to write, and the deploy goes on.
    """
    from wflow.config import written

    live = _live(api, project.name)
    giving = _Giving(api, project.name, live)
    given = dataclasses.replace(
        project,
        kv_namespaces=tuple(giving.namespace(each) for each in project.kv_namespaces),
        d1_databases=tuple(giving.database(each) for each in project.d1_databases),
        producers=tuple(giving.producer(each) for each in project.producers),
    )
    if giving.given:
        try:
            written.write(project.path, project.environment, giving.given)
            output.say(f"Wrote {_names(giving.given)} into {project.path.name}.")
        except UsageError as unwritten:
            output.warn(f"{unwritten.message}; {unwritten.hint}")
    return given


class _Giving:
    """Gives bindings their resources, and remembers what is to be written of it."""

    def __init__(self, api: Api, worker: str, live: dict[tuple[str, str], dict[str, Any]]) -> None:
        self._api = api
        self._worker = worker
        self._live = live
        self.given: list[Given] = []

    def namespace(self, each: KvNamespace) -> KvNamespace:
        if each.id is not None:
            return each
        known = self._live.get(("kv_namespace", each.binding), {}).get("namespace_id")
        id_ = known or self._made("KV namespace", each.binding, self._api.resources.namespace)
        if id_ is None:
            return each
        self._note(("kv_namespaces",), each.binding, id=id_)
        return dataclasses.replace(each, id=id_)

    def database(self, each: D1Database) -> D1Database:
        if each.id is not None:
            return each
        known = self._live.get(("d1", each.binding), {})
        if known and each.name in {None, known["database_name"]}:
            id_, name = known["database_id"], known["database_name"]
        else:
            name = each.name or self._name(each.binding)
            id_ = self._made("D1 database", each.binding, self._api.resources.database, name)
        if id_ is None:
            return each
        self._note(("d1_databases",), each.binding, database_name=name, database_id=id_)
        return dataclasses.replace(each, id=id_, name=name)

    def producer(self, each: Producer) -> Producer:
        # Its name follows from the Worker's, so that each environment has its own: it is not written.
        if each.queue is None:
            self._made("queue", each.binding, self._api.resources.queue)
        return each

    def _made(
        self, what: str, binding: str, make: Callable[[str], str], name: str | None = None
    ) -> str | None:
        name = name or self._name(binding)
        try:
            id_ = make(name)
        except RunnerError as refused:
            if refused.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
                return None  # an older runner makes it itself, of that name
            raise
        output.say(f"env.{binding} is bound to the {what} {name}.")
        return id_

    def _name(self, binding: str) -> str:
        from wflow.bundle.manifest import resource_name

        return resource_name(self._worker, binding)

    def _note(self, way: tuple[str, ...], binding: str, **values: str) -> None:
        from wflow.config.written import Given

        self.given.append(Given(way=way, binding=binding, values=values))


def _live(api: Api, worker: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Give the bindings of the live version by type and name; of two live ones, the newest's."""
    try:
        live = next(iter(api.scripts.deployments(worker, per_page=1).items), None)
        if live is None:
            return {}
        version = api.scripts.version(worker, live["versions"][0]["version_id"])
    except RunnerError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return {}
    return {(each["type"], each["name"]): each for each in version["resources"]["bindings"]}


def _names(given: Iterable[Given]) -> str:
    return ", ".join(f"{key} of {one.binding}" for one in given for key in one.values)
