"""Answers of a bundle of radiograph scores: a table for a person, CSV and JSON for a program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from covidx.cli.progress import terminal_bar
from covidx.cli.wording import SIMULATED, csv_text, json_text
from covidx.constants import RESEARCH_NOTICE

if TYPE_CHECKING:
    from covidx.cards import DataCard
    from covidx.ingest import Identities
    from covidx.radiograph_severity import Graded, SeverityBundle

__all__ = ["predict_films"]


def predict_films(
    folder: Path,
    paths: list[Path],
    format: Literal["table", "csv", "json"],  # noqa: A002
    identities: Identities,
    card: DataCard | None,
) -> tuple[str, bool]:
    """What is said of some radiographs, and whether all of them have scores."""
    from covidx.radiograph_severity import Grader, grade_path

    grader = Grader.load(folder)
    found: list[Graded] = []
    with terminal_bar("predict") as bar:
        for done, path in enumerate(paths, 1):
            found += grade_path(grader, path, identities=identities, card=card)
            bar(done, len(paths))
    text = {"table": _as_table, "csv": _as_csv, "json": _as_json}[format](found, grader.bundle)
    return text, not any(one.problem for one in found)


def _as_table(found: list[Graded], bundle: SeverityBundle) -> str:
    from covidx.inference import NOT_INTERPRETABLE

    lines = []
    highest = {one.name: one.high for one in bundle.scores}
    for one in found:
        lines.append(one.path)
        if one.problem is not None:
            lines.append(f"  no score: {one.problem}")
        if one.outside:
            lines.append(f"  {NOT_INTERPRETABLE.upper()}: {'; '.join(one.outside)}")
        for name, (value, low, high) in one.scores.items():
            within = f"({low:.1f} to {high:.1f})"
            lines.append(f"  {name:<10} {value:.1f} of {highest[name]:g} {within}")
    errors = ", ".join(f"{one.name} {one.mae:.2f}" for one in bundle.scores)
    trained = (
        f"trained on {bundle.dataset}: {bundle.domain} radiographs, {bundle.films} of "
        f"{bundle.patients} patients; mean absolute error on patients left out: {errors}"
    )
    if bundle.domain == "simulated":
        trained += SIMULATED
    wanted = f"In brackets: holds the readers' score of {bundle.coverage:.0%} of films like those."
    return "\n".join([*lines, "", trained, wanted, RESEARCH_NOTICE])


def _as_csv(found: list[Graded], bundle: SeverityBundle) -> str:
    rows = []
    for one in found:
        row = _with_bundle(one, bundle)
        for name in (score.name for score in bundle.scores):
            said = row["scores"].get(name, {})
            row |= {name: said.get("value")}
            row |= {f"{name}_{end}": said.get(end) for end in ("low", "high")}
        row |= {"outside": "; ".join(one.outside), "box": None if one.box is None else str(one.box)}
        row.pop("scores")
        rows.append(row)
    return csv_text(rows)


def _as_json(found: list[Graded], bundle: SeverityBundle) -> str:
    return json_text([_with_bundle(one, bundle) for one in found])


def _with_bundle(one: Graded, bundle: SeverityBundle) -> dict[str, Any]:
    trained_on = f"{bundle.dataset}: {bundle.domain} radiographs"
    return {**one.to_json(), "trained_on": trained_on, "bundle_sha256": bundle.sha256}
