"""Train, evaluate and explain a clinical classifier (P2), from a table to a report.

The method, in the order of a paper: cohort, roles, models and their choice on training rows,
operating point on out-of-fold scores of the training rows, test results beside controls,
explanation, drift.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from covidx.cards import card_digest
from covidx.clinical import (
    ClinicalBundle,
    ClinicalRows,
    Fitted,
    best_of,
    divide,
    fit_control,
    fit_recipe,
    odds_ratios,
    partial_dependence,
    permutation_importance,
    predictions_of,
    read_rows,
    score_by_role,
    trained_on_rows,
)
from covidx.clinical.fit import FloatArray
from covidx.errors import InvalidTableError
from covidx.evaluate import evaluate
from covidx.evaluate.operating_point import HONEST_ROLES
from covidx.files import sha256_file
from covidx.inference import SERVED, Threshold
from covidx.inference.clinical import ClinicalPredictor
from covidx.pipelines.clinical.config import TrainClinical, find_table
from covidx.pipelines.clinical.explain import some_of, unseen_weeks, write_explanations
from covidx.pipelines.clinical.nested import nested_aurocs
from covidx.pipelines.clinical.results import (
    compare_models,
    describe_column,
    draw_clinical_figures,
    facts_of,
    require,
    warnings_of,
    what_it_is,
)
from covidx.pipelines.model_card import CLASSIFIES_PATIENTS, tested_rows, write_model_card
from covidx.pipelines.progress import Bar, Bars, silent
from covidx.pipelines.run import TrainedRun, TrainingRun, estimate_lines
from covidx.pipelines.source import Source, phantom_source
from covidx.report.clinical import ClinicalPage, write_clinical_report
from covidx.tables import CLINICAL, OUT_OF_FOLD, write_table

SHOWN_CURVES = 4


def train_clinical(
    config: TrainClinical,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedRun:
    """Train P2.

    Parameters
    ----------
    config : TrainClinical
        As ``train_clinical.yaml``.
    source : Source, optional
        Table, card and labels; the phantom's clinical rows by default.
    work, runs : Path
        Take the phantom's table; the run's folder and MLflow's database.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    pipeline = "train_clinical"
    table = find_table(source) if source else phantom_source("clinical", config.phantom, work, bars)
    assert table.table is not None and table.card is not None
    known = read_rows(
        table.table,
        table.card,
        labels=None if table.labels is None else table.label_rows,
        features=config.features,
        label_map=table.label_map,
    )
    known = require(known, config.require)
    rows, splits = divide(known, config.division, seed=config.seed)
    named = {recipe.name: recipe.kind for recipe in config.recipes}
    parameters = config.model_dump(mode="json") | {"recipes": named}
    with TrainingRun.open(
        pipeline,
        config,
        table if source else None,
        work=work,
        runs=runs,
        bars=bars,
        parameters=parameters,
    ) as run:
        with run.step("split"):
            splits.save(run.path / "splits.parquet")
            values = rows.table[["patient_id", *rows.names]]
            write_table(values, run.path / "clinical.parquet", CLINICAL)
            digests = {
                "dataset": table.card.identifier,
                "domain": table.card.domain,
                "card_sha256": card_digest(table.card),
                "table_sha256": sha256_file(table.table),
                "split_sha256": splits.sha256,
            }
            columns = ["label", *rows.names]
            run.learn_from(digests, table.card.identifier, rows.table, columns)
        train = rows.only(rows.table["role"] == "train")
        how = {"seed": config.seed, "folds": config.inner_folds}
        with run.step("train") as bar:
            fitted, skipped = _fit_all(config, train, bar)
            control = fit_control(train, **how)
            best = best_of(fitted)
        recipes = [model.recipe for model in fitted]
        with run.step("nested"):
            path = run.path / "nested.json"
            outer = nested_aurocs(config, rows, recipes, control is not None, path, run.tracker)
        with run.step("evaluate"):
            known, scores = score_by_role(best, rows, **how)
            bundle, best = _save(run, config, table, known, (best, scores), digests)
            by_it = known.table["role"] != OUT_OF_FOLD
            scores[by_it] = best.score(known.table[by_it])
            predictions = predictions_of(
                known,
                scores,
                run_id=run.run_id,
                split_sha256=splits.sha256,
                bundle_sha256=bundle.sha256,
            )
            test = predictions[predictions["role"] == "test"]
            metrics = evaluate(test, rows.classes.positive, bundle.threshold.operating_point)
            run.write_predictions(predictions, metrics)
            others = [model for model in fitted if model.recipe.name != best.recipe.name]
            others += [control] if control else []
            lines = compare_models(run, (best, scores), others, rows, splits.sha256, how)
        with run.step("explain"):
            explained = some_of(rows.only(rows.table["role"] == "test"), config.seed)
            importance = permutation_importance(best, explained, seed=config.seed)
            curves = {
                name: partial_dependence(best, explained, name)
                for name in list(importance)[:SHOWN_CURVES]
            }
            odds = odds_ratios(train)
            weeks = unseen_weeks(config, known, rows, train, best)
            write_explanations(run.path, importance, odds, curves, weeks)
        with run.step("report"):
            warnings = warnings_of(table, rows, lines, control is None, skipped)
            figures = draw_clinical_figures(
                run.figures, test, metrics, importance, curves, weeks, rows.features
            )
            page = ClinicalPage(
                f"{pipeline}: {metrics.positive} against the rest",
                warnings,
                lines,
                importance,
                odds,
                weeks,
                figures,
                facts_of(run.record, table, rows, best, bundle),
                outer,
                config.nested_folds,
            )
            write_model_card(
                run.bundle,
                bundle,
                f"covidx P2: {bundle.positive} on clinical rows",
                use=CLASSIFIES_PATIENTS,
                architecture=f"{bundle.recipe.name}: {what_it_is(best)}",
                inputs="clinical rows",
                preprocessing=[describe_column(column) for column in bundle.columns],
                estimates=metrics.estimates,
                tested=tested_rows(metrics),
                limits=warnings,
            )
            write_clinical_report(run.path / "report.html", page, metrics)
        compared = {line.name: line.auroc for line in lines}
        heading = "model                 AUROC on the same test patients"
        return run.finish(
            bundle.sha256,
            metrics.estimates,
            warnings,
            ["", f"  {heading}", *estimate_lines(compared, width=21)],
            metrics=metrics,
            artifacts=("models.json", "predictions.parquet"),
            model=lambda tracker: tracker.model(
                run.bundle, SERVED, bundle.classes, bundle.input_types
            ),
        )


def _fit_all(
    config: TrainClinical, train: ClinicalRows, bar: Bar
) -> tuple[list[Fitted], list[str]]:
    """Fit each recipe; the formula is left out where the table lacks its inputs."""
    fitted, skipped = [], []
    for done, recipe in enumerate(config.recipes, 1):
        try:
            fitted.append(fit_recipe(recipe, train, seed=config.seed, folds=config.inner_folds))
        except InvalidTableError as error:
            if error.code != "FORMULA_INPUT_MISSING" or len(config.recipes) == 1:
                raise
            skipped.append(f"{recipe.name} was left out: {error.message} ({error.actual})")
        bar(done, len(config.recipes))
    return fitted, skipped


def _save(
    run: TrainingRun,
    config: TrainClinical,
    source: Source,
    rows: ClinicalRows,
    scored_best: tuple[Fitted, FloatArray],
    digests: dict[str, str],
) -> tuple[ClinicalBundle, Fitted]:
    """Choose the threshold, save, and read back, so that all that follows uses what was saved."""
    best, scores = scored_best
    scored = predictions_of(rows, scores, run_id=run.run_id)
    honest = scored["role"].isin(HONEST_ROLES)
    point = config.operating_point.choose(scored[honest], rows.classes.positive)
    assert source.card is not None and source.card.clinical is not None
    train = rows.only(rows.table["role"].isin(("train", OUT_OF_FOLD)))
    draft = ClinicalBundle.of(
        best,
        trained_on=trained_on_rows(train, **digests),
        patient_column=source.card.clinical.patient,
        missing=source.card.missing,
        classes=list(rows.classes.names),
        positive=rows.classes.positive,
        threshold=Threshold.of(point),
        run_id=run.run_id,
    )
    saved = ClinicalPredictor(draft, best).save(run.bundle)
    return saved.bundle, replace(saved.fitted, inner_auroc=best.inner_auroc)
