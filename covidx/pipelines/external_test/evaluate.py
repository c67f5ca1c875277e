"""Test a trained bundle on a second data set: what it loses there, and on whom it was not tried.

The threshold is the bundle's; nothing is fitted on the second set. Near-duplicates of what the
model was trained on are left out, since they would only be recognised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from covidx.bundles import Threshold, kind_in, read_fields
from covidx.clinical.drift import Period
from covidx.errors import InvalidInputError
from covidx.evaluate import Estimate, Metrics, Rows, evaluate, performance_change
from covidx.files import write_json
from covidx.kinds import kind_named
from covidx.limits import LIMITS, LimitsFile, read_limits
from covidx.pipelines.external_test.clinical import ready_clinical
from covidx.pipelines.external_test.fusion import ready_fusion
from covidx.pipelines.external_test.images import ready_images
from covidx.pipelines.external_test.page import ExternalPage, write_external
from covidx.pipelines.external_test.periods import by_period, undated
from covidx.pipelines.external_test.scored import Request, ScoredRows, Tested
from covidx.pipelines.external_test.words import cautions
from covidx.pipelines.labels import REST, as_rest
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.source import Source
from covidx.pipelines.tracked import tracked
from covidx.runs import RunFolder
from covidx.tables import CLINICAL, MANIFEST, PREDICTIONS, read_table, write_table

PIPELINE = "external_test"
READY: dict[str, Callable[[Request], Tested]] = {
    "image": ready_images,
    "clinical": ready_clinical,
    "fusion": ready_fusion,
}
"""Kind of model -> what checks a second data set for it."""


@dataclass(frozen=True, eq=False)
class External:
    """A finished external test.

    Parameters
    ----------
    folder : Path
        ``runs/external_test/<id>``.
    metrics : Metrics
        On the second data set.
    change : dict
        What each figure loses from the run's own test rows.
    notes : list of str
        What was left out, mapped, or is not interpretable.
    cautions : list of str
        What must be read before any figure: no skill shown, few patients.
    limits : list of str
        What card and audits knew against the model.
    """

    folder: Path
    metrics: Metrics
    change: dict[str, Estimate]
    notes: list[str]
    cautions: list[str]
    limits: list[str]


def evaluate_externally(
    run: Path,
    source: Source,
    mapping: dict[str, str] | None = None,
    *,
    period: Period = "week",
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
    report: Callable[[str], None] = lambda line: None,
) -> External:
    """Score a second data set with a run's bundle, and compare with the run's own test rows.

    Parameters
    ----------
    run : Path
        A finished run of an image classifier, a clinical model or a fusion.
    source : Source
        The second data set: images, a clinical table, or both.
    mapping : dict, optional
        Label of the second set -> class of the bundle, or ``rest`` for all but the positive one.
        Labels that are classes of the bundle need no entry; others are left out, and counted.
    period : {"week", "month"}
        Over which drift is shown, where days are known.
    work, runs, bars
        As for `train_image`.
    report : callable
        Takes a line for each label that is no class of the model, before anything is ingested.

    Raises
    ------
    InvalidInputError
        ``RUN_INCOMPLETE``, ``EXTERNAL_KIND``, ``NOTHING_MAPPED`` or ``NOTHING_NEW``, and whatever
        is wrong with the input.
    """
    ready = READY[_need_kind(run)]
    tested = ready(Request(run, source, mapping or {}, period, work, bars))
    own = _own_test_rows(run, tested.arm)
    for line in tested.notes:
        report(line)
    with tracked(PIPELINE, runs) as (record, tracker):
        of = {"run": run.resolve().name, "bundle_sha256": tested.bundle_sha256}
        record.record.details["tested"] = {**of, "map": mapping or {}}
        scored = tested.score(record)
        record.record.data = scored.digests
        found = _judge(run, own, scored, tested, record, period)
        tracker.estimates(found.metrics.estimates)
        tracker.estimates({f"lost.{name}": estimate for name, estimate in found.change.items()})
        tables = ("metrics.json", "performance_change.json", "predictions.parquet")
        tracker.artifacts(("report.html", *tables, LIMITS))
    return found


def _judge(
    run: Path,
    own: pd.DataFrame,
    scored: ScoredRows,
    tested: Tested,
    record: RunFolder,
    period: Period,
) -> External:
    """Figures of both sets at the bundle's threshold, tables and page."""
    folder, positive, theirs = record.path, tested.classes.positive, scored.predictions
    point = Threshold.model_validate(read_fields(run / "bundle")["threshold"]).operating_point
    if REST in set(theirs["label"]):
        own, theirs = (as_rest(table, positive) for table in (own, theirs))
    metrics, before = (evaluate(table, positive, point) for table in (theirs, own))
    rows = Rows.of(theirs, positive)
    lost = performance_change(Rows.of(own, positive), rows, point)
    limits = read_limits(run / "bundle")
    _write_tables(folder, scored, theirs, metrics, lost)
    if limits is not None:
        file = LimitsFile(bundle_sha256=tested.bundle_sha256, limits=limits)
        write_json(folder / LIMITS, file.model_dump(mode="json"))
    cases = []
    if scored.draw_cases is not None:
        with record.step("explain"):
            cases = scored.draw_cases(metrics, folder / "cases")
    notes = [*scored.notes, *scored.outside]
    warned = cautions(metrics, rows, before)
    expected = [limit.line for limit in limits or []] + scored.outside
    periods = by_period(rows, scored.dates, period) if scored.dates is not None else []
    if scored.weeks or periods:
        notes += undated(rows, scored.dates)
        drift = [one.to_json() for one in scored.weeks or periods]
        write_json(folder / "drift.json", drift)
    facts = [
        ("Run", f"{run.resolve().parent.name} {run.resolve().name}"),
        ("Bundle", tested.bundle_sha256),
        ("Second data set", str(scored.digests["dataset"])),
        ("Threshold", f"{point.threshold:.3f}, {point.text}: the bundle's"),
    ]
    page = ExternalPage(
        positive, metrics, before, lost, warned, expected, notes, cases, periods, scored.weeks,
        period, facts,
    )  # fmt: skip
    write_external(folder, page, rows)
    return External(folder, metrics, lost, notes, warned, [one.line for one in limits or []])


def _write_tables(
    folder: Path,
    scored: ScoredRows,
    theirs: pd.DataFrame,
    metrics: Metrics,
    lost: dict[str, Estimate],
) -> None:
    for name, table in scored.tables.items():
        schema = MANIFEST if name == "manifest.parquet" else CLINICAL
        write_table(table.reset_index(drop=True), folder / name, schema)
    write_table(theirs, folder / "predictions.parquet", PREDICTIONS)
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "performance_change.json", lost)


def _need_kind(run: Path) -> str:
    """The kind of a run's model, which must be one that is tested on a second data set."""
    if not (run / "bundle" / "bundle.json").is_file():
        raise _incomplete(run)
    kind = kind_in(read_fields(run / "bundle"))
    if kind not in READY:
        known = kind_named(kind)
        verb = known.verbs[0] if known is not None else "predict"
        raise InvalidInputError(
            "EXTERNAL_KIND",
            "A model of this kind is not tested by covidx external-test.",
            path=run,
            expected=f"a run of a model of kind {', '.join(READY)}",
            actual=kind,
            hint=f"Apply it to the second data set with covidx {verb}, and compare with the truth.",
        )
    return kind


def _own_test_rows(run: Path, arm: str) -> pd.DataFrame:
    path = run / "predictions.parquet"
    if not path.is_file():
        raise _incomplete(run)
    table = read_table(path, PREDICTIONS)
    return table[(table["role"] == "test") & (table["arm"] == arm)].reset_index(drop=True)


def _incomplete(run: Path) -> InvalidInputError:
    return InvalidInputError(
        "RUN_INCOMPLETE",
        "There is no finished training run at this path.",
        path=run,
        expected="a folder with bundle/ and predictions.parquet, such as runs/train_cxr/latest",
        hint="Name a finished run (see covidx runs list), or train it again.",
    )
