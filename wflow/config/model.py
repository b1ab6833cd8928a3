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
    vars: Mapping[str, Json] = field(default_factory=dict, metadata=key(rules.json_table, bindings=True))
    dev: Dev = field(default=Dev(), metadata=key(table(Dev), top_only=True))
