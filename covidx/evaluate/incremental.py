"""What each arm adds: all arms of a table side by side, on the patients that all of them have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from covidx.errors import InvalidTableError
from covidx.evaluate.agreement import Agreement, agreements
from covidx.evaluate.attributes import strata_of
from covidx.evaluate.decision_curve import NetBenefit, decision_curve
from covidx.evaluate.decisions import decision_family, undecided
from covidx.evaluate.deferred import Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.families import rank_family
from covidx.evaluate.metrics import NO_THRESHOLD, evaluate_rows
from covidx.evaluate.normal_ct import NormalCT, ct_normal, normal_ct
from covidx.evaluate.options import EvaluationOptions
from covidx.evaluate.paired import Comparison, System, align, compare_systems
from covidx.evaluate.recalibrate import recalibrate
from covidx.evaluate.study import Study, need_two_classes
from covidx.evaluate.subgroups import Variable, subgroups
from covidx.files import plain_object

ARM_METRICS = ("auroc", "sensitivity", "specificity")
STRATA = ("age band", "sex", "presentation")
"""Variables by whose strata the arms stand side by side."""


@dataclass(frozen=True)
class Incremental:
    """Arms on the same test rows, the evaluated one first.

    Parameters
    ----------
    n, positives : int
        Rows that every arm has, and those of the positive class.
    lacking : dict
        Arm -> its test rows that are left out, since another arm lacks them.
    arms : dict
        Arm -> `ARM_METRICS`, at its own threshold.
    differences : list of Comparison
        The evaluated arm minus each other one.
    agreements : list of Agreement
        Of every pair of arms with a threshold.
    normal_ct : dict
        Arm -> the positives by what their CT shows; empty where that was not requested.
    strata : dict
        Arm -> variables of `STRATA`, the same strata in every arm; empty where none is known.
    net_benefit : dict
        Arm -> decision curve.
    left_out : dict
        Part -> why it could not be given.
    """

    n: int
    positives: int
    lacking: dict[str, int]
    arms: dict[str, dict[str, Estimate]]
    differences: list[Comparison]
    agreements: list[Agreement]
    normal_ct: dict[str, NormalCT]
    strata: dict[str, list[Variable]]
    net_benefit: dict[str, list[NetBenefit]]
    left_out: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        names = {"lacking": "left_out", "agreements": "agreement", "net_benefit": "decision_curves"}
        shown = {k: v for k, v in vars(self).items() if k != "left_out"}
        return plain_object({names.get(name, name): value for name, value in shown.items()})


def incremental(
    study: Study,
    others: Sequence[Study],
    options: EvaluationOptions,
    attributes: pd.DataFrame | None,
) -> Incremental:
    """Put the arms side by side; methods as for one arm alone.

    Parameters
    ----------
    study : Study
        The evaluated arm.
    others : sequence of Study
        The other arms, at least one.
    options : EvaluationOptions
        As for the evaluated arm.
    attributes : DataFrame, optional
        One line for each row of `study`, from `attributes_of`.

    Raises
    ------
    InvalidTableError
        ``NO_COMMON_PATIENTS``, ``ONE_CLASS`` if these are of one class, or ``UNEQUAL_TRUTH``.
    """
    studies = [study, *others]
    systems, lacking = on_common_rows(studies)
    rows = systems[0].rows
    need_two_classes(rows)
    normal: dict[str, NormalCT] = {}
    strata: dict[str, list[Variable]] = {}
    if attributes is not None:
        place = pd.Index(study.rows.units).get_indexer(pd.Index(rows.units))
        known = attributes.iloc[place].reset_index(drop=True)
        known_strata = strata_of(known)
        shown = {name: known_strata[name] for name in STRATA if name in known_strata}
        if shown:
            strata = {s.name: subgroups(s.rows, shown, s.point, **options.drawing) for s in systems}
        if options.normal_ct is not None:
            is_normal = ct_normal(attributes, options.normal_ct).iloc[place].reset_index(drop=True)
            normal = {
                s.name: normal_ct(s.rows, is_normal, options.normal_ct, s.point, **options.drawing)
                for s in systems
            }
    curves, left_out = _curves(studies, systems, options)
    return Incremental(
        n=len(rows),
        positives=int(rows.truth.sum()),
        lacking=lacking,
        arms={s.name: _figures(s, options) for s in systems},
        differences=compare_systems(systems, against_first=True, **options.drawing),
        agreements=agreements(systems, **options.drawing),
        normal_ct=normal,
        strata=strata,
        net_benefit=curves,
        left_out=left_out,
    )


def on_common_rows(studies: Sequence[Study]) -> tuple[list[System], dict[str, int]]:
    """The arms of `studies` on the test rows that all have, in one order; how many each then lacks.

    Raises
    ------
    InvalidTableError
        ``NO_COMMON_PATIENTS``, or ``UNEQUAL_TRUTH``.
    """
    units = reduce(np.intersect1d, [s.rows.units for s in studies])
    if not len(units):
        raise InvalidTableError(
            "NO_COMMON_PATIENTS",
            "No test row is in every arm.",
            expected="arms on the same patients, with the same unit_id",
            actual=", ".join(f"{s.arm}: {s.rows.units[0]}" for s in studies),
        )
    kept = [s.rows.take(np.isin(s.rows.units, units)) for s in studies]
    systems = [
        System(s.arm, rows, s.point, s.fold_points) for s, rows in zip(studies, kept, strict=True)
    ]
    return align(systems), {s.arm: len(s.rows) - len(units) for s in studies}


def _figures(system: System, options: EvaluationOptions) -> dict[str, Estimate]:
    """An arm's `ARM_METRICS`; means of the folds where it has several."""
    if len(np.unique(system.rows.folds)) > 1:
        points = system.fold_points
        means = evaluate_rows(
            system.rows,
            system.point,
            fold_points=points,
            seed=options.seed,
            resamples=options.resamples,
        )
        return {name: means[name] for name in ARM_METRICS}
    rows, point = system.rows, system.point
    metrics: Estimates = {"auroc": rank_family(rows, rows.positive)["auroc"]}
    if point is None:
        metrics |= undecided(rows.truth, NO_THRESHOLD)
    else:
        metrics |= decision_family(system.called, rows.truth, rows.clusters, exact=options.exact)
    shown = compute({name: metrics[name] for name in ARM_METRICS}, rows.clusters, **options.drawing)
    if point is not None:
        for name in ARM_METRICS[1:]:
            shown[name] = shown[name].at(point.threshold, point.text)
    return shown


def _curves(
    studies: Sequence[Study], systems: Sequence[System], options: EvaluationOptions
) -> tuple[dict[str, list[NetBenefit]], dict[str, str]]:
    """Decision curves, each arm recalibrated on its own validation rows if that was requested."""
    curves, left_out = {}, {}
    for study, system in zip(studies, systems, strict=True):
        rows = system.rows
        if options.calibrate is not None:
            if study.validation_rows is None:
                left_out[f"decision curve of {study.arm}"] = "it has no rows to recalibrate it on"
                continue
            validation = study.validation_rows
            try:
                rows = recalibrate(validation, rows, options.calibrate, **options.drawing).rows
            except InvalidTableError as error:  # of this arm alone
                left_out[f"decision curve of {study.arm}"] = error.reason
                continue
        curves[study.arm] = decision_curve(rows, **options.drawing)
    return curves, left_out
