"""Train, evaluate and explain an image classifier (CT or radiograph), from files to a report.

The method, in the order of a paper: cohort, labels, pre-processing, groups and splits, training,
operating point, test results, explanation. Everything is written below one run folder, and MLflow
logs the same.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from covidx.cohort import make_splits
from covidx.evaluate import evaluate
from covidx.files import write_json
from covidx.imaging import build_cache, save_thumbnails, thumbnails
from covidx.inference import SERVED, score_rows
from covidx.pipelines.cohort import check_source, ingest_source, link_labels
from covidx.pipelines.grouping import group_prepared
from covidx.pipelines.handovers import hand_over, source_warnings
from covidx.pipelines.image.cases import make_cases
from covidx.pipelines.image.config import TrainImage
from covidx.pipelines.image.fit import fit_image
from covidx.pipelines.image.learning_curve import learning_curve
from covidx.pipelines.image.results import (
    describe,
    draw_figures,
    make_bundle,
    predictive_rows,
    preprocessing_lines,
    report_facts,
    with_threshold,
)
from covidx.pipelines.limits import record_exam
from covidx.pipelines.model_card import CLASSIFIES_IMAGES, tested_rows, write_model_card
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.run import TrainedRun, TrainingRun
from covidx.pipelines.source import Source, phantom_source
from covidx.report import write_report


def train_image(
    config: TrainImage,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedRun:
    """Train P1.

    Parameters
    ----------
    config : TrainImage
        As ``train_ct.yaml`` or ``train_cxr.yaml``.
    source : Source, optional
        Images, labels and card; the embedded phantom cohort by default.
    work : Path
        Takes phantom cohorts, stores and caches, which later runs reuse.
    runs : Path
        Takes the run's folder and MLflow's database.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place; nothing half-written is left.
    """
    pipeline = config.pipeline
    if source is not None:
        source = replace(source, pictures=config.modality)
        check_source(source, config.parts)
    with TrainingRun.open(pipeline, config, source, work=work, runs=runs, bars=bars) as run:
        with run.step("cohort"):
            images = source or phantom_source(config.phantom_cohort, config.phantom, work, bars)
        with run.step("ingest"):
            cohort = link_labels(images, *ingest_source(images, work, bars), config.unmatched)
            cohort = cohort.only(*config.select(cohort.manifest))
        recipe = config.recipe(cohort.manifest)
        run.use(recipe)
        with run.step("prepare") as bar:
            cache = build_cache(
                cohort.store, cohort.manifest, recipe.preprocessing, work / "cache", progress=bar
            )
        with run.step("split"):
            manifest = group_prepared(
                cohort.manifest, thumbnails(cache, cache.index), cache.refused, cohort.store
            )
            splits = make_splits(
                manifest,
                seed=config.seed,
                parts=config.parts,
                validation=recipe.architecture.members == 1,
            )
            rows = splits.assign(manifest, fold=0)
            hand_over(run, cohort, cache.refused, rows, splits)
            save_thumbnails(run.path, cache, rows.loc[rows["role"] != "test", "image_id"])

        with run.step("train"):
            checkpoints = run.checkpoints(recipe, config.seed, rows)
            fitted = fit_image(cache, rows, cohort.labels, recipe, config.seed, checkpoints)
            run.record.resumed_from_epoch = fitted.resumed_from
        run.tracker.curves(fitted.curves, fitted.best_epoch)
        run.tracker.members([member.curves for member in fitted.members], fitted.best_epoch)
        with run.step("evaluate") as bar:
            draft = make_bundle(fitted.model, recipe, cohort, rows, splits, run.run_id)
            draft = with_threshold(draft, cache, rows, config.operating_point, config.seed)
            predictor = draft.save(run.bundle)
            bundle = predictor.bundle
            predictions = score_rows(predictor, cache, rows, config.seed, run.run_id, bar)
            test = predictions[predictions["role"] == "test"]
            metrics = evaluate(test, bundle.positive, bundle.threshold.operating_point)
            run.write_predictions(predictions, metrics)
            curve = learning_curve(
                cache, rows, recipe, predictions, bundle.positive, config.seed, bar
            )
            write_json(run.path / "learning_curve.json", curve.to_json())
            tested = rows[rows["role"] == "test"]
            warnings = source_warnings(images, tested["patient_id"].nunique(), cohort.notes)
            warnings += curve.warnings
            write_model_card(
                run.bundle,
                bundle,
                f"covidx P1: {bundle.positive} on {bundle.trained_on.modality}",
                use=CLASSIFIES_IMAGES,
                architecture=describe(bundle),
                inputs=bundle.trained_on.modality,
                preprocessing=preprocessing_lines(bundle),
                estimates=metrics.estimates,
                tested=tested_rows(metrics),
                limits=warnings,
            )
        with run.step("explain") as bar:
            cases = make_cases(
                predictor, cohort, cache, tested, metrics, run.path / "cases", bar,
                run=run.run_id, images=config.images,
            )  # fmt: skip
            record_exam(run.bundle, cases)
        with run.step("report"):
            write_report(
                run.path / "report.html",
                f"{pipeline}: {metrics.positive} against the rest",
                [*report_facts(run.record, cohort, rows, bundle, fitted), curve.fact],
                metrics,
                cases,
                figures=draw_figures(test, metrics, fitted, curve, rows, run.figures),
                warnings=warnings,
                predictive=predictive_rows(test, metrics),
                run=run.run_id,
            )
        return run.finish(
            bundle.sha256,
            metrics.estimates,
            warnings,
            [],
            metrics=metrics,
            artifacts=("learning_curve.json", "predictions.parquet"),
            model=lambda tracker: tracker.model(run.bundle, SERVED, bundle.classes),
        )
