"""Evaluate and compare predictions tables, by covidx or by any system: from files to a page.

Read, say what was assumed, evaluate on test rows with thresholds and calibrations from validation
rows, draw, write. No network library is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from covidx.class_names import class_named
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidTableError
from covidx.evaluate import (
    Evaluation,
    EvaluationOptions,
    Predictions,
    Study,
    Tables,
    ThresholdRule,
    arms_of,
    evaluate_study,
    make_study,
    read_clinical,
    read_predictions,
    read_reads,
)
from covidx.files import make_folder, replacing, sha256_file, write_json
from covidx.limits import read_limits_file
from covidx.report.evaluation import draw_evaluation, metrics_csv, metrics_json, write_evaluation
from covidx.tables import MANIFEST, probability_columns, read_table

PARTS = ("calibration", "readers", "normal_ct", "incremental", "subgroups", "abstention")
"""JSON files of parts that an evaluation may lack; one of an earlier call is removed then."""


@dataclass(frozen=True)
class Input:
    """Which rows, and what else is known of them.

    Parameters
    ----------
    predictions : Path
        The table, parquet or CSV, of covidx or of any other system.
    arm, positive : str, optional
        As in `make_study`.
    fold : int, optional
        As in `make_study`.
    manifest, readers : Path, optional
        Tables of the images, as `tables.MANIFEST`, and of readers' ratings.
    clinical : sequence of Path
        Tables of patients, with patient_id; may be none.
    trust_groups : bool
        The user states that ``group_id`` is all that is not independent.
    columns, label_map : mapping
        As in `read_predictions`.
    """

    predictions: Path
    arm: str | None = None
    positive: str | None = None
    fold: int | None = None
    manifest: Path | None = None
    clinical: Sequence[Path] = ()
    readers: Path | None = None
    trust_groups: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    label_map: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> Predictions:
        """The table of predictions, under covidx's names."""
        return read_predictions(self.predictions, columns=self.columns, label_map=self.label_map)

    def read_beside_others(self) -> Predictions:
        """The same of several tables, of which some have covidx's own columns or classes.

        Raises
        ------
        InvalidTableError
            As `read_predictions`, where what was named fits neither in whole nor in part.
        """
        first: InvalidTableError | None = None
        for columns, label_map in product((self.columns, {}), (self.label_map, {})):
            try:
                return replace(self, columns=columns, label_map=label_map).read()
            except InvalidTableError as error:
                first = first or error
                if error.code not in ("COLUMN_MISSING", "COLUMNS_MISSING", "MAP_UNUSED"):
                    break
        assert first is not None
        raise first


def evaluate_table(
    source: Input,
    how: ThresholdRule,
    options: EvaluationOptions,
    out: Path,
    *,
    withheld: float = 0.2,
) -> Evaluation:
    """Evaluate one arm of a table and write ``evaluation.html``, ``metrics.json`` and the rest.

    Parameters
    ----------
    source : Input
        Which table, arm and fold, and what else is known of its rows.
    how : ThresholdRule
        Rule that chooses the threshold on validation rows, or a fixed threshold.
    options : EvaluationOptions
        Which parts of an evaluation are wanted, and the seed and size of the bootstrap.
    out : Path
        Folder; files of these names are replaced.
    withheld : float
        Share of validation rows that the marked abstention band withholds.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    read = source.read()
    study, assumed = study_of(read, how, source)
    others = [
        study_of(read, how, replace(source, arm=arm))[0]
        for arm in arms_of(read.table)
        if arm != study.arm
    ]
    clinical = read_clinical(source.clinical)
    assumed += [] if clinical is None else clinical.attrs["notes"]
    tables = Tables(
        None if source.manifest is None else read_table(source.manifest, MANIFEST),
        clinical,
        None if source.readers is None else read_reads(source.readers),
    )
    found = evaluate_study(study, options, tables, others=others, assumed=assumed)
    _write(found, source, out, withheld)
    return found


def study_of(read: Predictions, how: ThresholdRule, source: Input) -> tuple[Study, list[str]]:
    """One arm of a table, and what was assumed to read it.

    Parameters
    ----------
    read : Predictions
        The table.
    how : ThresholdRule
        Rule that chooses the threshold, or a threshold that is given.
    source : Input
        Names arm, fold and positive class.
    """
    if source.positive:
        positive = class_named(source.positive, list(probability_columns(read.table)))
        notes: list[str] = []
    else:
        positive, notes = read.positive()
    study = make_study(
        read.table,
        how,
        arm=source.arm,
        positive=positive,
        fold=source.fold,
        by_group_alone=source.trust_groups,
    )
    if source.trust_groups:
        notes = [*notes, "Intervals go by group_id alone, as --trust-groups states."]
    return study, [*read.assumed, *notes]


def known_limits(predictions: Path) -> list[str]:
    """What is known against the model of a run, where its own `predictions` are evaluated."""
    run = predictions.absolute().parent
    if not (run / "run.json").is_file():
        return []
    return [f"Known limit of the model, {limit.line}" for limit in read_limits_file(run)]


def _write(found: Evaluation, source: Input, out: Path, withheld: float) -> None:
    """Figures and tables first, the page that links them last."""
    make_folder(out / "figures")
    figures = draw_evaluation(found, out / "figures", withheld)
    write_json(out / "metrics.json", metrics_json(found))
    with replacing(out / "metrics.csv") as temporary:
        metrics_csv(found).to_csv(temporary, index=False)
    write_json(out / "confusion.json", found.metrics.confusion_json())
    write_json(out / "predictive_values.json", [vars(values) for values in found.predictive])
    write_json(out / "decision_curve.json", {found.study.arm: found.net_benefit})
    parts: dict[str, Any] = {
        "calibration": found.recalibrated,
        "readers": found.readers,
        "normal_ct": found.normal_ct,
        "incremental": found.incremental,
        "subgroups": found.variables,
        "abstention": found.selective,
    }
    for name in PARTS:
        if parts[name]:
            write_json(out / f"{name}.json", parts[name])
        else:
            (out / f"{name}.json").unlink(missing_ok=True)
    write_json(out / "evaluation.json", _record(found, source))
    known = known_limits(source.predictions)
    write_evaluation(out / "evaluation.html", found, figures, withheld, known)


def _record(found: Evaluation, source: Input) -> dict[str, Any]:
    """What was evaluated, on which rows, with what assumed."""
    files = [source.predictions, source.manifest, *source.clinical, source.readers]
    return {
        "notice": RESEARCH_NOTICE,
        "arm": found.study.arm,
        "inputs": {str(path): sha256_file(path) for path in files if path is not None},
        "assumed": found.assumed,
        "left_out": found.left_out,
        "warnings": found.warnings,
        "calibration_test": found.calibration,
        "seed": found.options.seed,
        "resamples": found.options.resamples,
    }
