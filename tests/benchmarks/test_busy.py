"""The slowdown beside a busy process is a ratio of the two times, and the process is ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import busy


def _busy_children() -> int:
    """Children of this process that run Python's endless loop."""
    count = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            count += parent == os.getpid() and b"while 1: pass" in (place / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
    return count


def test_the_ratio_of_each_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = []

    def seconds(_: tuple[str, ...]) -> float:
        beside.append(_busy_children())
        return [10.0, 15.0, 8.0, 16.0, 10.0, 18.0][len(beside) - 1]

    monkeypatch.setattr(busy, "_seconds", seconds)
    found = busy.busy_training_slowdown(pairs=3)
    assert (found.value, found.low, found.high, found.n) == (1.8, 1.5, 2.0, 3)
    assert beside == [0, 1, 0, 1, 0, 1] and _busy_children() == 0
