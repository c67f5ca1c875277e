"""All parts of the evaluation of one arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from covidx.errors import InvalidInputError, InvalidTableError
from covidx.evaluate.abstention import Selective, risk_coverage
from covidx.evaluate.attributes import attributes_of, strata_of
from covidx.evaluate.calibration import calibration_test
from covidx.evaluate.decision_curve import NetBenefit, decision_curve
from covidx.evaluate.estimate import FEW, few
from covidx.evaluate.incremental import Incremental, incremental
from covidx.evaluate.metrics import Metrics, evaluate_rows
from covidx.evaluate.normal_ct import NormalCT, ct_normal, normal_ct
from covidx.evaluate.options import EvaluationOptions, Tables
from covidx.evaluate.prevalence import PredictiveValues, predictive_values
from covidx.evaluate.readers import Reader, compare_readers, unmatched_reads
from covidx.evaluate.recalibrate import Recalibrated, recalibrate
from covidx.evaluate.significance import PValue
from covidx.evaluate.study import Study
from covidx.evaluate.subgroups import Variable, subgroups
from covidx.html import table

OWN_THRESHOLDS = "each fold has a threshold of its own: name a fold with --fold"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The parts of an evaluation; one that was not requested, or cannot be given, is None or empty.

    Parameters
    ----------
    study : Study
        The evaluated arm.
    metrics : Metrics
        Of its test rows.
    options : EvaluationOptions
        How it was evaluated.
    assumed : list of str
        What was assumed to read the table.
    net_benefit : list of NetBenefit
        This arm's decision curve, on all its test rows.
    incremental : Incremental, optional
        What each arm of the table adds, on the patients that all of them have.
    calibration : PValue
        Of the test that the scores are calibrated.
    left_out : dict
        Part -> why it could not be given.
    """

    study: Study
    metrics: Metrics
    options: EvaluationOptions
    assumed: list[str]
    predictive: list[PredictiveValues]
    selective: list[Selective]
    recalibrated: Recalibrated | None
    net_benefit: list[NetBenefit]
    variables: list[Variable]
    normal_ct: NormalCT | None
    readers: list[Reader]
    incremental: Incremental | None
    calibration: PValue
    left_out: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        auroc, of = self.metrics["auroc"], self.metrics
        return f"Evaluation({of.positive}: AUROC {auroc}, n = {auroc.n}; {of.level}s)"

    def _repr_html_(self) -> str:
        return self.metrics._repr_html_() + table("", [], self.warnings)

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before the figures."""
        lines, rows = [], self.study.rows
        groups = rows.clusters.n_groups
        rarer = rows.clusters.rarer(rows.truth)
        if few(groups, rarer):
            lines.append(
                f"Few patients: {groups} independent patients or groups, {rarer} of the rarer "
                f"class (few: below {FEW}, or {FEW // 2} of a class). Read the intervals, not the "
                "values."
            )
        if len(self.study.folds) > 1:
            lines.append(
                f"The table has {len(self.study.folds)} folds: the figures are means of the folds, "
                "whose intervals hold the models fixed. Curves, subgroups and comparisons with "
                "readers put the scores of all folds together, which need not share a scale."
            )
        return lines + [v.warning for v in self.variables if v.warning is not None]


def evaluate_study(
    study: Study,
    options: EvaluationOptions,
    tables: Tables,
    *,
    others: Sequence[Study] = (),
    assumed: Sequence[str] = (),
) -> Evaluation:
    """Evaluate a study; see the modules of the parts for methods and sources.

    Parameters
    ----------
    study : Study
        The arm to evaluate.
    options : EvaluationOptions
        Which parts are requested, and how.
    tables : Tables
        Other tables of the same patients.
    others : sequence of Study
        Other arms of the same table, for what each adds.
    assumed : sequence of str
        What was assumed to read the table; kept in the result.

    Raises
    ------
    CovidxError
        Of any part: ``CALIBRATION_NO_ROWS``, ``NORMAL_CT_NO_TABLE``, ...
    """
    rows, point, validation = study.rows, study.point, study.validation_rows
    drawing = options.drawing
    metrics = evaluate_rows(
        rows, point, fold_points=study.fold_points, exact=options.exact, **drawing
    )
    left_out: dict[str, str] = {}
    selective: list[Selective] = []
    if point is None or validation is None:
        left_out["abstention"] = "it needs a threshold, and validation rows to choose a band on"
        if study.fold_points:
            left_out["abstention"] = OWN_THRESHOLDS
    else:
        selective = risk_coverage(validation, rows, point, **drawing)
    recalibrated = None
    if options.calibrate is not None:
        if validation is None:
            raise _no_rows(options.calibrate)
        recalibrated = recalibrate(validation, rows, options.calibrate, **drawing)
    predictive: list[PredictiveValues] = []
    if point is None:
        left_out["predictive values by prevalence"] = (
            OWN_THRESHOLDS if study.fold_points else "they need a threshold"
        )
    else:
        predictive = predictive_values(rows, point, options.prevalences, **drawing)
    attributes = None
    if tables.manifest is not None or tables.clinical is not None:
        attributes = attributes_of(rows, tables.manifest, tables.clinical)
    variables, normal = _strata(study, options, attributes)
    readers, unread = _readers(study, options, tables.reads)
    left_out |= unread
    added: Incremental | None = None
    if others:
        try:
            added = incremental(study, others, options, attributes)
            left_out |= added.left_out
        except InvalidTableError as error:  # arms of different patients, or that differ on labels
            left_out["what each arm adds"] = error.reason
    return Evaluation(
        study=study,
        metrics=metrics,
        options=options,
        assumed=list(assumed),
        predictive=predictive,
        selective=selective,
        recalibrated=recalibrated,
        net_benefit=decision_curve(rows if recalibrated is None else recalibrated.rows, **drawing),
        variables=variables,
        normal_ct=normal,
        readers=readers,
        incremental=added,
        calibration=calibration_test(rows.scores, rows.truth, rows.clusters),
        left_out=left_out,
    )


def _readers(
    study: Study, options: EvaluationOptions, reads: pd.DataFrame | None
) -> tuple[list[Reader], dict[str, str]]:
    """Readers beside the system, and which reads are left out."""
    if reads is None:
        return [], {}
    rows = study.rows
    readers = compare_readers(rows, reads, study.point, cut=options.read_cut, **options.drawing)
    names = sorted(set(reads["reader"]) - {reader.name for reader in readers})
    left_out = {f"reader {name}": "read none of the test rows" for name in names}
    strangers = unmatched_reads(rows, reads)
    return readers, left_out | ({"reads": strangers} if strangers else {})


def _strata(
    study: Study, options: EvaluationOptions, attributes: pd.DataFrame | None
) -> tuple[list[Variable], NormalCT | None]:
    if attributes is None:
        if options.normal_ct is not None:
            raise InvalidInputError(
                "NORMAL_CT_NO_TABLE",
                "A clinical table must state which CTs are normal.",
                actual="no clinical table",
                hint="Give it with --clinical.",
            )
        return [], None
    rows, point = study.rows, study.point
    variables = subgroups(rows, strata_of(attributes), point, **options.drawing)
    if options.normal_ct is None:
        return variables, None
    normal = ct_normal(attributes, options.normal_ct)
    return variables, normal_ct(rows, normal, options.normal_ct, point, **options.drawing)


def _no_rows(method: str) -> InvalidTableError:
    return InvalidTableError(
        "CALIBRATION_NO_ROWS",
        "A calibration is fitted on validation rows, never on test rows; there are none.",
        expected="rows with role validation",
        actual="rows with role test alone",
        hint=f"Add validation rows to the table, or leave --calibrate {method} out; where each "
        "fold has its own, name a fold with --fold.",
    )
