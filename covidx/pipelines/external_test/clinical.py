"""P2 on a second clinical table: read by its card, scored, with drift by week or month."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from covidx.cards import DataCard, card_digest, load_card
from covidx.clinical import ClinicalRows, predictions_of, reference_of, rows_of_run
from covidx.clinical.bundle import ClinicalBundle
from covidx.clinical.drift import Week, weekly
from covidx.clinical.rows import read_rows
from covidx.cohort import Classes
from covidx.domain import outside_ranges
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.files import sha256_file
from covidx.inference.clinical import ClinicalPredictor
from covidx.pipelines.clinical.config import find_table
from covidx.pipelines.external_test.copies import trained_patients
from covidx.pipelines.external_test.images import counted_reasons
from covidx.pipelines.external_test.scored import Request, ScoredRows, Tested
from covidx.pipelines.labels import REST, map_labels
from covidx.pipelines.source import Source
from covidx.pipelines.source_record import card_of
from covidx.runs import RunFolder, read_record
from covidx.tables import CLINICAL, PREDICTIONS, SPLITS, read_table
from covidx.wording import counted


def ready_clinical(request: Request) -> Tested:
    """Check a second clinical table and its labels.

    Parameters
    ----------
    request : Request
        Of a run of a clinical model. Without a card, the table is read by the card that the model
        was trained by, where this machine still knows it.

    Raises
    ------
    CovidxError
        Whatever is wrong with bundle, table, labels or mapping.
    """
    predictor = ClinicalPredictor.load(request.run / "bundle")
    bundle = predictor.bundle
    classes = Classes(tuple(bundle.classes), bundle.positive)
    source = find_table(with_card(request))
    rows, notes = rows_for(bundle, source, request, classes)

    def score(record: RunFolder) -> ScoredRows:
        return _score(request, predictor, rows, source, notes, record)

    return Tested(classes, bundle.sha256, "p2", [n for n in notes if "no such class" in n], score)


def with_card(request: Request) -> Source:
    """The source of a `request`, with the card of the training where it has none of its own."""
    source = request.source
    if source.card is not None:
        return source
    record = read_record(request.run)
    if record.source is not None and record.source.kind == "phantom":
        return replace(source, card=load_card(Path("phantom")))
    return replace(source, card=card_of(record, request.work))


def rows_for(
    bundle: ClinicalBundle, source: Source, request: Request, classes: Classes
) -> tuple[ClinicalRows, list[str]]:
    """The labelled rows of a second table, in the columns of a bundle.

    Parameters
    ----------
    bundle : ClinicalBundle
        Gives the columns, their units and codes: it cannot take others.
    source : Source
        With table and card.
    request : Request
        Its mapping says which class a label is.
    classes : Classes
        Of the model.

    Returns
    -------
    rows : ClinicalRows
        Without the patients that the model was trained on.
    notes : list of str
        What was mapped and left out.

    Raises
    ------
    InvalidInputError
        As `map_labels`; ``NOTHING_NEW``.
    InvalidTableError, ConfigError, LeakageError
        As `read_rows`; ``UNIT_DIFFERS``.
    """
    assert source.table is not None and source.card is not None
    card = _as_trained(source.card, bundle, source.table)
    names = [column.name for column in bundle.columns]
    read = read_rows(source.table, card, labels=source.labels, features=names)
    other = read.classes.reference
    mapping = {other: REST, **request.mapping} if other not in classes.names else request.mapping
    table, mapped = map_labels(read.table, classes, mapping, "row")
    known = trained_patients(request.run)
    again = table["patient_id"].isin(known) & (card.clinical is not None)
    notes = [*read.notes, *mapped]
    if again.any():
        notes.append(f"{counted(int(again.sum()), 'row')} left out: of training patients")
    table = table[~again].reset_index(drop=True)
    if table.empty:
        raise InvalidInputError(
            "NOTHING_NEW",
            "Every row of this table is of a patient that the model was trained on.",
            actual=counted(len(again), "row"),
            hint="Test on patients that the run was not trained on.",
        )
    return replace(read, table=table, features=bundle.columns, classes=classes), notes


def _as_trained(card: DataCard, bundle: ClinicalBundle, table: Path) -> DataCard:
    """The card with the bundle's columns: codes, ranges and values are those of the training."""
    trained = {column.name: column for column in bundle.columns}
    described = card.clinical_columns()
    for name, column in trained.items():
        if name in described and (described[name].unit or None) != (column.unit or None):
            raise InvalidTableError(
                "UNIT_DIFFERS",
                "A column has another unit than in the training table, by the cards.",
                path=table,
                expected=f"{name} in {column.unit or 'no unit'}",
                actual=described[name].unit or "no unit",
                hint="Give its source_unit in the card, with the training's unit as unit.",
            )
    assert card.clinical is not None  # `find_table` saw to it
    columns = [
        trained[column.name].model_copy(
            update={"table": column.table, "source_unit": column.source_unit}
        )
        if column.name in trained and column.name in described
        else column
        for column in card.columns
    ]
    return card.model_copy(update={"columns": columns})


def _score(
    request: Request,
    predictor: ClinicalPredictor,
    rows: ClinicalRows,
    source: Source,
    notes: list[str],
    record: RunFolder,
) -> ScoredRows:
    bundle = predictor.bundle
    rows = replace(rows, table=rows.table.assign(fold=0, role="test"))
    with record.step("evaluate"):
        scores = predictor.fitted.score(rows.table)
        scored = predictions_of(
            rows,
            scores,
            run_id=record.run_id,
            split_sha256=bundle.trained_on.split_sha256,
            bundle_sha256=bundle.sha256,
        )
    unscored = int(np.isnan(scores).sum())
    if unscored:
        notes = [*notes, f"{counted(unscored, 'row')} left out: the model has no score for them"]
    days = rows.table.set_index("patient_id")["date"]
    assert source.card is not None and source.table is not None
    return ScoredRows(
        scored,
        {
            "dataset": source.card.identifier,
            "card_sha256": card_digest(source.card),
            "table_sha256": sha256_file(source.table),
        },
        notes,
        outside_rows(bundle, rows, simulated=source.card.domain == "simulated"),
        days if days.notna().any() else None,
        _weeks(request, predictor, rows) if days.notna().any() else [],
        tables={"clinical.parquet": rows.table[["patient_id", *rows.names]]},
    )


def outside_rows(bundle: ClinicalBundle, rows: ClinicalRows, *, simulated: bool) -> list[str]:
    """Why scores of clinical rows may not be interpreted, with how many rows each reason holds for.

    Parameters
    ----------
    bundle : ClinicalBundle
        Of the model.
    rows : ClinicalRows
        In its columns.
    simulated : bool
        Whether the patients are.
    """
    trained, table = bundle.trained_on, rows.table[rows.names].astype(float)
    reasons = Counter(dict.fromkeys(outside_ranges(trained, {}, simulated=simulated), len(table)))
    for name in rows.names:
        known = trained.columns.get(name)
        if known is not None and (n := sum(map(known.excludes, table[name]))):
            reasons[f"{name} outside of the training's {known.low:g} to {known.high:g}"] = n
    most = trained.unknown_share
    if most is not None and (n := int((table.isna().mean(axis=1) > most).sum())):
        reasons[f"more unknown values than in nearly all training rows ({most:.0%})"] = n
    return counted_reasons(reasons, len(table), "row")


def _weeks(request: Request, predictor: ClinicalPredictor, rows: ClinicalRows) -> list[Week]:
    """Drift against the run's own training rows, and those that its model did not learn from."""
    values = read_table(request.run / "clinical.parquet", CLINICAL)
    splits = read_table(request.run / "splits.parquet", SPLITS)
    own = read_table(request.run / "predictions.parquet", PREDICTIONS)
    known = rows_of_run(values, splits, own, rows.features, rows.classes)
    config = read_record(request.run).config
    how = {"seed": int(config["seed"]), "folds": int(config["inner_folds"])}
    train = known.only(known.table["role"] == "train")
    before = reference_of(predictor.fitted, known, **how)
    return weekly(predictor.fitted, train, before, rows, request.period)
