"""The control on missing values alone: how much of a score comes from who was measured."""

from __future__ import annotations

from covidx.clinical.fit import Fitted, fit_best
from covidx.clinical.recipe import CONTROLS
from covidx.clinical.rows import ClinicalRows
from covidx.evaluate import Estimate

NEARLY = 0.05
"""AUROC by which a model must beat its control for the difference to count. Modelling choice."""
PATTERN_ALONE = "The pattern of missing values alone"
"""How the warning begins that the control nearly matches the model."""
NO_CONTROL = "No value is missing in the training rows: there is no missingness control."


def fit_control(rows: ClinicalRows, *, seed: int, folds: int = 5) -> Fitted | None:
    """The better of a forest and a logistic model on the pattern of missing values.

    Parameters
    ----------
    rows : ClinicalRows
        Training rows.
    seed : int
        Of the folds and the models.
    folds : int
        Inner folds, cut by group.

    Returns
    -------
    Fitted or None
        None where nothing is missing, so that there is no pattern.
    """
    if not rows.table[rows.names].isna().any(axis=None):
        return None
    return fit_best(CONTROLS, rows, seed=seed, folds=folds)[0]


def missingness_warning(model: Estimate, control: Estimate, difference: Estimate) -> str | None:
    """A warning where the control nearly matches the model; None where it does not.

    Parameters
    ----------
    model, control : Estimate
        AUROCs on the same test rows.
    difference : Estimate
        Model minus control, paired.
    """
    if difference.low >= NEARLY:
        return None
    return (
        f"{PATTERN_ALONE} reaches AUROC {control}, the model {model}; the "
        f"difference, {difference}, may be less than {NEARLY:g}. The model may have learned who "
        "was measured, not who is ill."
    )
