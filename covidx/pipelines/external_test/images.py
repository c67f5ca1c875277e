"""P1 on a second data set: ingested, prepared, scored, with heatmaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.cards import card_digest
from covidx.cohort import Classes
from covidx.domain import NO_CHEST, HasDomain, outside_domain, outside_view
from covidx.evaluate import Metrics
from covidx.imaging import BagCache, Preprocessing, build_cache, thumbnails
from covidx.inference import ImagePredictor, predict_cache
from covidx.pipelines.cohort import Cohort, check_source, ingest_source, link_labels
from covidx.pipelines.external_test.copies import without_trained
from covidx.pipelines.external_test.labels import check_labels, labels_named
from covidx.pipelines.external_test.scored import Request, ScoredRows, Tested
from covidx.pipelines.grouping import group_prepared
from covidx.pipelines.image.cases import make_cases
from covidx.pipelines.labels import map_labels
from covidx.report import CaseRow
from covidx.runs import RunFolder
from covidx.tables import table_digest
from covidx.wording import counted

MOST_CASES = 40
"""Images with heatmaps: of more, the gravest errors. Modelling choice."""


def ready_images(request: Request) -> Tested:
    """Check a second set of images and its labels.

    Parameters
    ----------
    request : Request
        Of a run of an image classifier.

    Raises
    ------
    CovidxError
        Whatever is wrong with bundle, source, labels or mapping.
    """
    predictor = ImagePredictor.load(request.run / "bundle")
    bundle = predictor.bundle
    classes = Classes(tuple(bundle.classes), bundle.positive)
    check_source(request.source, classes=classes)
    labels = labels_named(request.source, classes)
    notes = [] if labels is None else check_labels(labels, classes, request.mapping)

    def score(record: RunFolder) -> ScoredRows:
        return _score(request, predictor, classes, record)

    return Tested(classes, bundle.sha256, "p1", notes, score)


def _score(
    request: Request, predictor: ImagePredictor, classes: Classes, record: RunFolder
) -> ScoredRows:
    with record.step("ingest"):
        ingested = ingest_source(request.source, request.work, request.bars, classes)
        cohort = link_labels(request.source, *ingested, "exclude", classes)
    manifest, notes = map_labels(cohort.manifest, classes, request.mapping)
    how = predictor.bundle.recipe.preprocessing
    rows, cache, left = prepare_images(request, cohort, manifest, how, record)
    with record.step("evaluate"), request.bars("evaluate") as bar:
        rows = rows.assign(fold=0, role="test")
        scored = predict_cache(predictor, cache, rows, record.run_id, bar)
    card = request.source.card
    key = "image_id" if (scored["level"] == "image").any() else "patient_id"
    days = pd.to_datetime(rows.set_index(key)["acquired"], errors="coerce", format="ISO8601")

    def draw(metrics: Metrics, folder: Path) -> list[CaseRow]:
        shown, more = _gravest(scored, rows, key, metrics)
        with request.bars("explain") as bar:
            cases = make_cases(
                predictor, replace(cohort, classes=classes), cache, shown, metrics, folder, bar,
                run=record.run_id,
            )  # fmt: skip
        notes.extend(more)
        return cases

    return ScoredRows(
        scored,
        {
            "dataset": request.source.name,
            "card_sha256": None if card is None else card_digest(card),
            "manifest_sha256": table_digest(rows.drop(columns=["fold", "role"])),
        },
        [*notes, *cohort.notes, *left],
        outside_images(predictor.bundle, rows, thumbnails(cache, rows["image_id"])),
        days if days.notna().any() else None,
        draw_cases=draw,
        tables={"manifest.parquet": rows.drop(columns=["fold", "role"])},
    )


def prepare_images(
    request: Request,
    cohort: Cohort,
    manifest: pd.DataFrame,
    how: Preprocessing,
    record: RunFolder,
) -> tuple[pd.DataFrame, BagCache, list[str]]:
    """Prepare labelled images as in training, without those that the model was trained on.

    Parameters
    ----------
    request, cohort, manifest
        The second set, and its labelled images.
    how : Preprocessing
        The bundle's.
    record : RunFolder
        Takes the time of the step.

    Returns
    -------
    rows, cache, notes
        Manifest rows, the prepared images, and what was left out.
    """
    with record.step("prepare"), request.bars("prepare") as bar:
        cache = build_cache(cohort.store, manifest, how, request.work / "cache", progress=bar)
    pictures = thumbnails(cache, cache.index)
    rows = group_prepared(manifest, pictures, cache.refused, cohort.store)
    own = {name: pictures[name] for name in rows["image_id"]}
    with record.step("copies"):
        kept, again = without_trained(
            rows, cohort.store, own, request.run, request.work, request.bars
        )
    codes = Counter(code for code, _ in cache.refused.values())
    left = [f"{counted(n, 'image')} not prepared: {code}" for code, n in sorted(codes.items())]
    return kept, cache, [*left, *again]


def outside_images(
    bundle: HasDomain, rows: pd.DataFrame, pictures: Mapping[str, NDArray[np.uint8]]
) -> list[str]:
    """Why scores of images may not be interpreted, with how many images each reason holds for.

    Parameters
    ----------
    bundle : HasDomain
        Of the model.
    rows : DataFrame
        Manifest rows.
    pictures : mapping
        image_id -> thumbnail.
    """
    reasons: Counter[str] = Counter()
    for record in rows.to_dict("records"):
        row = {str(k): v for k, v in record.items()}
        reasons.update(outside_domain(bundle, row))
        if row["kind"] == "radiograph" and outside_view(
            bundle.trained_on, pictures[row["image_id"]]
        ):
            reasons[NO_CHEST] += 1
    return counted_reasons(reasons, len(rows), "image")


def counted_reasons(reasons: Mapping[str, int], n: int, noun: str) -> list[str]:
    """The five most frequent reasons, each with how many rows it holds for.

    Parameters
    ----------
    reasons : mapping
        Reason -> number of rows.
    n : int
        Of all rows.
    noun : str
        What a row is called.
    """
    return [
        f"score not interpretable for {k} of {counted(n, noun)}: {reason}"
        for reason, k in Counter(reasons).most_common(5)
    ]


def _gravest(
    scored: pd.DataFrame, rows: pd.DataFrame, key: str, metrics: Metrics
) -> tuple[pd.DataFrame, list[str]]:
    """The images to explain: all, or where they are many, the gravest errors of both kinds."""
    if len(rows) <= MOST_CASES:
        return rows, []
    score = scored.set_index("unit_id")[f"prob_{metrics.positive}"]
    ill = scored.set_index("unit_id")["label"] == metrics.positive
    half = MOST_CASES // 2
    units = [*score[~ill].nlargest(half).index, *score[ill].nsmallest(half).index]
    note = (
        f"heatmaps of {counted(len(units), 'image')} of {len(rows)}: those without "
        f"{metrics.positive} that score highest, and those with it that score lowest"
    )
    return rows[rows[key].isin(units)], [note]
