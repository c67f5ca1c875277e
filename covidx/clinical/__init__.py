"""The clinical model (P2): tables by data card, pipelines, nested validation, drift; no torch."""

from covidx.clinical.fit import Fitted, cut, fit_best, fit_recipe, out_of_fold
from covidx.clinical.formula import FORMULA, SymptomFormula
from covidx.clinical.nested import Nested, nested
from covidx.clinical.pipeline import make_pipeline
from covidx.clinical.predict import ARM, predictions_of
from covidx.clinical.read import read_cells
from covidx.clinical.recipe import CONTROLS, Recipe
from covidx.clinical.rows import REST, ClinicalRows, choose_features, read_rows
from covidx.clinical.split import Division, divide

__all__ = [
    "ARM",
    "CONTROLS",
    "FORMULA",
    "REST",
    "ClinicalRows",
    "Division",
    "Fitted",
    "Nested",
    "Recipe",
    "SymptomFormula",
    "choose_features",
    "cut",
    "divide",
    "fit_best",
    "fit_recipe",
    "make_pipeline",
    "nested",
    "out_of_fold",
    "predictions_of",
    "read_cells",
    "read_rows",
]
