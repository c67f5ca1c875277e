"""Two kills of a small run: the counting works, and the second run makes good."""

from __future__ import annotations

from benchmarks.kill import kill_points_survived


def test_two_kills() -> None:
    [(name, found)] = kill_points_survived(points=2, patients=1).items()
    assert name == "kill_points_survived"
    assert (found.value, found.n) == (2, 2)
