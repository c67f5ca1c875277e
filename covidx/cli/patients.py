"""Answers of a bundle of P3 as text: a paragraph a patient, CSV and strict JSON for a program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from covidx.cli.progress import terminal_bar
from covidx.cli.wording import SIMULATED, closing, csv_text, json_text

if TYPE_CHECKING:
    from covidx.cards import DataCard
    from covidx.fusion import FusionBundle, PatientPrediction
    from covidx.ingest import Identities

__all__ = ["predict_fused"]

ARMS = {
    "p1+p2": "image and clinical row spoke",
    "p1": "the image alone spoke: no clinical value is known",
    "p2": "the clinical row alone spoke: there is no image",
}


def predict_fused(
    folder: Path,
    paths: list[Path],
    table: Path | None,
    format: Literal["table", "csv", "json"],  # noqa: A002
    identities: Identities,
    card: DataCard | None,
) -> tuple[str, bool]:
    """What is said of the patients, and whether all of them have a score."""
    from covidx.fusion import FusionPredictor, predict_patients

    predictor = FusionPredictor.load(folder)
    with terminal_bar("predict") as bar:
        found = predict_patients(
            predictor, paths, table, identities=identities, card=card, progress=bar
        )
    text = {"table": _as_table, "csv": _as_csv, "json": _as_json}[format](found, predictor.bundle)
    return text, not any(one.problem for one in found)


def _as_table(found: list[PatientPrediction], bundle: FusionBundle) -> str:
    lines = []
    for one in found:
        who = [*one.paths, *([f"clinical row {one.row}"] if one.row else [])]
        lines.append(f"{one.patient_id or 'unknown patient'}: {', '.join(who)}")
        lines += [f"  {line}" for line in _told(one, bundle)]
    counts = ", ".join(f"{n} {name}" for name, n in bundle.patients.items())
    trained = f"trained on {bundle.dataset}: {bundle.domain} patients, {counts}"
    if bundle.domain == "simulated":
        trained += SIMULATED
    point = bundle.threshold
    origin = f"{point.rule} on {point.origin}"
    return "\n".join([*lines, *closing(point.value, bundle.positive, origin, trained)])


def _told(one: PatientPrediction, bundle: FusionBundle) -> list[str]:
    lines, why = [], "; ".join(one.outside)
    if one.score is None:
        return [f"no score: {one.problem}", *([f"besides: {why}"] if why else [])]
    lines += [f"SCORE NOT INTERPRETABLE: {why}"] if why else []
    called = "would be called" if why else "called"
    lines.append(f"score for {bundle.positive} {one.score:.3f}: {called} {one.decision}")
    lines.append(ARMS[one.arms_used])
    said = [(name, value) for name, value in (("P1", one.p1), ("P2", one.p2)) if value is not None]
    lines.append("by itself: " + ", ".join(f"{name} {value:.3f}" for name, value in said))
    lines.append(
        f"in log odds: base {one.base:+.2f}, image {one.image:+.2f}, clinic {one.clinic:+.2f}"
    )
    lines += [f"unknown: {', '.join(one.unknown)}"] if one.unknown else []
    lines += [f"an image does not count: {one.problem}"] if one.problem else []
    return lines


def _as_csv(found: list[PatientPrediction], bundle: FusionBundle) -> str:
    rows = []
    for one in found:
        row = _with_bundle(one, bundle)
        row |= {key: "; ".join(row[key]) for key in ("paths", "unknown", "outside")}
        row["series"] = "; ".join(str(receipt.get("series")) for receipt in row.pop("receipts"))
        rows.append(row)
    return csv_text(rows)


def _as_json(found: list[PatientPrediction], bundle: FusionBundle) -> str:
    return json_text([_with_bundle(one, bundle) for one in found])


def _with_bundle(one: PatientPrediction, bundle: FusionBundle) -> dict[str, Any]:
    trained_on = f"{bundle.dataset}: {bundle.domain} patients"
    return {**one.to_json(), "trained_on": trained_on, "bundle_sha256": bundle.sha256}
