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
    from covidx.clinical.cross_fitting import (
        FoldModels,
        Reference,
        cross_fit_rows,
        out_of_fold,
        reference_of,
        rows_of_run,
        score_by_role,
    )
    from covidx.clinical.dependence import partial_dependence
    from covidx.clinical.drift import Week, weekly
    from covidx.clinical.fit import Fitted, best_of, cut, fit_best, fit_recipe, refit
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
    __getattr__, __dir__ = lazy_names(__name__, __file__)
