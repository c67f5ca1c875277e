"""The lungs' benchmark: what it records, and what it does without the real data."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import lungs
from benchmarks.results import read_results


def test_without_real_data_the_phantom_alone_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = lungs.phantom_lungs(2)
    monkeypatch.setattr(lungs, "phantom_lungs", lambda: few)
    lungs.lungs(tmp_path, tmp_path / "results.json")
    (name, one), *others = read_results(tmp_path / "results.json").items()
    assert name == "phantom_lung_dice_classical" and not others
    assert one.n == 2
    values = sorted(score.dice for score in few.values())
    assert one.value == pytest.approx(sum(values) / 2, abs=1e-4)
    assert f"minimum {values[0]:.3f}" in one.against
    assert "skipped" in capsys.readouterr().out


def test_the_seed_is_not_the_one_that_the_method_was_settled_on() -> None:
    assert lungs.SEED not in (5, 2021, 2024)
