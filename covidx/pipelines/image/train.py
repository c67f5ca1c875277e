"""Train, evaluate and explain an image classifier (CT or radiograph), from files to a report.

The method, in the order of a paper: cohort, labels, pre-processing, groups and splits, training,
operating point, test results, explanation. Everything is written below one run folder, and MLflow
is told the same.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from covidx.cohort import make_splits
from covidx.evaluate import Metrics, evaluate
from covidx.files import write_json
from covidx.imaging import build_cache, save_thumbnails
from covidx.inference import SERVED, predict_cache
from covidx.pipelines.grouping import group_prepared
from covidx.pipelines.handovers import write_tables
from covidx.pipelines.image.cases import make_cases
from covidx.pipelines.image.config import TrainImage
from covidx.pipelines.image.fit import fit_image, training_folder
from covidx.pipelines.image.results import (
    draw_figures,
    make_bundle,
    report_facts,
    report_warnings,
    with_threshold,
    write_image_model_card,
)
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.remembered import remember
from covidx.pipelines.sources import Source, link, phantom_source, read_source
from covidx.pipelines.telling import tell_bundle
from covidx.report import write_report
from covidx.runs import RunFolder
from covidx.tables import (
    PREDICTIONS,
    table_digest,
    write_table,
)
from covidx.tracking import tracked

__all__ = ["Trained", "train_image"]


@dataclass(frozen=True, eq=False)
class Trained:
    """Where the run lies, what it found on its test patients, what to know before reading it."""

    folder: Path
    metrics: Metrics
    warnings: list[str]


def train_image(
    config: TrainImage,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> Trained:
    """Run the whole pipeline.

    Parameters
    ----------
    config : TrainImage
    source : Source, optional
        Images, labels and card; the embedded phantom cohort if not given.
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
    run = RunFolder(pipeline, runs)
    with run.closing(), tracked(pipeline, run.run_id, runs) as tracker:
        run.record["config"] = config.model_dump(mode="json")
        run.record["mlflow_run_id"] = tracker.run_id
        # Sums over threads are rounded in another order by another number of threads.
        run.record["machine"]["threads"] = torch.get_num_threads()
        tracker.config(config.model_dump(mode="json"))

        with run.step("cohort"):
            given = source
            if source is None:
                source = phantom_source(work, config, bars)
        with run.step("ingest"):
            cohort = link(source, *read_source(source, work, bars), config.unmatched)
            cohort = cohort.only(*config.select(cohort.manifest))
            remember(run, work, given)
        recipe = config.recipe(cohort.manifest)
        with run.step("prepare"), bars("prepare") as bar:
            how = recipe.preprocessing
            cache = build_cache(cohort.store, cohort.manifest, how, work / "cache", progress=bar)
        with run.step("split"):
            manifest = group_prepared(cohort.manifest, cache, cohort.store)
            splits = make_splits(manifest, seed=config.seed, parts=config.parts)
            rows = splits.assign(manifest, fold=0)
            digests = write_tables(run, cohort, cache, rows, splits)
            seen = rows.loc[rows["role"] != "test", "image_id"]
            save_thumbnails(run.path, cache, seen)
        for role, part in rows.groupby("role"):
            tracker.dataset(part, cohort.source.name, table_digest(part), str(role))
        tracker.tags(digests)

        with run.step("train"):
            folder = training_folder(work, recipe, config.seed, rows, digests)
            fitted = fit_image(cache, rows, cohort.classes, recipe, config.seed, folder)
            shutil.rmtree(folder)
        tracker.curves(fitted.curves)
        with run.step("evaluate"), bars("evaluate") as bar:
            draft = make_bundle(fitted.model, recipe, cohort, rows, splits, run.run_id)
            draft = with_threshold(draft, cache, rows, config.operating_point)
            predictor = draft.save(run.path / "bundle")
            bundle = predictor.bundle
            predictions = predict_cache(predictor, cache, rows, run.run_id, bar)
            write_table(predictions, run.path / "predictions.parquet", PREDICTIONS)
            test = predictions[predictions["role"] == "test"]
            metrics = evaluate(test, cohort.classes.positive, bundle.threshold.operating_point)
            write_json(run.path / "metrics.json", metrics.to_json())
            write_json(run.path / "confusion.json", metrics.confusion_json())
            warnings = report_warnings(cohort, rows)
            write_image_model_card(run.path / "bundle", bundle, metrics, warnings)
        with run.step("explain"), bars("explain") as bar:
            shown = rows[rows["role"] == "test"]
            cases = make_cases(predictor, cohort, cache, shown, metrics, run.path / "cases", bar)
        with run.step("report"):
            figures = draw_figures(test, metrics, fitted, rows, run.path / "figures")
            facts = report_facts(run.record, cohort, rows, bundle, fitted)
            title = f"{pipeline}: {metrics.positive} against the rest"
            page = run.path / "report.html"
            write_report(page, title, facts, metrics, cases, figures=figures, warnings=warnings)
        run.record["resumed_from_epoch"] = fitted.resumed_from
        tell_bundle(tracker, run, bundle.sha256, metrics.estimates)
        tracker.model(run.path / "bundle", SERVED, bundle.classes)
        tracker.files(run.path / "figures", "figures")
        tracker.files(run.path / "cases", "cases")
        for name in ("report.html", "metrics.json", "predictions.parquet"):
            tracker.file(run.path / name)
    return Trained(run.path, metrics, warnings)
