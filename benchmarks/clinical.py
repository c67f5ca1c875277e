"""The clinical model on public tables: Israeli tests by date, Einstein's blood counts nested."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

from benchmarks.results import Result, commit_now, record, result_of
from covidx.cards import load_card
from covidx.clinical import (
    CONTROLS,
    ClinicalRecipe,
    ClinicalRows,
    Division,
    Fitted,
    Week,
    divide,
    fit_recipe,
    nested,
    predictions_of,
    read_rows,
    reference_of,
    weekly,
)
from covidx.config import load_config
from covidx.evaluate import Estimate, choose_operating_point, evaluate, evaluate_folds
from covidx.pipelines.clinical.config import TRAIN_CLINICAL, TrainClinical

SEED = 0
BOOSTING = ClinicalRecipe(name="boosting", kind="boosting", missing="native")
AUTHORS = Division.model_validate(
    {
        "by": "date",
        "train": ["2020-03-22", "2020-03-31"],
        "test": ["2020-04-01", "2020-04-07"],
        "validation": 0.2,
    }
)
"""The days of Zoabi et al., npj Digit Med 2021;4:3."""
ALL_DAYS = Division.model_validate(
    {
        "by": "date",
        "train": ["2020-03-11", "2020-04-07"],
        "test": ["2020-04-08", "2020-04-30"],
        "validation": 0.2,
    }
)
"""Every row trains, validates or tests."""


def _trained(rows: ClinicalRows) -> Fitted:
    return fit_recipe(BOOSTING, _role(rows, "train"), seed=SEED)


def _role(rows: ClinicalRows, role: str) -> ClinicalRows:
    return rows.only(rows.table["role"] == role)


def _evaluated(fitted: Fitted, rows: ClinicalRows) -> Estimate:
    """AUROC of the test rows, with all other metrics at a threshold from the validation rows."""
    scored = predictions_of(rows, fitted.score(rows.table), run_id="benchmark")
    positive = rows.classes.positive
    point = choose_operating_point(scored[scored["role"] == "validation"], positive)
    return evaluate(scored[scored["role"] == "test"], positive, point)["auroc"]


def israel(data: Path, results: Path) -> None:
    """The authors' days and features; then week by week; then the time for all rows."""
    card, command = load_card(Path("israel-moh-tests")), "python -m benchmarks israel"
    table = data / "clinical" / "israel-moh-tests.csv.zip"
    whole = read_rows(table, card)
    rows, _ = divide(whole, AUTHORS, seed=SEED)
    fitted = _trained(rows)
    auroc = _evaluated(fitted, rows)
    against = (
        "at least 0.900; published 0.90 (boosting); days and features of the authors; a fifth of "
        "the training days' rows chose the threshold and did not train"
    )
    record({"israel_auroc": result_of(auroc, against, command)}, results)
    train = _role(rows, "train")
    later = whole.only(whole.table["date"] >= pd.Timestamp("2020-04-01"))
    weeks = weekly(fitted, train, reference_of(fitted, rows, seed=SEED), later)
    record({f"israel_week_{w.start}": _week(w, command) for w in weeks}, results)
    record({"israel_seconds": _seconds(table, command)}, results)


def _week(week: Week, command: str) -> Result:
    lost = ", ".join(week.lost) or "none"
    against = (
        f"validation rows of the training days, the same columns lost: {week.without}; "
        f"lost: {lost}; verdict: {week.verdict}"
    )
    return result_of(week.auroc, against, command)


def _seconds(table: Path, command: str) -> Result:
    """Read, divide, train and evaluate on all rows of the table."""
    start = time.perf_counter()
    rows, _ = divide(read_rows(table, load_card(Path("israel-moh-tests"))), ALL_DAYS, seed=SEED)
    _evaluated(_trained(rows), rows)
    seconds = round(time.perf_counter() - start, 2)
    return Result(
        value=seconds,
        low=seconds,
        high=seconds,
        n=278848,
        against=(
            "under 60 on 2 cores; reading, five inner folds, training, all metrics with 2000 "
            "resamples; one run, other work on the machine; 3892 rows have no class"
        ),
        command=command,
        commit=commit_now(),
    )


def einstein(data: Path, results: Path) -> None:
    """Patients with a blood count: nested cross-validation, and the missingness control beside."""
    config = load_config(TRAIN_CLINICAL, TrainClinical)
    whole = read_rows(data / "clinical" / "einstein.xlsx", load_card(Path("einstein")))
    counted = whole.only(whole.table["Leukocytes"].notna())
    recipes = [recipe for recipe in config.recipes if recipe.kind != "menni"]
    found = nested(recipes, counted, seed=SEED)
    chosen = [one.recipe.name for one in found.fitted.values()]
    print("chosen by fold:", ", ".join(chosen))
    positive, command = counted.classes.positive, "python -m benchmarks einstein"
    model = evaluate_folds(found.predictions, positive, found.points)["auroc"]
    control, everyone = (_control(rows) for rows in (counted, whole))
    note = "5 outer folds by patient, recipe and hyper-parameters by 5 inner folds; mean of folds"
    against = f"at least 0.85; published 0.85 (SVM, 235 patients of the hospital); {note}"
    alone = f"chance 0.5; the better of logistic and forest on inner folds; model {model}"
    record(
        {
            "einstein_nested_auroc": result_of(
                model, f"{against}; missingness alone {control}", command
            ),
            "einstein_missingness_only_auroc": result_of(control, alone, command),
            "einstein_missingness_only_all_auroc": result_of(
                everyone,
                "chance 0.5; all patients, most without a blood count: who was measured",
                command,
            ),
        },
        results,
    )


def _control(rows: ClinicalRows) -> Estimate:
    found = nested(CONTROLS, rows, seed=SEED, arm="missingness")
    return evaluate_folds(found.predictions, rows.classes.positive, found.points)["auroc"]
