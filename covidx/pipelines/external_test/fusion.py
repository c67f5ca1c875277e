"""P3 on a second set of images and clinical rows of the same patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from covidx.cards import card_digest
from covidx.clinical import ClinicalRows
from covidx.cohort import Classes
from covidx.errors import InvalidTableError
from covidx.files import sha256_file
from covidx.fusion import FusionPredictor, make_arms, predictions_of, read_images
from covidx.imaging import thumbnails
from covidx.pipelines.cohort import Cohort, check_source, ingest_source, link_labels
from covidx.pipelines.external_test.clinical import outside_rows, rows_for, with_card
from covidx.pipelines.external_test.images import outside_images, prepare_images
from covidx.pipelines.external_test.labels import check_labels, labels_named
from covidx.pipelines.external_test.scored import Request, ScoredRows, Tested
from covidx.pipelines.fusion.cohort import join_patients, labelled
from covidx.pipelines.labels import REST, map_labels
from covidx.pipelines.source import Source
from covidx.runs import RunFolder
from covidx.tables import table_digest
from covidx.wording import counted


def ready_fusion(request: Request) -> Tested:
    """Check a second set of images, its clinical table and its labels.

    Parameters
    ----------
    request : Request
        Of a run of a fusion; its source has `data` with images and `table` with clinical rows.

    Raises
    ------
    CovidxError
        Whatever is wrong with bundle, source, labels or mapping; ``CLINICAL_MISSING``: no table was
        named and the card has none.
    """
    predictor = FusionPredictor.load(request.run / "bundle")
    bundle = predictor.bundle
    classes = Classes(tuple(bundle.classes), bundle.positive)
    source = _with_table(with_card(request))
    rows, notes = rows_for(predictor.rows, source, request, classes)
    early = [note for note in notes if "no such class" in note]
    if source.labels is not None:  # else images take the labels of their patients' rows
        check_source(source, classes=classes)
        labels = labels_named(source, classes)
        if labels is not None:
            early += check_labels(labels, classes, _to_rest(labels, request, classes))
    request = replace(request, source=source)

    def score(record: RunFolder) -> ScoredRows:
        return _score(request, predictor, classes, rows, notes, record)

    return Tested(classes, bundle.sha256, "p3", early, score)


def _with_table(source: Source) -> Source:
    if source.table is not None and source.card is not None:
        return source
    card = source.card
    if card is None or card.clinical is None or not (source.images / card.clinical.table).is_file():
        raise InvalidTableError(
            "CLINICAL_MISSING",
            "A fusion is tested on images and clinical rows of the same patients.",
            expected="a clinical table, and a card that describes it",
            actual="no card" if card is None else "no table",
            hint="Name the table with --clinical, and its card with --card.",
        )
    return replace(source, table=source.images / card.clinical.table)


def _to_rest(labels: pd.Series, request: Request, classes: Classes) -> dict[str, str]:
    """A fusion tells the positive class from all others: what is not mapped is the rest."""
    others = set(labels.dropna()) - {*classes.names, *request.mapping}
    named = {classes.positive, *request.mapping} & set(labels.dropna())
    return {**(dict.fromkeys(others, REST) if named else {}), **request.mapping}


def _score(
    request: Request,
    predictor: FusionPredictor,
    classes: Classes,
    rows: ClinicalRows,
    notes: list[str],
    record: RunFolder,
) -> ScoredRows:
    with record.step("ingest"):
        cohort = _images(request, rows, classes)
    mapping = _to_rest(cohort.manifest["label"], request, classes)
    manifest, mapped = map_labels(cohort.manifest, classes, mapping)
    how = predictor.image.bundle.recipe.preprocessing
    images, cache, left = prepare_images(request, cohort, manifest, how, record)
    # Prepared, and yet left out: the model was trained on these patients, whose rows it knows, too.
    prepared = manifest.loc[manifest["image_id"].isin(cache.index), "patient_id"]
    trained = rows.table["patient_id"].isin(set(prepared) - set(images["patient_id"])).to_numpy()
    n = int(trained.sum())
    rows = rows.only(~trained)
    left += [f"{counted(n, 'clinical row')} left out: of training patients"] if n else []
    patients, dropped = _patients(images, rows, classes)
    image = predictor.image
    place = image.bundle.classes.index(image.bundle.positive)
    with record.step("evaluate"), request.bars("evaluate") as bar:
        own = read_images(image.model, cache, images, place, bar)
        read = own
        if predictor.reader is not image.model:
            features = read_images(predictor.reader, cache, images, place).features
            read = own._replace(features=features)
        values = rows.table.set_index("patient_id")[rows.names]
        scale = read.calibrated(predictor.bundle.scale)
        arms = make_arms(patients, scale, values, predictor.clinical)
        scored = predictions_of(
            arms,
            predictor.score(arms),
            arm="p3",
            classes=classes.names,
            run_id=record.run_id,
            split_sha256=predictor.bundle.trained_on.split_sha256,
            bundle_sha256=predictor.bundle.sha256,
        )
    used = scored["arms_used"].value_counts()
    available = [f"{counted(int(n), 'patient')} scored by {name}" for name, n in used.items()]
    source = request.source
    assert source.card is not None and source.table is not None
    days = rows.table.set_index("patient_id")["date"]
    simulated = source.card.domain == "simulated"
    return ScoredRows(
        scored,
        {
            "dataset": source.card.identifier,
            "card_sha256": card_digest(source.card),
            "manifest_sha256": table_digest(images),
            "table_sha256": sha256_file(source.table),
        },
        [*notes, *mapped, *cohort.notes, *left, *dropped, *available],
        [
            *outside_images(image.bundle, images, thumbnails(cache, images["image_id"])),
            *outside_rows(predictor.rows, rows, simulated=simulated),
        ],
        days if days.notna().any() else None,
        tables={"manifest.parquet": images, "clinical.parquet": values.reset_index()},
    )


def _images(request: Request, rows: ClinicalRows, classes: Classes) -> Cohort:
    """The labelled images; without labels of their own, they take those of the clinical rows."""
    source = replace(request.source, table=None)  # its columns are read by the card
    store, ingested = ingest_source(source, request.work, request.bars, classes)
    if source.labels is None:
        ingested = labelled(ingested, rows)
    return link_labels(source, store, ingested, "exclude", classes)


def _patients(
    images: pd.DataFrame, rows: ClinicalRows, classes: Classes
) -> tuple[pd.DataFrame, list[str]]:
    """Every patient of either arm with label, group, fold and role; the clinical row decides."""
    binary = np.where(images["label"] == classes.positive, classes.positive, classes.reference)
    of_images = images[["patient_id", "group_id"]].assign(label=binary)
    several = of_images.groupby("patient_id")["label"].transform("nunique") > 1
    by_row = rows.table[["patient_id", "group_id", "label"]].copy()
    by_row["label"] = np.where(
        by_row["label"] == classes.positive, classes.positive, classes.reference
    )
    undecided = of_images[several & ~of_images["patient_id"].isin(by_row["patient_id"])]
    of_images = of_images[~of_images["patient_id"].isin(undecided["patient_id"])]
    patients = join_patients(of_images, by_row)
    n = undecided["patient_id"].nunique()
    notes = [f"{counted(n, 'patient')} left out: their images' labels differ"] if n else []
    return patients.assign(fold=0, role="test"), notes
