"""How Hypothesis behaves here: quick and always the same by itself, a storm when WFLOW_STORM is set."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=100, derandomize=True, database=None, deadline=None)
settings.register_profile("storm", max_examples=10_000, print_blob=True, database=None, deadline=None)
settings.load_profile("storm" if os.environ.get("WFLOW_STORM") else "quick")
