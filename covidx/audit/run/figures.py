"""Do threshold and metrics follow from the predictions, and from the rows that they may use?"""

from __future__ import annotations

import json
import math
from typing import Any

from covidx.audit.finding import Finding
from covidx.audit.run.folder import RunParts
from covidx.errors import CovidxError
from covidx.evaluate import OperatingPoint, OperatingRule, evaluate
from covidx.evaluate.operating_point import HONEST_ROLES

TOLERANCE = 1e-9
"""Of numbers that are worked out again from the same table by the same code."""
COPY = "Take an unchanged copy of the run, or evaluate again (covidx evaluate)."


def threshold_finding(run: RunParts) -> Finding:
    """Did the threshold of `run` come from rows that may choose it, and does it again?"""
    value, rule, origin = run.threshold
    role = origin.split(",")[0]
    chosen = role if role in HONEST_ROLES else "validation"
    rows: list[dict[str, Any]] = []

    def compare(what: str, recorded: object, found: object) -> None:
        if not _same(recorded, found):
            rows.append({"what": what, "recorded": recorded, "found": found})

    try:
        again = _rule(run).choose(run.main[run.main["role"] == chosen], run.positive)
    except CovidxError as error:
        rows.append({"what": "choice", "recorded": rule, "found": f"{error.code}: {error.message}"})
    else:
        compare("bundle.json: threshold", value, again.threshold)
        compare("bundle.json: rule", rule, again.rule)
        compare("bundle.json: origin", origin, again.origin)
        sensitivity = run.metrics.get("sensitivity", {})
        compare("metrics.json: threshold", sensitivity.get("threshold"), again.threshold)
        compare("metrics.json: origin", sensitivity.get("threshold_origin"), again.text)
        compare("confusion.json: threshold", run.confusion.get("threshold"), again.threshold)
    if role not in HONEST_ROLES:
        found = f"not {' or '.join(HONEST_ROLES)}"
        rows.append({"what": "bundle.json: origin", "recorded": origin, "found": found})
    return Finding(
        "threshold",
        f"Threshold from {chosen} rows",
        "fail" if rows else "pass",
        f"the rows that the threshold came from; the same choice made again on the {chosen} rows",
        f"The threshold is not what its rule gives on the {chosen} rows."
        if rows
        else f"{value:.6g}, by {rule} on {origin}; chosen again it is the same.",
        "Certain: the same rule on the same rows.",
        f"Figures at this threshold do not count. {COPY}" if rows else "",
        rows,
    )


def _rule(run: RunParts) -> OperatingRule:
    """As the configuration of the run has it; runs of earlier versions name Youden's index."""
    rule = run.record.config.get("operating_point", "youden")
    return OperatingRule.model_validate({"rule": rule} if isinstance(rule, str) else rule)


def metrics_finding(run: RunParts) -> Finding:
    """Do ``metrics.json`` and ``confusion.json`` of the `run` come out of its test rows again?"""
    name, title = "metrics_recompute", "Metrics from the predictions"
    looked = "every metric with its interval, and every count, worked out again from the test rows"
    test = run.main[run.main["role"] == "test"]
    try:
        again = evaluate(test, run.positive, OperatingPoint(*run.threshold))
    except CovidxError as error:
        found = f"They cannot be worked out again: {error.code}, {error.message}"
        return Finding(name, title, "fail", looked, found, "Certain.", COPY)
    pairs = {
        "metrics.json": (run.metrics, again.to_json()),
        "confusion.json": (run.confusion, again.confusion_json()),
    }
    rows = [
        {"place": f"{file}: {place}", "recorded": recorded, "found": actual}
        for file, (then, now) in pairs.items()
        for place, recorded, actual in _differences(then, json.loads(json.dumps(now)))
    ]
    found = f"{len(again.estimates)} metrics of {again.n} test {again.level}s"
    return Finding(
        name,
        title,
        "fail" if rows else "pass",
        looked,
        f"{len(rows)} numbers of {found} are others." if rows else f"{found} come out alike.",
        f"Certain, to {TOLERANCE:g}: same code, same seed.",
        f"Do not use the recorded figures. {COPY}" if rows else "",
        rows,
    )


def _differences(then: Any, now: Any, place: str = "") -> list[tuple[str, object, object]]:
    """(place, recorded, found) of every leaf that differs."""
    if isinstance(then, dict) and isinstance(now, dict):
        keys = dict.fromkeys([*then, *now])
        parts = [
            _differences(then.get(k, "missing"), now.get(k, "missing"), f"{place}.{k}".lstrip("."))
            for k in keys
        ]
        return [one for part in parts for one in part]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [one for k, (a, b) in pairs for one in _differences(a, b, f"{place}[{k}]")]
    return [] if _same(then, now) else [(place, then, now)]


def _same(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return one == other
