"""Everything that is asked of one arm's predictions, in one go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from covidx.errors import InvalidInputError, InvalidTableError
from covidx.evaluate.abstention import Selective, risk_coverage
from covidx.evaluate.attributes import attributes_of, strata_of
from covidx.evaluate.decision_curve import NetBenefit, decision_curve
from covidx.evaluate.metrics import Metrics, evaluate
from covidx.evaluate.normal_ct import NormalCT, normal_ct, saying_normal
from covidx.evaluate.paired import Comparison, System, align, compare_systems
from covidx.evaluate.prevalence import PREVALENCES, PredictiveValues, predictive_values
from covidx.evaluate.readers import READ_CUT, Reader, compare_readers
from covidx.evaluate.recalibrate import Method, Recalibrated, recalibrate
from covidx.evaluate.study import Study
from covidx.evaluate.subgroups import Variable, subgroups

__all__ = ["Asked", "Evaluation", "Tables", "evaluate_study"]


@dataclass(frozen=True, eq=False)
class Tables:
    """What may be known besides the predictions; each may be None."""

    manifest: pd.DataFrame | None = None
    clinical: pd.DataFrame | None = None
    reads: pd.DataFrame | None = None


@dataclass(frozen=True)
class Asked:
    """How to evaluate.

    Parameters
    ----------
    calibrate : str, optional
        Method of recalibration, fitted on validation rows.
    prevalences : sequence of float
        At which PPV and NPV are given; each between 0 and 1.
    normal_ct : str, optional
        ``column=value`` of a clinical table that marks a normal CT.
    read_cut : int
        Rating from 1 to 5 from which a read is positive.
    exact : bool
        Clopper and Pearson's interval in place of Wilson's.
    seed, resamples : int
        Of the bootstrap.

    Raises
    ------
    InvalidInputError
        ``PREVALENCE_RANGE`` or ``RESAMPLES_RANGE``.
    """

    calibrate: Method | None = None
    prevalences: Sequence[float] = PREVALENCES
    normal_ct: str | None = None
    read_cut: int = READ_CUT
    exact: bool = False
    seed: int = 0
    resamples: int = 2000

    def __post_init__(self) -> None:
        if not all(0 < p < 1 for p in self.prevalences):
            raise InvalidInputError(
                "PREVALENCE_RANGE",
                "A prevalence lies between 0 and 1.",
                actual=", ".join(f"{p:g}" for p in self.prevalences),
            )
        if self.resamples < 100:
            raise InvalidInputError(
                "RESAMPLES_RANGE",
                "An interval needs at least 100 resamples.",
                actual=self.resamples,
                hint="Use 2000, the default.",
            )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found; a part that was not asked for, or cannot be given, is None or empty.

    Parameters
    ----------
    study : Study
    metrics : Metrics
    asked : Asked
    assumed : list of str
        What was taken for granted to read the table.
    net_benefit : dict
        Arm -> its decision curve, this arm first; others where they have the same patients.
    left_out : dict
        Part -> why it could not be given.
    """

    study: Study
    metrics: Metrics
    asked: Asked
    assumed: list[str]
    predictive: list[PredictiveValues]
    selective: list[Selective]
    recalibrated: Recalibrated | None
    net_benefit: dict[str, list[NetBenefit]]
    variables: list[Variable]
    normal_ct: NormalCT | None
    readers: list[Reader]
    increments: list[Comparison]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before the figures."""
        return [v.warning for v in self.variables if v.warning is not None]


def evaluate_study(
    study: Study,
    asked: Asked,
    tables: Tables,
    *,
    others: Sequence[Study] = (),
    assumed: Sequence[str] = (),
) -> Evaluation:
    """Evaluate a study; see the modules of the parts for methods and sources.

    Parameters
    ----------
    study : Study
    asked : Asked
    tables : Tables
    others : sequence of Study
        Other arms of the same table, for what each adds.
    assumed : sequence of str
        Passed on.

    Raises
    ------
    CovidxError
        Of any part: ``CALIBRATION_NO_ROWS``, ``NORMAL_CT_NO_TABLE``, ...
    """
    rows, point, validation = study.rows, study.point, study.validation_rows
    drawing: Mapping[str, int] = {"seed": asked.seed, "resamples": asked.resamples}
    metrics = evaluate(study.test, study.positive, point, exact=asked.exact, **drawing)
    left_out: dict[str, str] = {}
    selective: list[Selective] = []
    if point is None or validation is None:
        left_out["abstention"] = "it needs a threshold, and validation rows to choose a band on"
    else:
        selective = risk_coverage(validation, rows, point, **drawing)
    recalibrated = None
    if asked.calibrate is not None:
        if validation is None:
            raise _no_rows(asked.calibrate)
        recalibrated = recalibrate(validation, rows, asked.calibrate, **drawing)
    predictive: list[PredictiveValues] = []
    if point is None:
        left_out["predictive values by prevalence"] = "they need a threshold"
    else:
        predictive = predictive_values(rows, point, asked.prevalences, **drawing)
    variables, normal = _strata(study, asked, tables, drawing)
    readers: list[Reader] = []
    if tables.reads is not None:
        readers = compare_readers(rows, tables.reads, point, cut=asked.read_cut, **drawing)
        for name in sorted(set(tables.reads["reader"]) - {reader.name for reader in readers}):
            left_out[f"reader {name}"] = "read none of the test rows"
    net_benefit = {study.arm: _curve(study, recalibrated, drawing)}
    increments: list[Comparison] = []
    try:
        increments = _increments(study, others, drawing)
        net_benefit |= _curves(others, asked, drawing, left_out)
    except InvalidTableError as error:  # P2 may lack patients that P1 has
        left_out["what this arm adds to the others"] = error.reason
    return Evaluation(
        study=study,
        metrics=metrics,
        asked=asked,
        assumed=list(assumed),
        predictive=predictive,
        selective=selective,
        recalibrated=recalibrated,
        net_benefit=net_benefit,
        variables=variables,
        normal_ct=normal,
        readers=readers,
        increments=increments,
        left_out=left_out,
    )


def _strata(
    study: Study, asked: Asked, tables: Tables, drawing: Mapping[str, int]
) -> tuple[list[Variable], NormalCT | None]:
    if tables.manifest is None and tables.clinical is None:
        if asked.normal_ct is not None:
            raise InvalidInputError(
                "NORMAL_CT_NO_TABLE",
                "Which CTs are normal must be said by a clinical table.",
                actual="no clinical table",
                hint="Give it with --clinical.",
            )
        return [], None
    attributes = attributes_of(study.rows, tables.manifest, tables.clinical)
    variables = subgroups(study.rows, strata_of(attributes), study.point, **drawing)
    if asked.normal_ct is None:
        return variables, None
    said = saying_normal(attributes, asked.normal_ct)
    return variables, normal_ct(study.rows, said, asked.normal_ct, study.point, **drawing)


def _increments(
    study: Study, others: Sequence[Study], drawing: Mapping[str, int]
) -> list[Comparison]:
    """This arm minus each other one, corrected over them."""
    if not others:
        return []
    systems = align([System(s.arm, s.rows, s.point) for s in (study, *others)])
    return compare_systems(systems, against_first=True, **drawing)


def _curve(
    study: Study, recalibrated: Recalibrated | None, drawing: Mapping[str, int]
) -> list[NetBenefit]:
    return decision_curve(study.rows if recalibrated is None else recalibrated.rows, **drawing)


def _curves(
    others: Sequence[Study], asked: Asked, drawing: Mapping[str, int], left_out: dict[str, str]
) -> dict[str, list[NetBenefit]]:
    """Of the other arms, each recalibrated on its own validation rows if this one is."""
    found = {}
    for other in others:
        recalibrated = None
        if asked.calibrate is not None:
            if other.validation_rows is None:
                left_out[f"decision curve of {other.arm}"] = "it has no rows to recalibrate it on"
                continue
            recalibrated = recalibrate(
                other.validation_rows, other.rows, asked.calibrate, **drawing
            )
        found[other.arm] = _curve(other, recalibrated, drawing)
    return found


def _no_rows(method: str) -> InvalidTableError:
    return InvalidTableError(
        "CALIBRATION_NO_ROWS",
        "A calibration is fitted on validation rows, never on test rows; there are none.",
        expected="rows with role validation",
        actual="rows with role test alone",
        hint=f"Add validation rows to the table, or leave --calibrate {method} out.",
    )
