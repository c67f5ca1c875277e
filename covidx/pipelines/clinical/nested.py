"""Nested cross-validation of the clinical procedure, beside the run's one division."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from covidx.clinical import CONTROLS, ClinicalRecipe, ClinicalRows, Nested, nested
from covidx.evaluate import Estimate, evaluate_folds
from covidx.files import write_json
from covidx.pipelines.clinical.config import TrainClinical


def nested_aurocs(
    config: TrainClinical,
    rows: ClinicalRows,
    recipes: list[ClinicalRecipe],
    control: bool,
    path: Path,
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

    Raises
    ------
    InvalidTableError
        ``TOO_FEW_GROUPS``.
    """
    if not config.nested_folds:
        return {}
    procedures = {"P2": recipes} | ({"missingness control": list(CONTROLS)} if control else {})
    found: dict[str, Estimate] = {}
    told: dict[str, Any] = {"outer_folds": config.nested_folds, "inner_folds": config.inner_folds}
    for name, tried in procedures.items():
        run = nested(
            tried, rows, seed=config.seed, outer=config.nested_folds, inner=config.inner_folds
        )
        found[name] = _auroc(run, rows)
        chosen = [one.recipe.name for one in run.fitted.values()]
        told[name] = {"auroc": found[name].to_json(), "chosen_by_fold": chosen}
    write_json(path, told)
    return found


def _auroc(run: Nested, rows: ClinicalRows) -> Estimate:
    return evaluate_folds(run.predictions, rows.classes.positive, run.points)["auroc"]
