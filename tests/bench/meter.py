"""What processes and their threads take: CPU time by the kernel's clocks, memory by its own count."""

from __future__ import annotations

import threading
import time
from pathlib import Path

MIB = 1024 * 1024


def spent(pids: list[int] | None = None) -> dict[str, float]:
    """Tell the CPU seconds of this process's threads by role, and of runtimes ``pids`` together."""
    found = {"loop": 0.0, "store": 0.0, "readers": 0.0}
    for thread in threading.enumerate():
        role = "store" if thread.name == "wflow-store" else "readers"
        if thread is threading.main_thread():
            role = "loop"
        elif not thread.name.startswith("wflow-"):
            continue
        if thread.ident is not None:
            found[role] += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    found["runtime"] = sum(map(process_seconds, runtimes() if pids is None else pids))
    return found


def process_seconds(pid: int) -> float:
    """Tell the CPU seconds of a process, any that is ours."""
    return time.clock_gettime((~pid << 3) | 2)  # the kernel's own encoding: see clock_getcpuclockid(3)


def children(pid: int | str = "self") -> list[int]:
    """Give the process ids of a process's children, whichever thread started them."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, task.read_text().split())
    return sorted(found)


def runtimes(pid: int | str = "self") -> list[int]:
    """Give the process ids of a runner's runtimes."""
    return [child for child in children(pid) if b"wflow.runtime" in _command(child)]


def memory_mb(*pids: int | str) -> float:
    """Tell what processes take together, each shared page counted in parts (PSS), in MB."""
    return sum(_pss_kb(pid) for pid in pids) * 1024 / 1e6


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _pss_kb(pid: int | str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"the kernel does not tell the memory of {pid}")
