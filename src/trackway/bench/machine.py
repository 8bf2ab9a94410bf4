"""The machine of a run: what it is, how fast its memory is, what a process holds of it."""

from __future__ import annotations

import os
import platform
import threading
import time
from pathlib import Path

import numpy as np

BLOCK = 256 * 2**20
"""Bytes each thread reads, many times the private caches of a core."""
ROUNDS = 5


def facts() -> dict[str, object]:
    """Processor, cores this process may use, memory, system, Python."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": cores(),
        "memory_gb": round(int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bandwidth(threads: int) -> float:
    """Bytes a second that so many threads read from memory together: the best of a few rounds.

    Each thread sums 64-bit integers of a block of its own, with numpy, which releases the interpreter lock
    and reads with vector instructions.
    """
    blocks = [np.ones(BLOCK // 8, np.int64) for _ in range(threads)]
    best = 0.0
    for _ in range(ROUNDS):
        readers = [threading.Thread(target=block.sum) for block in blocks]
        begun = time.perf_counter()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        best = max(best, threads * BLOCK / (time.perf_counter() - begun))
    return best


def resident() -> dict[str, int]:
    """Bytes of memory this process holds: in all, the pages of mapped files among it, and the most so far."""
    names = {"total": "VmRSS", "mapped_files": "RssFile", "peak": "VmHWM"}
    found = {key: _first("/proc/self/status", name) for key, name in names.items()}
    return {key: int((text or "0 kB").split()[0]) * 1024 for key, text in found.items()}


def _first(path: str, key: str) -> str | None:
    """The value of the first line `key : value` of a file of such lines; None when there is none."""
    file = Path(path)
    if not file.exists():
        return None
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
