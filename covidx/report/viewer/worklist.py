"""The list of cases of a run: worst error first, each a picture, a score and a link."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from covidx.report.page import Section
from covidx.report.viewer.assets import WORKLIST_SCRIPTS, write_assets, write_data
from covidx.report.viewer.case import Result

SCRIPT = "worklist.js"
"""Beside a page with a list."""
NEAR = 0.5
"""Distance from the threshold, in log-odds, within which a score is near it. Modelling choice: a
score of 0.50 becomes one of 0.38 or 0.62."""
LEAST = 1e-6
"""Scores are held this far from 0 and 1, where log-odds end."""


@dataclass(frozen=True)
class CaseRow:
    """A case as lists show it.

    Parameters
    ----------
    name, unit_id : str
        As in `ViewerCase`.
    folder : str
        Of its page, below ``cases/``.
    result : Result, optional
        None for models that do not classify.
    note : str
        What else the labels state; may be empty.
    scanner : str
        Manufacturer or source; may be empty.
    lesion_ml : float, optional
        Volume of the true lesion.
    thumbnail : bool
        Whether the folder has a small picture.
    outside : bool
        Whether the result may not be interpreted.
    verdicts : mapping of str to int
        How many heatmaps have which verdict.
    agreement : float, optional
        With the truth, 0 to 1, of models that do not classify; None where there is no truth.
    """

    name: str
    unit_id: str
    folder: str
    result: Result | None = None
    note: str = ""
    scanner: str = ""
    lesion_ml: float | None = None
    thumbnail: bool = False
    outside: bool = False
    verdicts: Mapping[str, int] = field(default_factory=dict)
    agreement: float | None = None

    @property
    def distance(self) -> float:
        """Of the score from the threshold in log-odds; above 0 it is predicted positive."""
        if self.result is None:
            return 0.0
        return _log_odds(self.result.score) - _log_odds(self.result.threshold)

    @property
    def near(self) -> bool:
        """Whether the score is near the threshold."""
        return self.result is not None and abs(self.distance) <= NEAR

    @property
    def error(self) -> str | None:
        """As `Result.error`; None without a result."""
        return None if self.result is None else self.result.error

    @property
    def maps(self) -> str:
        """Verdicts of its heatmaps in a few words."""
        return ", ".join(f"{n} {verdict}" for verdict, n in sorted(self.verdicts.items()))

    @property
    def address(self) -> str:
        """Of its page, beside the report."""
        return f"cases/{quote(self.folder)}/index.html"


def _log_odds(score: float) -> float:
    held = min(max(score, LEAST), 1 - LEAST)
    return math.log(held / (1 - held))


def worst_first(rows: Sequence[CaseRow]) -> list[CaseRow]:
    """Errors, the farthest from the threshold first; then all other `rows`, the nearest first.

    Of models that do not classify, those first that agree least with the truth.
    """

    def order(row: CaseRow) -> tuple[bool, float, str]:
        if row.result is None:
            return row.agreement is None, row.agreement or 0.0, row.name
        far = abs(row.distance)
        return row.error is None, -far if row.error else far, row.name

    return sorted(rows, key=order)


def worklist(
    rows: Sequence[CaseRow], heading: str, run: str, *, agreement: str = "Agreement"
) -> Section:
    """The list of cases with filters, and a plot whose dots open them.

    Parameters
    ----------
    rows : sequence of CaseRow
        In any order.
    heading : str
        Above the list.
    run : str
        As in `write_case_page`.
    agreement : str
        What `CaseRow.agreement` is.
    """
    ordered = worst_first(rows)
    labels = sorted({row.result.label for row in rows if row.result and row.result.label})
    values = {
        "rows": ordered,
        "heading": heading,
        "labels": labels,
        "scanners": sorted({row.scanner for row in rows if row.scanner}),
        "lanes": [(label, [r for r in ordered if r.result and r.result.label == label])
                  for label in labels],
        "threshold": next((row.result.threshold for row in rows if row.result), None),
        "positive": next((row.result.positive for row in rows if row.result), ""),
        "near": NEAR,
        "missed": sum(row.error == "missed" for row in rows),
        "alarms": sum(row.error == "false alarm" for row in rows),
        "close": sum(row.near for row in rows),
        "lesions": any(row.lesion_ml is not None for row in rows),
        "agreement": agreement if any(row.agreement is not None for row in rows) else "",
        "run": run,
    }  # fmt: skip
    return Section(template="worklist.html", values=values)


def write_list(rows: Sequence[CaseRow], folder: Path) -> None:
    """Write what a report's list needs beside it: its script, and the order of cases for theirs.

    Parameters
    ----------
    rows : sequence of CaseRow
        In any order.
    folder : Path
        Of the report; the cases lie in ``cases/``.
    """
    write_assets(folder, WORKLIST_SCRIPTS, SCRIPT, styles=False)
    if (folder / "cases").is_dir():
        known: list[dict[str, Any]] = [
            {"folder": row.folder, "error": row.error, "unit": row.unit_id}
            for row in worst_first(rows)
        ]
        write_data(folder / "cases" / "cases.js", known)


def verdict_counts(rows: Sequence[CaseRow]) -> Counter[str]:
    """How many heatmaps of all `rows` have which verdict."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row.verdicts)
    return counts
