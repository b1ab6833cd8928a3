"""Make ``python -m wflow`` the same as the command ``wflow``."""

from __future__ import annotations

import sys

from wflow.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
