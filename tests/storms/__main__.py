"""Let the storms rage as often as one likes, and print what came of it (``--runs``)."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.storms.storms import STORMS, weather

SHOWN = 5
NOTE = "PostgreSQL is not among the stores yet; its restart in the middle of a sweep is left out."


def main() -> int:
    """Rage; the exit code says whether all runs were right."""
    parser = argparse.ArgumentParser(prog="storms", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("names", nargs="*", help="storms; all of them if none is named")
    options = parser.parse_args()
    names = options.names or list(STORMS)
    sys.stdout.write(f"{'storm':<26} {'runs':>7} {'right':>7} {'seconds':>8}\n")
    failed = 0
    for name in names:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="storm-") as folder:
            verdicts = weather(name, Path(folder), options.runs)
        wrong = {id_: faults for id_, faults in verdicts.items() if faults}
        failed += len(wrong)
        right, took = options.runs - len(wrong), time.monotonic() - began
        sys.stdout.write(f"{name:<26} {options.runs:>7} {right:>7} {took:>8.1f}\n")
        sys.stdout.flush()
        for id_, faults in list(wrong.items())[:SHOWN]:
            sys.stderr.write(f"  {id_}: {'; '.join(faults)}\n")
    sys.stdout.write(f"{NOTE}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
