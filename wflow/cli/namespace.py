"""Which KV namespace a command means: by its id, or by the binding that the config gives it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wflow.errors import UsageError

if TYPE_CHECKING:
    from wflow.client.api import Api

Binding = Annotated[
    str | None, typer.Option("--binding", metavar="NAME", help="The binding in the config that names it.")
]
NamespaceId = Annotated[str | None, typer.Option("--namespace-id", metavar="ID", help="Its id.")]
Remote = Annotated[bool, typer.Option("--remote", help="Ask the runner, which is what is done anyway.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The key.")]


def meant(
    binding: str | None,
    namespace_id: str | None,
    *,
    environment: str | None = None,
    config: Path | None = None,
) -> str:
    """Give the id of the namespace; raises UsageError unless one of the two is given, and ConfigError."""
    if (binding is None) == (namespace_id is None):
        raise UsageError(
            "say which namespace: `--binding NAME`, or `--namespace-id ID`",
            hint="`wflow kv namespace list` shows them all",
        )
    if namespace_id is not None:
        return namespace_id
    from wflow.bundle.manifest import resource_name
    from wflow.config import load

    project = load.load(path=config or load.find(Path.cwd()), environment=environment)
    for each in project.kv_namespaces:
        if each.binding == binding:
            return each.id or resource_name(project.name, each.binding)
    known = ", ".join(each.binding for each in project.kv_namespaces) or "none"
    raise UsageError(f"the config has no KV namespace with the binding {binding!r}; it has {known}")


def check(*, local: bool, to_remote: bool) -> None:
    """Refuse to be sent to both."""
    if local and to_remote:
        raise UsageError("`--local` and `--remote` exclude each other")


def titled(api: Api, title: str) -> str:
    """Find the id of the namespace with a title; raises UsageError."""
    found = [str(one["id"]) for one in api.kv.list() if one["title"] == title]
    if not found:
        raise UsageError(f"there is no KV namespace with the title {title!r}")
    return found[0]


def json_of(path: Path) -> list[Any]:
    """Read a file that has a JSON array; raises UsageError."""
    import msgspec

    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Any])
    except OSError as wrong:
        raise UsageError(f"cannot read {path}: {wrong.strerror}") from None
    except (ValueError, RecursionError) as wrong:
        raise UsageError(f"{path} has no JSON array: {wrong}") from None


def names_in(path: Path) -> list[str]:
    """Read a file that has a JSON array of keys: texts, or objects with a `name`; raises UsageError."""
    found = []
    for one in json_of(path):
        name = one.get("name") if isinstance(one, dict) else one
        if not isinstance(name, str):
            raise UsageError(f"{path}: a key is a text, or an object with a `name`, not {name!r}")
        found.append(name)
    return found
