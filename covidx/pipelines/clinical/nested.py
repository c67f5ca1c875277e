"""Nested cross-validation of the clinical procedure, beside the run's one division."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from covidx.clinical import CONTROLS, ClinicalRecipe, ClinicalRows, Nested, nested
from covidx.evaluate import Estimate, Rows, auroc_estimate, evaluate_folds
from covidx.files import write_json
from covidx.pipelines.clinical.config import TrainClinical
from covidx.tracking import Tracker


def nested_aurocs(
    config: TrainClinical,
    rows: ClinicalRows,
    recipes: list[ClinicalRecipe],
    control: bool,
    path: Path,
    tracker: Tracker,
) -> dict[str, Estimate]:
    """AUROC of the choice among recipes, and of the missingness control, on outer folds.

    Parameters
    ----------
    config : TrainClinical
        Its seed, outer and inner folds; nothing is done for no outer folds.
    rows : ClinicalRows
        All rows that have a role: outer folds test every one of them once.
    recipes : list of ClinicalRecipe
        Those of the run.
    control : bool
        Whether values are missing, so that there is a pattern.
    path : Path
        Where ``nested.json`` is written.
    tracker : Tracker
        Takes the outer folds of the choice among recipes, each with its AUROC.

    Raises
    ------
    InvalidTableError
        ``TOO_FEW_GROUPS``.
    """
    if not config.nested_folds:
        return {}
    procedures = {"P2": recipes} | ({"missingness control": list(CONTROLS)} if control else {})
    found: dict[str, Estimate] = {}
    record: dict[str, Any] = {"outer_folds": config.nested_folds, "inner_folds": config.inner_folds}
    for name, tried in procedures.items():
        run = nested(
            tried, rows, seed=config.seed, outer=config.nested_folds, inner=config.inner_folds
        )
        found[name] = _auroc(run, rows)
        chosen = [one.recipe.name for one in run.fitted.values()]
        by_fold = _by_fold(run, rows)
        record[name] = {
            "auroc": found[name].to_json(),
            "auroc_by_fold": [None if math.isnan(value) else value for value in by_fold],
            "chosen_by_fold": chosen,
        }
        if tried is recipes:
            for fold, (value, recipe) in enumerate(zip(by_fold, chosen, strict=True)):
                tracker.part(f"fold {fold}", {"auroc": value}, {"fold": fold, "recipe": recipe})
    write_json(path, record)
    return found


def _auroc(run: Nested, rows: ClinicalRows) -> Estimate:
    return evaluate_folds(run.predictions, rows.classes.positive, run.points)["auroc"]


def _by_fold(run: Nested, rows: ClinicalRows) -> list[float]:
    """The AUROC of each outer fold; NaN where it holds one class."""
    folds = [Rows.of(table, rows.classes.positive) for _, table in run.predictions.groupby("fold")]
    return [auroc_estimate(fold.scores, fold.truth).value for fold in folds]
