"""How a trained run looks in MLflow: its name, its tags, its page, and the figures that compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import Estimate, Metrics
from covidx.files import read_json
from covidx.kinds import kind_of_pipeline
from covidx.report.words import HEADLINE, metric_name, threshold_text
from covidx.runs import RunRecord
from covidx.tracking import ARTIFACT, Tracker

MOST = 12
"""Figures that are shown as metrics; all stand in the table ``estimates.json``."""
MOST_WARNINGS = 8
SHORT = 8
"""Characters of a digest that tell runs apart at a glance."""
NETWORK = ("architecture.backbone", "network.backbone", "network.name", "network.kind")
RECIPE = ("name", "kind", "backbone")
"""Where a bundle's recipe names what the model is; the first that is there."""


def show_run(
    tracker: Tracker,
    record: RunRecord,
    folder: Path,
    estimates: Mapping[str, Estimate],
    warnings: Sequence[str],
    metrics: Metrics | None,
) -> None:
    """Name and describe a trained run, and choose what of its figures compares across runs.

    Parameters
    ----------
    tracker : Tracker
        Takes all of it.
    record : RunRecord
        Of the run; its digests become tags.
    folder : Path
        Of the run, with its bundle.
    estimates : mapping
        Every figure, by name.
    warnings : sequence of str
        What a reader must know before any figure.
    metrics : Metrics, optional
        Of a classifier's test rows.
    """
    bundle = read_json(folder / "bundle" / "bundle.json")
    patients = _patients(folder)
    names = [*HEADLINE] if metrics is not None else list(estimates)[:MOST]
    tracker.estimates(estimates, headline=names)
    if metrics is not None and metrics.point is not None:
        tracker.figures({"threshold": metrics.point.threshold})
    tracker.tags(_tags(record, bundle))
    data = record.data.get("dataset") or "data"
    title = [data if patients is None else f"{data}-{patients}", _model(bundle["recipe"])]
    name = _headline(record.pipeline, estimates)
    if name is not None:
        title.append(f"{metric_name(name)} {_interval(estimates[name])}")
    lines = [f"**{RESEARCH_NOTICE}**", ""]
    lines += [f"- {line}" for line in warnings[:MOST_WARNINGS]]
    if len(warnings) > MOST_WARNINGS:
        lines.append(f"- {len(warnings) - MOST_WARNINGS} more stand in the report")
    lines += ["", *_facts(record, bundle, patients, metrics), ""]
    lines += ["| figure | value | 95 % interval | n |", "|---|---|---|---|"]
    lines += [_row(metric_name(n), estimates[n]) for n in names if n in estimates]
    lines += ["", f"All figures: `estimates.json`. [Report]({ARTIFACT}report.html)"]
    if (folder / "figures" / "roc.png").is_file():
        lines += ["", f"![ROC curve]({ARTIFACT}figures/roc.png)"]
    tracker.name(" · ".join(title), "\n".join(lines))


def _patients(folder: Path) -> int | None:
    """Of the whole data set, by the first table of the run that has them."""
    for name in ("splits.parquet", "manifest.parquet"):
        if (folder / name).is_file():
            return int(
                pd.read_parquet(folder / name, columns=["patient_id"])["patient_id"].nunique()
            )
    return None


def _tags(record: RunRecord, bundle: Mapping[str, Any]) -> dict[str, Any]:
    kind, data = kind_of_pipeline(record.pipeline), record.data
    digests = {
        "data": data.get("manifest_sha256") or data.get("table_sha256"),
        "split": data.get("split_sha256"),
        "code": record.code_sha256,
    }
    return {
        "kind": bundle["kind"],
        "arm": None if kind is None else kind.arm,
        "positive": bundle.get("positive"),
        "domain": bundle["trained_on"]["domain"],
    } | {name: digest and digest[:SHORT] for name, digest in digests.items()}


def _model(recipe: Mapping[str, Any]) -> str:
    """What the model is, in a word or two."""
    for path in (*NETWORK, *RECIPE):
        part: Any = recipe
        for key in path.split("."):
            part = part.get(key) if isinstance(part, Mapping) else None
        if isinstance(part, str):
            return part.removeprefix("tf_").replace("efficientnet_", "effnet-")
    return "model"


def _headline(pipeline: str, estimates: Mapping[str, Estimate]) -> str | None:
    kind = kind_of_pipeline(pipeline)
    return (
        None if kind is None else kind.headline_of({k: v.to_json() for k, v in estimates.items()})
    )


def _interval(estimate: Estimate) -> str:
    """Short enough for a name: ``0.97 [0.89, 0.99]``."""
    if math.isnan(estimate.value):
        return "undefined"
    if math.isnan(estimate.low):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _row(name: str, estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return f"| {name} | undefined | {estimate.reason} | {estimate.n} |"
    no_interval = math.isnan(estimate.low)
    interval = estimate.reason if no_interval else f"{estimate.low:.3f} to {estimate.high:.3f}"
    return f"| {name} | {estimate.value:.3f} | {interval} | {estimate.n} |"


def _facts(
    record: RunRecord, bundle: Mapping[str, Any], patients: int | None, metrics: Metrics | None
) -> list[str]:
    """A table of what was learnt from and by what."""
    trained = bundle["trained_on"]
    counts = ", ".join(f"{n} {name}" for name, n in trained["patients"].items())
    rows = {
        "Data set": f"{record.data.get('dataset')}, {trained['domain']}"
        + ("" if patients is None else f", {patients} patients"),
        "Learnt from": f"{counts} (patients)",
        "Model": f"{bundle['kind']}: {_model(bundle['recipe'])}",
    }
    if metrics is not None:
        rows["Tested"] = f"{metrics.positive} against the rest, {metrics.n} {metrics.level}s"
        rows["Threshold"] = threshold_text(metrics) or "none"
    return ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())]
