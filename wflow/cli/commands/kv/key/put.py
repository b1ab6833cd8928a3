"""Put a value under a key: given, of a file, or from stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from wflow.cli import namespace, output, remote
from wflow.cli.flags import Config, Environment, Local, LocalPort
from wflow.cli.namespace import Binding, Key, NamespaceId, Remote
from wflow.errors import UsageError

EXAMPLES = """
wflow kv key put greeting hello --binding KV
wflow kv key put logo --path logo.png --binding KV --metadata '{"type": "image/png"}'
wflow kv key put session abc --namespace-id 0f2ac74b498b48028cb68387c421e279 --ttl 3600
"""

Seconds = Annotated[
    int | None, typer.Option("--ttl", metavar="SECONDS", help="It vanishes after so long, 60 at least.")
]


def command(
    key: Key,
    value: Annotated[str | None, typer.Argument(metavar="[VALUE]", help="The value.")] = None,
    *,
    path: Annotated[
        Path | None, typer.Option("--path", metavar="FILE", help="The file with the value; - is stdin.")
    ] = None,
    binding: Binding = None,
    namespace_id: NamespaceId = None,
    ttl: Seconds = None,
    expiration: Annotated[
        int | None,
        typer.Option("--expiration", metavar="SECONDS", help="It vanishes then, in seconds since 1970."),
    ] = None,
    metadata: Annotated[
        str | None, typer.Option("--metadata", metavar="JSON", help="What is kept beside it.")
    ] = None,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    to_remote: Remote = False,
    port: LocalPort = None,
) -> None:
    namespace.check(local=local, to_remote=to_remote)
    id_ = namespace.meant(binding, namespace_id, environment=environment, config=config)
    raw = _value(value, path)
    times = {"expiration_ttl": ttl, "expiration": expiration}
    with remote.connect(local=local, port=port) as api:
        api.kv.put(
            id_,
            key,
            raw,
            metadata=None if metadata is None else metadata.encode(),
            **{name: seconds for name, seconds in times.items() if seconds is not None},
        )
    output.say(f'Put {output.count(len(raw), "byte")} under the key "{key}" of the namespace {id_}.')


def _value(value: str | None, path: Path | None) -> bytes:
    if (value is None) == (path is None):
        raise UsageError("say what to put: a value, or `--path FILE`")
    if path is None:
        return (value or "").encode()
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise UsageError(f"cannot read {path}: {wrong.strerror}") from None
