"""The clinical model (P2): tables by data card, pipelines, nested validation, drift; no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.clinical.apply import numbers_for, read_for
    from covidx.clinical.bundle import (
        ClinicalBundle,
        load_bundle,
        parity_rows,
        trained_on_rows,
        write_bundle,
    )
    from covidx.clinical.dependence import partial_dependence
    from covidx.clinical.drift import Week, weekly
    from covidx.clinical.fit import Fitted, best_of, cut, fit_best, fit_recipe, out_of_fold, refit
    from covidx.clinical.formula import FORMULA, SymptomFormula
    from covidx.clinical.importance import permutation_importance
    from covidx.clinical.missingness import NO_CONTROL, fit_control, missingness_warning
    from covidx.clinical.nested_validation import Nested, nested
    from covidx.clinical.odds import odds_ratios
    from covidx.clinical.pipeline import make_pipeline
    from covidx.clinical.predict import ARM, auroc_by_group, predictions_of, score_rows
    from covidx.clinical.read import read_cells
    from covidx.clinical.recipe import CONTROLS, ClinicalRecipe
    from covidx.clinical.rows import REST, ClinicalRows, choose_features, read_rows
    from covidx.clinical.split import Division, divide
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "ARM",
    "CONTROLS",
    "FORMULA",
    "NO_CONTROL",
    "REST",
    "ClinicalBundle",
    "ClinicalRecipe",
    "ClinicalRows",
    "Division",
    "Fitted",
    "Nested",
    "SymptomFormula",
    "Week",
    "auroc_by_group",
    "best_of",
    "choose_features",
    "cut",
    "divide",
    "fit_best",
    "fit_control",
    "fit_recipe",
    "load_bundle",
    "make_pipeline",
    "missingness_warning",
    "nested",
    "numbers_for",
    "odds_ratios",
    "out_of_fold",
    "parity_rows",
    "partial_dependence",
    "permutation_importance",
    "predictions_of",
    "read_cells",
    "read_for",
    "read_rows",
    "refit",
    "score_rows",
    "trained_on_rows",
    "weekly",
    "write_bundle",
]
