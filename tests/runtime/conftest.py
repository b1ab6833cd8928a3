"""Every test that plays an instance is run with one that stays in memory, and with one that never does."""

from __future__ import annotations

from tests.residency import mode, pytest_configure, pytest_generate_tests

__all__ = ["mode", "pytest_configure", "pytest_generate_tests"]
