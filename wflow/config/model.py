"""What `wflow.toml` may say: one key is one field, with its rule beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, Union

from wflow.config import rules
from wflow.config.keys import key, table, tables
from wflow.engine import names

Json: TypeAlias = Union[bool, int, float, str, list["Json"], dict[str, "Json"], None]  # noqa: UP007

CONCURRENCY_MAX: Final = 1_000_000
"""More than any fleet runs at once; above it a limit is a slip of the finger."""
QUEUE_DELAY_SECONDS_MAX: Final = 86_400
VISIBILITY_MS_MAX: Final = 43_200_000
"""Twelve hours: how long a pulled message may be hidden from others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long ended instances are kept, in milliseconds; None leaves it to the runner."""

    success_ms: int | None = field(default=None, metadata=key(rules.duration, at="success_retention"))
    error_ms: int | None = field(default=None, metadata=key(rules.duration, at="error_retention"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One `[[workflows]]`: a class that runs durably, under a name, reached through a binding."""

    binding: str = field(metadata=key(rules.identifier, example='its name in `env`, e.g. "MY_WORKFLOW"'))
    name: str = field(metadata=key(rules.workflow_name, example='e.g. "my-workflow"'))
    class_name: str = field(metadata=key(rules.identifier, example='the class in `main`, e.g. "MyWorkflow"'))
    script_name: str | None = field(default=None, metadata=key(rules.worker_name))
    """The project whose class it is, when it is another one."""
    step_limit: int = field(
        default=names.STEPS, metadata=key(rules.whole(1, names.STEPS_MAX), at="limits.steps")
    )
    concurrency: int | None = field(
        default=None,
        metadata=key(
            rules.whole(1, CONCURRENCY_MAX), at="concurrency.limit", alias="concurrency.concurrency"
        ),
    )
    """How many instances run at once, the rest queue; None: as many as the runner can."""
    concurrency_key: str | None = field(default=None, metadata=key(rules.dotted, at="concurrency.key"))
    """The way to what some of them have in common, in their params."""
    per_key: int | None = field(
        default=None, metadata=key(rules.whole(1, CONCURRENCY_MAX), at="concurrency.per_key")
    )
    """How many of those that have it in common run at once."""
    start_rate: float | None = field(default=None, metadata=key(rules.rate, at="concurrency.rate"))
    """How many leave the queue within a second."""
    creation_rate: float | None = field(default=None, metadata=key(rules.rate, at="limits.creations"))
    """How many are created within a second; more are refused."""
    default_retention: Retention = field(default=Retention(), metadata=key(table(Retention)))
    schedules: tuple[str, ...] = field(default=(), metadata=key(rules.one_or_more(rules.cron)))


@dataclass(frozen=True, slots=True, kw_only=True)
class KvNamespace:
    """One `[[kv_namespaces]]`."""

    binding: str = field(metadata=key(rules.identifier, example='its name in `env`, e.g. "KV"'))
    id: str | None = field(default=None, metadata=key(rules.text))
    preview_id: str | None = field(default=None, metadata=key(rules.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class D1Database:
    """One `[[d1_databases]]`."""

    binding: str = field(metadata=key(rules.identifier, example='its name in `env`, e.g. "DB"'))
    name: str | None = field(default=None, metadata=key(rules.text, at="database_name"))
    id: str | None = field(default=None, metadata=key(rules.text, at="database_id"))
    preview_id: str | None = field(default=None, metadata=key(rules.text, at="preview_database_id"))
    migrations_dir: str = field(default="migrations", metadata=key(rules.text))
    """Relative to the config file's folder."""
    migrations_table: str = field(default="d1_migrations", metadata=key(rules.identifier))


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """One `[[queues.producers]]`: a queue that code sends to."""

    binding: str = field(metadata=key(rules.identifier, example='its name in `env`, e.g. "JOBS"'))
    queue: str | None = field(default=None, metadata=key(rules.queue_name))
    delivery_delay: int | None = field(
        default=None, metadata=key(rules.optional(rules.whole(0, QUEUE_DELAY_SECONDS_MAX)))
    )
    """In seconds; None leaves it to the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One `[[queues.consumers]]`: a queue whose messages go to this Worker, or are pulled from it."""

    queue: str = field(metadata=key(rules.queue_name, example='the queue\'s name, e.g. "jobs"'))
    type: str = field(default="worker", metadata=key(rules.one_of("worker", "http_pull")))
    max_batch_size: int = field(default=10, metadata=key(rules.whole(1, 100)))
    max_batch_timeout: int = field(default=5, metadata=key(rules.whole(0, 60)))
    """In seconds."""
    max_retries: int = field(default=3, metadata=key(rules.whole(0, 100)))
    dead_letter_queue: str | None = field(default=None, metadata=key(rules.queue_name))
    max_concurrency: int | None = field(default=None, metadata=key(rules.optional(rules.whole(1, 250))))
    """None: as many as the backlog asks for."""
    retry_delay: int = field(default=0, metadata=key(rules.whole(0, QUEUE_DELAY_SECONDS_MAX)))
    """In seconds."""
    visibility_timeout_ms: int | None = field(
        default=None, metadata=key(rules.optional(rules.whole(0, VISIBILITY_MS_MAX)))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One `[[services]]`: another Worker of the same runner."""

    binding: str = field(metadata=key(rules.identifier, example='its name in `env`, e.g. "AUTH"'))
    service: str = field(metadata=key(rules.worker_name, example='the Worker\'s name, e.g. "auth"'))
    entrypoint: str | None = field(default=None, metadata=key(rules.identifier))
    """Its class there; None is the Worker itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """`[build]`: a command that makes what is packed or loaded."""

    command: str | None = field(default=None, metadata=key(rules.text))
    cwd: str | None = field(default=None, metadata=key(rules.text))
    """Where it runs; relative to the config file's folder, which is where it runs unless this is said."""
    watch_dir: tuple[str, ...] = field(default=("src",), metadata=key(rules.one_or_more(rules.text)))
    """The folders whose changes have it run again in a dev session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dev:
    """`[dev]`: where `wflow dev` listens."""

    ip: str = field(default="localhost", metadata=key(rules.text))
    port: int = field(default=8787, metadata=key(rules.whole(0, 65_535)))
    """0 takes any free port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with a config file, read for one environment."""

    root: Path
    """The config file's folder."""
    path: Path
    """The config file."""
    environment: str | None = None
    notes: tuple[str, ...] = ()
    """What the person should know and need not mend, one line each."""
    unserved: Mapping[str, str] = field(default_factory=dict)
    """Names that wrangler's file puts into ``env`` and wflow does not, each with its key."""

    name: str = field(metadata=key(rules.worker_name, example='your Worker\'s name, e.g. "my-worker"'))
    main: str = field(
        metadata=key(rules.python_file, example='the Python file with your Worker, e.g. "src/worker.py"')
    )
    """Relative to ``root``, with `/`."""
    compatibility_date: str | None = field(default=None, metadata=key(rules.day))
    compatibility_flags: tuple[str, ...] = field(default=(), metadata=key(rules.each(rules.text)))
    workflows: tuple[Workflow, ...] = field(default=(), metadata=key(tables(Workflow), bindings=True))
    kv_namespaces: tuple[KvNamespace, ...] = field(
        default=(), metadata=key(tables(KvNamespace), bindings=True)
    )
    d1_databases: tuple[D1Database, ...] = field(default=(), metadata=key(tables(D1Database), bindings=True))
    producers: tuple[Producer, ...] = field(
        default=(), metadata=key(tables(Producer), at="queues.producers", bindings=True)
    )
    consumers: tuple[Consumer, ...] = field(default=(), metadata=key(tables(Consumer), at="queues.consumers"))
    services: tuple[Service, ...] = field(default=(), metadata=key(tables(Service), bindings=True))
    crons: tuple[str, ...] | None = field(
        default=None, metadata=key(rules.each(rules.cron), at="triggers.crons")
    )
    """When `scheduled` is called; empty: never, None: as before."""
    required_secrets: tuple[str, ...] | None = field(
        default=None, metadata=key(rules.each(rules.identifier), at="secrets.required")
    )
    """What is needed of `.dev.vars` and of the runner, and nothing else is taken; None: no matter what."""
    vars: Mapping[str, Json] = field(default_factory=dict, metadata=key(rules.json_table, bindings=True))
    build: Build = field(default=Build(), metadata=key(table(Build)))
    dev: Dev = field(default=Dev(), metadata=key(table(Dev), top_only=True))
