"""The simulation of coverage: counting by hand, one small cell, and what it writes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.coverage import CELLS, Cell, Tally, simulate
from benchmarks.coverage_report import BEGIN, END, write
from benchmarks.results import read_results
from covidx.evaluate import Estimate, undefined


def _tally(held: int, of: int, width: float = 0.2) -> Tally:
    tally = Tally(0.5)
    for k in range(of):
        low = 0.45 if k < held else 0.51
        tally.add(Estimate(0.55 + k / of / 20, low, low + width, 9, "m"))
    return tally


def test_intervals_that_hold_the_truth_are_counted() -> None:
    tally = _tally(3, 4)
    tally.add(undefined(9, "m", "why"))
    tally.add(Estimate(0.6, math.nan, math.nan, 9, "m", reason="no spread"))
    assert (tally.held, tally.given, tally.covered) == (3, 4, 0.75)
    assert len(tally.values) == 5
    # values 0.55, 0.5625, ... 0.6: a tenth of a step lies beyond each end
    assert tally.width_ratio == pytest.approx(0.2 / (0.05 - 0.0025))


@pytest.mark.parametrize("cell", [CELLS[0], CELLS[3]])
def test_a_small_simulation_covers_nearly_always(cell: Cell) -> None:
    found = simulate(cell, tables=12, more=12, population=20_000)
    assert {"auroc", "difference of sensitivity", "drop of brier", "severity kappa"} <= set(found)
    assert found["auroc"].truth == pytest.approx(0.856, abs=0.02)  # Phi(1.5 / root 2)
    shares = [one.covered for one in found.values()]
    assert sum(shares) / len(shares) > 0.85


def test_the_lowest_and_the_widest_are_recorded_and_the_table_written(tmp_path: Path) -> None:
    document, results = tmp_path / "d.md", tmp_path / "results.json"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    small, large = CELLS[0], CELLS[1]
    found = {
        small: {"auroc": _tally(18, 20)},
        large: {"auroc": _tally(19, 20), "f1": _tally(20, 20, 0.3)},
    }
    write(found, results, document)
    text = document.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| auroc | 0.900 (" in text and "| f1 | – | 1.000 (" in text
    record = read_results(results)
    assert record["interval_coverage_lowest"].value == 0.9
    assert record["interval_coverage_lowest_large"].value == 0.95
    assert record["interval_width_ratio_highest"].against.startswith("at most 1.5; f1, n = 100")
