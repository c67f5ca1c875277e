"""Test a trained bundle on a second data set: what it loses there, and on whom it was not tried.

The threshold is the bundle's; nothing is fitted on the second set. Near-duplicates of what the
model was trained on are left out, since they would only be recognised.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.cards import card_digest
from covidx.cohort import Classes, find_duplicates
from covidx.errors import InvalidInputError
from covidx.evaluate import Estimate, Metrics, Rows, evaluate, performance_change
from covidx.files import write_json
from covidx.imaging import build_cache, load_thumbnails, thumbnails
from covidx.inference import ImagePredictor, outside_domain, predict_cache
from covidx.pipelines.cohort import ingest_source, link_labels
from covidx.pipelines.grouping import group_prepared
from covidx.pipelines.labels import REST, as_rest, label_rows, map_labels
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.source import Source
from covidx.pipelines.tracked import tracked
from covidx.report import reliability_figure, roc_figure, save_all, score_figure, write_report
from covidx.tables import MANIFEST, PREDICTIONS, read_table, table_digest, write_table
from covidx.wording import counted

PIPELINE = "external_test"


@dataclass(frozen=True, eq=False)
class External:
    """Where the test lies, what it found, and what got lost on the way."""

    folder: Path
    metrics: Metrics
    change: dict[str, Estimate]
    notes: list[str]


def evaluate_externally(
    run: Path,
    source: Source,
    mapping: dict[str, str] | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> External:
    """Score a second data set with a run's bundle, and compare with the run's own test rows.

    Parameters
    ----------
    run : Path
        A finished run: ``bundle/``, ``predictions.parquet``, ``thumbnails.npz``.
    source : Source
        The second data set.
    mapping : dict, optional
        Label of the second set -> class of the bundle, or ``rest`` for all but the positive one.
        Labels that are classes of the bundle need no entry; others are left out, and counted.
    work, runs, bars
        As for `train_image`.

    Raises
    ------
    InvalidInputError
        ``RUN_INCOMPLETE``, ``NOTHING_MAPPED`` or ``NOTHING_NEW``, and whatever is wrong with the
        input.
    """
    own = _own_test_rows(run)
    predictor = ImagePredictor.load(run / "bundle")
    bundle = predictor.bundle
    classes = Classes(tuple(bundle.classes), bundle.positive)
    if source.labels is not None:
        label_rows(source, classes)  # a mistake in them leaves no run behind
    with tracked(PIPELINE, runs) as (record, tracker):
        tested = {"run": run.resolve().name, "bundle_sha256": bundle.sha256, "map": mapping or {}}
        record.record.details["tested"] = tested
        with record.step("ingest"):
            cohort = link_labels(
                source, *ingest_source(source, work, bars, classes), "exclude", classes
            )
        manifest, notes = map_labels(cohort.manifest, classes, mapping or {})
        with record.step("prepare"), bars("prepare") as bar:
            how = bundle.recipe.preprocessing
            cache = build_cache(cohort.store, manifest, how, work / "cache", progress=bar)
        pictures = thumbnails(cache, cache.index)
        rows = group_prepared(manifest, pictures, cache.refused, cohort.store)
        rows, seen_before = _without_seen(rows, pictures, run)
        with record.step("evaluate"), bars("evaluate") as bar:
            rows = rows.assign(fold=0, role="test")
            theirs = predict_cache(predictor, cache, rows, record.run_id, bar)
            if REST in set(theirs["label"]):
                own, theirs = (as_rest(table, bundle.positive) for table in (own, theirs))
            write_table(
                rows.drop(columns=["fold", "role"]), record.path / "manifest.parquet", MANIFEST
            )
            write_table(theirs, record.path / "predictions.parquet", PREDICTIONS)
            point = bundle.threshold.operating_point
            metrics = evaluate(theirs, bundle.positive, point)
            lost = performance_change(
                Rows.of(own, bundle.positive), Rows.of(theirs, bundle.positive), point
            )
            write_json(record.path / "metrics.json", metrics)
            write_json(record.path / "performance_change.json", lost)
        card = source.card
        record.record.data = {
            "dataset": source.name,
            "card_sha256": None if card is None else card_digest(card),
            "manifest_sha256": table_digest(rows),
        }
        notes += [*cohort.notes, *_left_out(cache.refused), *seen_before]
        notes += _outside(predictor, rows)
        _report(record.path, bundle.positive, theirs, metrics, lost, notes)
        tracker.estimates(metrics.estimates)
        tracker.estimates({f"lost.{name}": estimate for name, estimate in lost.items()})
        tracker.artifacts(
            ("report.html", "metrics.json", "performance_change.json", "predictions.parquet")
        )
    return External(record.path, metrics, lost, notes)


def _own_test_rows(run: Path) -> pd.DataFrame:
    path = run / "predictions.parquet"
    if not path.is_file():
        raise InvalidInputError(
            "RUN_INCOMPLETE",
            "There is no finished training run at this path.",
            path=run,
            expected="a folder with bundle/ and predictions.parquet, such as runs/train_cxr/latest",
            hint="Name a finished run (see covidx runs list), or train it again.",
        )
    table = read_table(path, PREDICTIONS)
    return table[table["role"] == "test"].reset_index(drop=True)


def _without_seen(
    rows: pd.DataFrame, pictures: dict[str, NDArray[np.uint8]], run: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out near-duplicates of images that the run trained, stopped or set its threshold on."""
    trained = {f"seen {name}": picture for name, picture in load_thumbnails(run).items()}
    pairs = [{pair.image_a, pair.image_b} for pair in find_duplicates(pictures | trained)]
    again = {name for pair in pairs if pair & trained.keys() for name in pair - trained.keys()}
    kept = rows[~rows["image_id"].isin(again)].reset_index(drop=True)
    if kept.empty:
        raise InvalidInputError(
            "NOTHING_NEW",
            "Every image of this set is a near-duplicate of one that the model was trained on.",
            actual=counted(len(again), "image"),
            hint="Test on images that the run was not trained on.",
        )
    if not again:
        return kept, []
    return kept, [f"{counted(len(again), 'image')} left out: near-duplicates of training images"]


def _left_out(refused: dict[str, list[str]]) -> list[str]:
    codes = Counter(code for code, _ in refused.values())
    return [f"{counted(n, 'image')} not prepared: {code}" for code, n in sorted(codes.items())]


def _outside(predictor: ImagePredictor, rows: pd.DataFrame) -> list[str]:
    """Why scores may not be interpreted, with how many images each reason holds for."""
    reasons = Counter(
        reason
        for row in rows.to_dict("records")
        for reason in outside_domain(predictor.bundle, {str(k): v for k, v in row.items()})
    )
    return [
        f"score not interpretable for {n} of {counted(len(rows), 'image')}: {reason}"
        for reason, n in reasons.most_common(5)
    ]


def _report(
    folder: Path,
    positive: str,
    theirs: pd.DataFrame,
    metrics: Metrics,
    lost: dict[str, Estimate],
    notes: list[str],
) -> None:
    seen = Rows.of(theirs, positive)
    drawn = {
        "roc.png": ("ROC curve with the operating point", roc_figure(seen, metrics)),
        "reliability.png": ("Reliability plot", reliability_figure(seen, metrics)),
        "scores.png": ("Scores by true class", score_figure(seen, metrics)),
    }
    figures = save_all(drawn, folder / "figures")
    facts = [(f"Lost from the run's own test set: {k}", str(v)) for k, v in lost.items()]
    write_report(
        folder / "report.html",
        f"External test: {positive} against the rest",
        facts,
        metrics,
        [],
        figures=figures,
        warnings=notes,
    )
