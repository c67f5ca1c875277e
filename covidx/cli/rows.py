"""Answers of a clinical bundle as text: a table for a person, CSV and strict JSON for a program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from covidx.cli.progress import terminal_bar
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import StoreError
from covidx.files import read_json

if TYPE_CHECKING:
    from covidx.clinical import ClinicalBundle, RowPrediction
    from covidx.ingest import Identities

__all__ = ["kind_of", "predict_tables"]


def kind_of(bundle: Path) -> str:
    """What a bundle is of, by its own word: ``clinical``, ``fusion``, else ``image``."""
    try:
        said = read_json(bundle / "bundle.json")
    except StoreError:
        return "image"
    return str(said.get("kind", "image")) if isinstance(said, dict) else "image"


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
        trained += (
            "\nSCORE NOT INTERPRETABLE of a real patient: those of the training are simulated"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"threshold  {bundle.threshold:.3f}: a score of this or more is called "
            f"{bundle.positive}; chosen by {bundle.threshold_rule} on {bundle.threshold_origin}",
            trained,
            "The score lies between 0 and 1 and is not a patient's probability of disease.",
            RESEARCH_NOTICE,
        ]
    )


def _told(one: RowPrediction, bundle: ClinicalBundle) -> str:
    who = f"row {one.row}, {one.patient_id}: " if one.row is not None else ""
    if one.problem is not None:
        return f"{who}no score: {one.problem}"
    gaps = f"; unknown: {', '.join(one.unknown)}" if one.unknown else ""
    return f"{who}score for {bundle.positive} {one.score:.3f}: called {one.decision}{gaps}"


def _as_csv(found: list[RowPrediction], bundle: ClinicalBundle) -> str:
    """One line a row, the notice in its last column."""
    import pandas as pd

    rows = []
    for one in found:
        row = _with_bundle(one, bundle)
        shares = row.pop("probabilities")
        row |= {f"prob_{name}": shares.get(name) for name in bundle.classes}
        row["unknown"] = "; ".join(one.unknown)
        row["notice"] = row.pop("notice")
        rows.append(row)
    return pd.DataFrame(rows).to_csv(index=False).rstrip("\n")


def _as_json(found: list[RowPrediction], bundle: ClinicalBundle) -> str:
    plain = [_with_bundle(one, bundle) for one in found]
    return json.dumps(plain, indent=2, allow_nan=False)


def _with_bundle(one: RowPrediction, bundle: ClinicalBundle) -> dict[str, Any]:
    trained_on = f"{bundle.dataset}: {bundle.domain} clinical rows"
    return {**one.to_json(), "trained_on": trained_on, "bundle_sha256": bundle.sha256}
