"""Tests of workflows: a pytest plugin, whose fixture `wflow` runs a project in the process of the test.

Everything is loaded at its first use, so that a pytest without such tests pays nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wflow.testing.answer import Answer
    from wflow.testing.clock import Clock
    from wflow.testing.crashes import CrashFailed, crash_at, crash_everywhere
    from wflow.testing.deterministic import NotDeterministic, assert_deterministic
    from wflow.testing.introspection import InstanceIntrospector, Unreachable, WorkflowIntrospector
    from wflow.testing.kit import Kit
    from wflow.testing.modifiers import Modifiers
    from wflow.testing.passing import Stuck
    from wflow.testing.recorded import DoesNotReplay, assert_replays, histories, replay
    from wflow.testing.under_test import UnderTest, found, project

_HOMES = {
    "Answer": "answer",
    "Clock": "clock",
    "CrashFailed": "crashes",
    "DoesNotReplay": "recorded",
    "InstanceIntrospector": "introspection",
    "Kit": "kit",
    "Modifiers": "modifiers",
    "NotDeterministic": "deterministic",
    "Stuck": "passing",
    "UnderTest": "under_test",
    "Unreachable": "introspection",
    "WorkflowIntrospector": "introspection",
    "assert_deterministic": "deterministic",
    "assert_replays": "recorded",
    "crash_at": "crashes",
    "crash_everywhere": "crashes",
    "found": "under_test",
    "histories": "recorded",
    "project": "under_test",
    "replay": "recorded",
}

__all__ = [
    "Answer",
    "Clock",
    "CrashFailed",
    "DoesNotReplay",
    "InstanceIntrospector",
    "Kit",
    "Modifiers",
    "NotDeterministic",
    "Stuck",
    "UnderTest",
    "Unreachable",
    "WorkflowIntrospector",
    "assert_deterministic",
    "assert_replays",
    "crash_at",
    "crash_everywhere",
    "found",
    "histories",
    "project",
    "replay",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'wflow.testing' has no attribute {name!r}"
        raise AttributeError(message)
    value: object = getattr(import_module(f"wflow.testing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
