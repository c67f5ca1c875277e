"""Answers of a clinical bundle as text: a table for a person, CSV and strict JSON for a program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from covidx.cli.progress import terminal_bar
from covidx.cli.wording import SIMULATED, closing, csv_text, json_text

if TYPE_CHECKING:
    from covidx.clinical import ClinicalBundle, RowPrediction
    from covidx.ingest import Identities

__all__ = ["predict_tables"]


def predict_tables(
    folder: Path,
    paths: list[Path],
    format: Literal["table", "csv", "json"],  # noqa: A002
    identities: Identities,
) -> tuple[str, bool]:
    """What is said of the rows of some tables, and whether all of them have a score."""
    from covidx.clinical import load_bundle, predict_table

    bundle, fitted = load_bundle(folder)
    found: list[RowPrediction] = []
    with terminal_bar("predict") as bar:
        for done, path in enumerate(paths, 1):
            found += predict_table(bundle, fitted, path, identities)
            bar(done, len(paths))
    text = {"table": _as_table, "csv": _as_csv, "json": _as_json}[format](found, bundle)
    return text, not any(one.problem for one in found)


def _as_table(found: list[RowPrediction], bundle: ClinicalBundle) -> str:
    """A line a row, then the threshold, what the model saw, and the notice."""
    lines, before = [], None
    for one in found:
        if one.path != before:
            lines.append(one.path)
            before = one.path
        lines.append(f"  {_told(one, bundle)}")
    counts = ", ".join(f"{n} {name}" for name, n in bundle.patients.items())
    trained = f"trained on {bundle.dataset}: {bundle.domain} clinical rows; patients: {counts}"
    if bundle.domain == "simulated":
        trained += SIMULATED
    origin = f"{bundle.threshold_rule} on {bundle.threshold_origin}"
    return "\n".join([*lines, *closing(bundle.threshold, bundle.positive, origin, trained)])


def _told(one: RowPrediction, bundle: ClinicalBundle) -> str:
    who = f"row {one.row}, {one.patient_id}: " if one.row is not None else ""
    if one.problem is not None:
        return f"{who}no score: {one.problem}"
    gaps = f"; unknown: {', '.join(one.unknown)}" if one.unknown else ""
    return f"{who}score for {bundle.positive} {one.score:.3f}: called {one.decision}{gaps}"


def _as_csv(found: list[RowPrediction], bundle: ClinicalBundle) -> str:
    rows = []
    for one in found:
        row = _with_bundle(one, bundle)
        shares = row.pop("probabilities")
        row |= {f"prob_{name}": shares.get(name) for name in bundle.classes}
        row["unknown"] = "; ".join(one.unknown)
        rows.append(row)
    return csv_text(rows)


def _as_json(found: list[RowPrediction], bundle: ClinicalBundle) -> str:
    return json_text([_with_bundle(one, bundle) for one in found])


def _with_bundle(one: RowPrediction, bundle: ClinicalBundle) -> dict[str, Any]:
    trained_on = f"{bundle.dataset}: {bundle.domain} clinical rows"
    return {**one.to_json(), "trained_on": trained_on, "bundle_sha256": bundle.sha256}
