"""What holds for all tests: how Hypothesis behaves, that bytecode is kept, and that Ctrl-C is heard.

Hypothesis is quick and always the same by itself, a storm when WFLOW_STORM is set.
"""

from __future__ import annotations

import os
import signal
import sys

from hypothesis import settings

settings.register_profile("quick", max_examples=100, derandomize=True, database=None, deadline=None)
settings.register_profile("storm", max_examples=10_000, print_blob=True, database=None, deadline=None)
settings.load_profile("storm" if os.environ.get("WFLOW_STORM") else "quick")

# Where it is set, each of a thousand processes would compile all that it imports of wflow anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell that runs the suite in its background has it ignored, and so would every process of a test.
    signal.signal(signal.SIGINT, signal.default_int_handler)
