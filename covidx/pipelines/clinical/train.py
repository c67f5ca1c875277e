"""Train, evaluate and explain a clinical classifier (P2), from a table to a report.

The method, in the order of a paper: cohort, roles, models and their choice on training rows,
operating point on validation rows, test results beside controls, explanation, drift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from covidx.cards import card_digest
from covidx.clinical import (
    ClinicalBundle,
    ClinicalRows,
    Fitted,
    Week,
    best_of,
    divide,
    fit_control,
    fit_recipe,
    odds_ratios,
    partial_dependence,
    permutation_importance,
    predictions_of,
    read_rows,
    trained_on_rows,
)
from covidx.errors import InvalidTableError
from covidx.evaluate import Metrics, evaluate
from covidx.files import sha256_file, write_json
from covidx.inference import SERVED, Threshold
from covidx.inference.clinical import ClinicalPredictor
from covidx.pipelines.clinical.card import write_clinical_model_card
from covidx.pipelines.clinical.config import ClinicalSource, TrainClinical, phantom_rows
from covidx.pipelines.clinical.explain import some_of, unseen_weeks, write_explanations
from covidx.pipelines.clinical.nested import nested_aurocs
from covidx.pipelines.clinical.results import (
    compare_models,
    draw_clinical_figures,
    facts_of,
    require,
    warnings_of,
)
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.remembered import remember
from covidx.pipelines.telling import tell_bundle
from covidx.report.clinical import ClinicalPage, ModelLine, write_clinical_report
from covidx.runs import RunFolder
from covidx.tables import CLINICAL, PREDICTIONS, table_digest, write_table
from covidx.tracking import tracked

__all__ = ["TrainedClinical", "train_clinical"]

SHOWN_CURVES = 4


@dataclass(frozen=True, eq=False)
class TrainedClinical:
    """Where the run lies, what it found, what to know before reading it."""

    folder: Path
    metrics: Metrics
    models: list[ModelLine]
    weeks: list[Week]
    warnings: list[str]


def train_clinical(
    config: TrainClinical,
    source: ClinicalSource | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedClinical:
    """Run the whole pipeline.

    Parameters
    ----------
    config : TrainClinical
    source : ClinicalSource, optional
        Table, card and labels; the phantom's clinical rows if not given.
    work, runs : Path
        Take the phantom's table; the run's folder and MLflow's database.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    run = RunFolder("train_clinical", runs)
    with run.closing(), tracked("train_clinical", run.run_id, runs) as tracker:
        said = config.model_dump(mode="json")
        run.record |= {"config": said, "mlflow_run_id": tracker.run_id}
        tracker.config(_loggable(said))
        with run.step("cohort"):
            given = source
            source = source or phantom_rows(work, config.phantom)
            whole = read_rows(
                source.table, source.card, labels=source.labels, features=config.features
            )
            whole = require(whole, config.require)
            remember(run, work, given)
        with run.step("split"):
            rows, splits = divide(whole, config.division, seed=config.seed)
            splits.save(run.path / "splits.parquet")
            clinical = rows.table[["patient_id", *rows.names]]
            write_table(clinical, run.path / "clinical.parquet", CLINICAL)
            digests = {
                "dataset": source.card.identifier,
                "domain": source.card.domain,
                "card_sha256": card_digest(source.card),
                "table_sha256": sha256_file(source.table),
                "split_sha256": splits.sha256,
            }
            run.record["data"] = digests
        tracker.tags(digests)
        for role, part in rows.table.groupby("role"):
            seen = part[["label", *rows.names]]
            tracker.dataset(seen, source.card.identifier, table_digest(seen), str(role))
        train = rows.only(rows.table["role"] == "train")
        with run.step("train"), bars("train") as bar:
            fitted, skipped = _fit_all(config, train, bar)
            control = fit_control(train, seed=config.seed, folds=config.inner_folds)
            best = best_of(fitted)
        recipes = [one.recipe for one in fitted]
        with run.step("nested"):
            place = run.path / "nested.json"
            outer = nested_aurocs(config, rows, recipes, control is not None, place)
        with run.step("evaluate"):
            bundle, best = _bundle(run, config, source, rows, best, digests)
            predictions = predictions_of(
                rows,
                best.score(rows.table),
                run_id=run.run_id,
                split_sha256=splits.sha256,
                bundle_sha256=bundle.sha256,
            )
            write_table(predictions, run.path / "predictions.parquet", PREDICTIONS)
            test = predictions[predictions["role"] == "test"]
            metrics = evaluate(test, rows.classes.positive, bundle.threshold.operating_point)
            write_json(run.path / "metrics.json", metrics.to_json())
            write_json(run.path / "confusion.json", metrics.confusion_json())
            tested = rows.only(rows.table["role"] == "test")
            others = [one for one in fitted if one.recipe.name != best.recipe.name]
            lines = compare_models(run, best, others, control, rows, splits.sha256)
        with run.step("explain"):
            explained = some_of(tested, config.seed)
            importance = permutation_importance(best, explained, seed=config.seed)
            curves = {
                name: partial_dependence(best, explained, name)
                for name in list(importance)[:SHOWN_CURVES]
            }
            odds = odds_ratios(train)
            weeks = unseen_weeks(config, whole, rows, train, best)
            write_explanations(run.path, importance, odds, curves, weeks)
        with run.step("report"):
            warnings = warnings_of(source, rows, lines, control is None, skipped)
            figures = draw_clinical_figures(
                run.path / "figures", test, metrics, importance, curves, weeks, rows.features
            )
            facts = facts_of(run.record, source, rows, best, bundle)
            title = f"train_clinical: {metrics.positive} against the rest"
            page = ClinicalPage(
                title,
                warnings,
                lines,
                importance,
                odds,
                weeks,
                figures,
                facts,
                outer,
                config.nested_folds,
            )
            write_clinical_model_card(run.path / "bundle", bundle, best, metrics, warnings)
            write_clinical_report(run.path / "report.html", page, metrics)
        tell_bundle(tracker, run, bundle.sha256, metrics.estimates)
        tracker.model(run.path / "bundle", SERVED, bundle.classes, bundle.input_types)
        tracker.files(run.path / "figures", "figures")
        for name in ("report.html", "metrics.json", "models.json", "predictions.parquet"):
            tracker.file(run.path / name)
    return TrainedClinical(run.path, metrics, lines, weeks, warnings)


def _loggable(said: dict[str, Any]) -> dict[str, Any]:
    """The recipes by name: MLflow's parameters are short."""
    recipes = {one["name"]: one["kind"] for one in said["recipes"]}
    return {**said, "recipes": recipes}


def _fit_all(
    config: TrainClinical, train: ClinicalRows, bar: Any
) -> tuple[list[Fitted], list[str]]:
    """Fit each recipe; the formula is left out where the table lacks its inputs."""
    fitted, skipped = [], []
    for done, recipe in enumerate(config.recipes, 1):
        try:
            one = fit_recipe(recipe, train, seed=config.seed, folds=config.inner_folds)
            fitted.append(one)
        except InvalidTableError as error:
            if error.code != "FORMULA_INPUT_MISSING" or len(config.recipes) == 1:
                raise
            skipped.append(f"{recipe.name} was left out: {error.message} ({error.actual})")
        bar(done, len(config.recipes))
    return fitted, skipped


def _bundle(
    run: RunFolder,
    config: TrainClinical,
    source: ClinicalSource,
    rows: ClinicalRows,
    best: Fitted,
    digests: dict[str, str],
) -> tuple[ClinicalBundle, Fitted]:
    """Choose the threshold, save, and read back, so that all that follows uses what was saved."""
    validation = rows.only(rows.table["role"] == "validation")
    scored = predictions_of(validation, best.score(validation.table), run_id=run.run_id)
    point = config.operating_point.choose(scored, rows.classes.positive)
    assert source.card.clinical is not None
    train = rows.only(rows.table["role"] == "train")
    draft = ClinicalBundle.of(
        best,
        trained_on=trained_on_rows(train, **digests),
        patient_column=source.card.clinical.patient,
        classes=list(rows.classes.names),
        positive=rows.classes.positive,
        threshold=Threshold.of(point),
        run_id=run.run_id,
    )
    saved = ClinicalPredictor(draft, best).save(run.path / "bundle")
    return saved.bundle, replace(saved.fitted, inner_auroc=best.inner_auroc)
