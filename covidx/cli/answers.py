"""Predictions as text: a table for a person, CSV and strict JSON for a program."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from covidx.cli.wording import closing, csv_text, json_text

if TYPE_CHECKING:
    from covidx.inference import Bundle, Prediction

__all__ = ["as_csv", "as_json", "as_table"]


def as_table(found: list[Prediction], bundle: Bundle) -> str:
    """A paragraph an image, then the threshold, what the model saw, and the notice.

    What may not be interpreted says so before its score.
    """
    counts, seen = Counter(one.path for one in found), Counter[str]()
    lines = []
    for one in found:
        seen[one.path] += 1
        several = f" (image {seen[one.path]} of {counts[one.path]}, id {one.image_id})"
        lines.append(one.path + (several if counts[one.path] > 1 else ""))
        lines += [f"  {line}" for line in _told(one, bundle)]
    point, trained = bundle.threshold, bundle.trained_on
    classes = ", ".join(f"{n} {name}" for name, n in trained.patients.items())
    told = (
        f"trained on {trained.dataset}: {trained.domain} {trained.modality}, a {trained.kind} "
        f"each, values in {trained.units}; patients: {classes}"
    )
    return "\n".join(
        [
            *lines,
            *closing(point.value, bundle.positive, f"{point.rule} on {point.origin}", told),
        ]
    )


def _told(one: Prediction, bundle: Bundle) -> list[str]:
    """What is said of one image."""
    from covidx.inference import NOT_INTERPRETABLE

    lines, why = [], "; ".join(one.outside)
    if one.problem is not None:
        lines.append(f"no score: {one.problem}")
        lines += [f"besides: {why}"] if why else []
    else:
        lines += [f"{NOT_INTERPRETABLE.upper()}: {why}"] if why else []
        called = "would be called" if why else "called"
        lines.append(f"score for {bundle.positive} {one.score:.3f}: {called} {one.decision}")
        shares = (f"{name} {value:.3f}" for name, value in one.probabilities.items())
        lines.append(f"every class: {', '.join(shares)}")
    if one.receipt:
        lines.append(f"series: {one.receipt['series']}")
        lines.append(f"values: {one.receipt['units_from']}")
        if one.receipt["resampled"]:
            lines.append(f"voxels: {one.receipt['resampled']}")
    return lines


def as_csv(found: list[Prediction], bundle: Bundle) -> str:
    """One row an image."""
    rows = []
    for one in found:
        row = _with_bundle(one, bundle)
        row.pop("probabilities")
        row |= {f"prob_{name}": one.probabilities.get(name) for name in bundle.classes}
        row["outside"] = "; ".join(one.outside)
        row["series"] = row.pop("receipt").get("series")
        rows.append(row)
    return csv_text(rows)


def as_json(found: list[Prediction], bundle: Bundle) -> str:
    """A list of objects, one an image."""
    return json_text([_with_bundle(one, bundle) for one in found])


def _with_bundle(one: Prediction, bundle: Bundle) -> dict[str, Any]:
    seen = bundle.trained_on
    trained_on = f"{seen.dataset}: {seen.domain} {seen.modality}"
    return {**one.to_json(), "trained_on": trained_on, "bundle_sha256": bundle.sha256}
