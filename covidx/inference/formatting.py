"""Predictions as text: a table for a person, CSV and strict JSON for a program."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal

from covidx.constants import RESEARCH_NOTICE
from covidx.limits import limit_lines
from covidx.wording import counted

if TYPE_CHECKING:
    from covidx.bundles import BundleFile
    from covidx.inference.prediction import InputSource, Prediction, Predictions

Format = Literal["table", "csv", "json"]
NOT_INTERPRETABLE = "RESULT NOT INTERPRETABLE"


def format_predictions(found: Predictions, form: Format, *, terminal: bool = False) -> str:
    """Predictions of any kind of model as text.

    Parameters
    ----------
    found : Predictions
        Of one model; a table names its threshold and what it was trained on.
    form : {"table", "csv", "json"}
        JSON is strict: what is not a number is null.
    terminal : bool
        Whether a table may show full paths; what is written to a file may not.

    Returns
    -------
    str
        Without a last line feed.
    """
    if form == "csv":
        return str(found.to_frame().to_csv(index=False)).rstrip("\n")
    if form == "json":
        return json.dumps(_strict(found.to_json()), indent=2, allow_nan=False)
    lines = []
    for one in found:
        lines.append(_title(one.source, terminal))
        lines += [f"  {line}" for line in _result(one, found.bundle)]
    return "\n".join([*lines, "", *_model(found.bundle), RESEARCH_NOTICE])


def _title(source: InputSource, terminal: bool) -> str:
    """Which image, row or patient: nothing that another one could be meant by."""
    where = source.path if terminal else f"input {source.number}: {source.place}"
    parts = [] if not where or where == "input 0: " else [where]
    if source.files > 1:
        parts[-1] += f" ({counted(source.files, 'file')})"
    if source.row is not None:
        parts.append(f"row {source.row}")
    if source.patient_id is not None:
        parts.append(f"patient {source.patient_id}")
    return ", ".join(parts)


def _identity(source: InputSource) -> list[str]:
    """Study, series and image, as far as they are known."""
    named = [("study", source.study_uid), ("series", source.series_uid)]
    lines = [f"{name} {uid}" for name, uid in named if uid]
    if source.series_number is not None or source.series_description:
        number = "without number" if source.series_number is None else source.series_number
        described = f": {source.series_description}" if source.series_description else ""
        lines.append(f"series number {number}{described}")
    return lines + ([f"image {source.image_id}"] if source.image_id else [])


def _result(one: Prediction, bundle: BundleFile | None) -> list[str]:
    lines, why = _identity(one.source), "; ".join(one.outside)
    if not one.complete:
        lines.append(f"no result: {one.problem}")
        return lines + ([f"besides: {why}"] if why else []) + _origins(one)
    lines += [f"{NOT_INTERPRETABLE}: {why}"] if why else []
    if one.score is not None and bundle is not None:
        would = "would be predicted" if why else "predicted"
        lines.append(f"score for {bundle.positive} {one.score:.3f}: {would} {one.decision}")
        shares = (f"{name} {value:.3f}" for name, value in one.probabilities.items())
        lines.append(f"every class: {', '.join(shares)}")
    lines += one.payload.lines()
    lines += [f"an image does not count: {one.problem}"] if one.problem else []
    return lines + _origins(one)


def _origins(one: Prediction) -> list[str]:
    """How each image came about: the series, its units, and what was done to its voxels."""
    lines = []
    for receipt in one.receipts:
        lines.append(f"chosen: {receipt['series']}")
        lines.append(f"values: {receipt['units_from']}")
        lines += [f"voxels: {receipt['resampled']}"] if receipt["resampled"] else []
    return lines


def _model(bundle: BundleFile | None) -> list[str]:
    """Threshold, what the model was trained on, and what its score is not."""
    if bundle is None:
        return []
    lines, point, trained = [], bundle.threshold, bundle.trained_on
    if point is not None:
        what = f"is predicted {bundle.positive}" if bundle.positive else "counts"
        lines.append(
            f"threshold  {point.value:.3f}: a score of this or more {what}; "
            f"chosen by {point.provenance}"
        )
    counts = ", ".join(f"{n} {name}" for name, n in trained.patients.items())
    seen = f", a {trained.kind} each, values in {trained.units}" if trained.kind else ""
    lines.append(f"trained on {trained.summary}{seen}; patients: {counts}")
    lines += bundle.closing_lines()
    lines += limit_lines(bundle.limits)
    if bundle.positive:
        lines.append(
            "The score lies between 0 and 1 and is not a patient's probability of disease."
        )
    return lines


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
