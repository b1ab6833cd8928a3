"""Started by the runner: `python -m wflow.runtime DESCRIPTOR`."""

import sys

from wflow.runtime.process import main

main(int(sys.argv[1]))
