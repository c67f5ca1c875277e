"""What the simulation of coverage found: the lowest and the widest, and a table by figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.coverage import CELLS, Cell, Tally, simulate
from benchmarks.results import RESULTS, Result, commit_now, record
from covidx.evaluate import wilson

COMMAND = "python -m benchmarks coverage"
DOCUMENT = Path(__file__).parents[1] / "docs" / "evaluation.md"
BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"


def coverage(results: Path = RESULTS, document: Path = DOCUMENT) -> None:
    """Simulate every cell, record what is lowest and widest, and write the table."""
    write({cell: simulate(cell) for cell in CELLS}, results, document)


def write(found: Mapping[Cell, Mapping[str, Tally]], results: Path, document: Path) -> None:
    """Record the lowest coverages and the widest ratio, and write the table.

    Parameters
    ----------
    found : mapping
        Cell -> figure -> tally.
    results : Path
        ``results.json``.
    document : Path
        A Markdown file with the two marks between which the table stands.
    """
    tallies = [(cell, name, one) for cell, some in found.items() for name, one in some.items()]
    lowest = {
        "interval_coverage_lowest": min(tallies, key=lambda x: x[2].covered),
        "interval_coverage_lowest_large": min(
            (x for x in tallies if x[0].large), key=lambda x: x[2].covered
        ),
    }
    measured = {key: _share(*which, len(tallies)) for key, which in lowest.items()}
    cell, name, widest = max(tallies, key=lambda x: x[2].width_ratio)
    ratios = sorted(one.width_ratio for _, _, one in tallies)
    measured["interval_width_ratio_highest"] = Result(
        value=round(widest.width_ratio, 3),
        low=round(ratios[0], 3),
        high=round(ratios[-1], 3),
        n=widest.given,
        against=f"at most 1.5; {name}, {cell.name}; mean width over the central 95 % of the "
        f"estimates; range of {len(ratios)} intervals",
        command=COMMAND,
        commit=commit_now(),
    )
    record(measured, results)
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{_table(found)}{END}{after}", encoding="utf-8")


def _share(cell: Cell, name: str, one: Tally, intervals: int) -> Result:
    low, high = wilson(one.held, one.given)
    return Result(
        value=round(one.covered, 4),
        low=round(low, 4),
        high=round(high, 4),
        n=one.given,
        against=f"{name}, {cell.name}; the lowest of {intervals} intervals, so that "
        "chance has lowered it",
        command=COMMAND,
        commit=commit_now(),
    )


def _table(found: Mapping[Cell, Mapping[str, Tally]]) -> str:
    """Coverage by figure and cell, the ratio of widths behind it."""
    names = dict.fromkeys(name for some in found.values() for name in some)
    lines = ["| figure | " + " | ".join(cell.name for cell in found) + " |"]
    lines.append("|---|" + "---|" * len(found))
    for name in names:
        cells = [
            f"{some[name].covered:.3f} ({some[name].width_ratio:.2f})" if name in some else "–"
            for some in found.values()
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
