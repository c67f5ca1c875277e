"""Learn the scores that readers gave radiographs (extent, opacity), from images to a report.

The method, in the order of a paper: cohort, scores, groups, the lungs' box, features, each patient
left out in turn, the model of all patients with its intervals.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.evaluate import Estimate
from covidx.evaluate.scores import (
    conformal_half_width,
    coverage_without,
    mean_error,
    score_estimates,
)
from covidx.ingest import Identities
from covidx.pipelines.card_warnings import card_warnings
from covidx.pipelines.cohort import ingest_source
from covidx.pipelines.handovers import trained_on
from covidx.pipelines.model_card import write_model_card
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.radiograph_severity.cases import severity_cases
from covidx.pipelines.radiograph_severity.config import TrainRadiographSeverity
from covidx.pipelines.radiograph_severity.features import Features, extract_features
from covidx.pipelines.radiograph_severity.scores import (
    annotated_boxes,
    frontal_radiographs,
    phantom_with_scores,
    readers_table,
    score_digests,
)
from covidx.pipelines.run import TrainedRun, TrainingRun, estimate_lines
from covidx.pipelines.source import Source
from covidx.radiograph_severity import (
    OutOfFold,
    RadiographNetwork,
    RadiographScore,
    RadiographSeverityBundle,
    RadiographSeverityPredictor,
    RadiographSeverityRecipe,
    choose,
    join_scores,
    leave_one_out,
    read_scores,
)
from covidx.radiograph_severity.bundle import Models
from covidx.report.severity import SeverityPage, write_severity_report
from covidx.runs import provenance
from covidx.tables import MANIFEST, RADIOGRAPH_SCORES, write_csv, write_table

PIPELINE = "train_radiograph_severity"
SHOWN = ("mae", "mae_control", "r2", "spearman", "kappa", "interval_coverage")


def train_radiograph_severity(
    config: TrainRadiographSeverity,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedRun:
    """Train a model of readers' severity scores.

    Parameters
    ----------
    config : TrainRadiographSeverity
        As ``train_radiograph_severity.yaml``.
    source : Source, optional
        Radiographs, scores and lung annotations; the phantom's by default.
    work, runs : Path
        Take the store; the run's folder and MLflow's database.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    if source is not None:
        source = replace(source, pictures=config.modality)
    images = source or phantom_with_scores(config.phantom, work, bars)
    table = readers_table(images)
    missing = () if source is None or source.card is None else source.card.missing
    scores_of = read_scores(table.path, table.columns, missing)
    names = list(table.columns.scores)
    with TrainingRun.open(PIPELINE, config, source, work=work, runs=runs, bars=bars) as run:
        with run.step("ingest"):
            store, ingested = ingest_source(images, work, bars)
            radiographs, notes = frontal_radiographs(ingested.manifest)
            write_table(radiographs, run.path / "manifest.parquet", MANIFEST)
            identities = Identities.for_card(images.card)
            radiographs, more = join_scores(
                radiographs, ingested.sources, scores_of, table.columns, identities
            )
            boxes = {}
            if table.masks is not None:
                boxes = annotated_boxes(radiographs, dict(ingested.sources), table.masks)
            digests = score_digests(images, table, radiographs, boxes)
        with run.step("features") as bar:
            features = extract_features(radiographs, boxes, store, names, bar)
        rows = features.rows
        scored_rows = rows[["image_id", "patient_id", *names]].assign(role="out-of-fold")
        run.learn_from(digests, images.name, scored_rows)
        limits = np.array([score.high for score in table.columns.scores.values()])
        scores, groups = rows[names].to_numpy(float), rows["group_id"].to_numpy(str)
        with run.step("leave one out") as bar:
            out_of_fold = leave_one_out(features.views, scores, groups, limits, bar)
        with run.step("evaluate"):
            metrics = {
                name: _metrics(config, scores[:, place], place, out_of_fold, groups)
                for place, name in enumerate(names)
            }
            predictions = _predictions(rows, names, out_of_fold)
            write_csv(predictions, run.path / "predictions.csv", RADIOGRAPH_SCORES)
            estimates = {f"{n}.{k}": one for n, part in metrics.items() for k, one in part.items()}
            run.write_estimates(estimates)
        with run.step("fit"):
            fitted = choose(features.views, scores, groups, limits)
            scored = [
                RadiographScore(
                    name=name,
                    high=float(limits[place]),
                    view=fitted[place][0].view,
                    model=fitted[place][0].model,
                    half_width=conformal_half_width(
                        out_of_fold.found[:, place] - scores[:, place], config.coverage
                    ),
                    mae=metrics[name]["mae"].value,
                )
                for place, name in enumerate(names)
            ]
            draft = _draft(images, features, scored, run, config)
            models = Models([model for _, model in fitted], features.finder)
            predictor = RadiographSeverityPredictor(draft, models, RadiographNetwork())
            bundle = predictor.save(run.bundle).bundle
        warnings = [*notes, *more, *features.notes, *card_warnings(images)]
        with run.step("report") as bar:
            write_model_card(
                run.bundle,
                bundle,
                f"covidx severity scores of radiographs: {' and '.join(names)}",
                use="Research on readers' severity scores: comparing methods, teaching, testing "
                "software. A predicted score is no reading, and must not inform care.",
                architecture=f"linear models of frozen features of {bundle.recipe.backbone}",
                inputs=bundle.trained_on.modality,
                preprocessing=[
                    "the box of the lungs, or the whole radiograph"
                    if bundle.lung_annotations
                    else "the whole radiograph",
                    "brightness and contrast of the display are removed",
                ],
                estimates=estimates,
                tested=f"{bundle.radiographs} radiographs, each by models without its patient",
                limits=warnings,
            )
            cases = severity_cases(
                run, store, rows, predictions, dict(zip(names, limits.tolist(), strict=True)),
                simulated=images.domain == "simulated", images=config.images, bar=bar,
            )  # fmt: skip
            page = SeverityPage(
                title=f"{PIPELINE}: scores of radiographs",
                warnings=warnings,
                metrics=metrics,
                choices=_choices(out_of_fold, names),
                facts=_facts(bundle, provenance(run.record, bundle.sha256)),
                coverage=config.coverage,
                cases=cases,
                run=run.run_id,
            )
            write_severity_report(run.path, page, scores, out_of_fold.found, limits)
        shown = {f"{n}.{key}": estimates[f"{n}.{key}"] for n in names for key in SHOWN}
        return run.finish(
            bundle.sha256,
            estimates,
            warnings,
            [
                f"each of {bundle.trained_on.patients['all']} patients left out in turn",
                *estimate_lines(shown),
            ],
            artifacts=("predictions.csv",),
        )


def _metrics(
    config: TrainRadiographSeverity,
    truth: NDArray[np.float64],
    place: int,
    out_of_fold: OutOfFold,
    groups: NDArray[np.str_],
) -> dict[str, Estimate]:
    """Of one score: the whole procedure, and with each view alone."""
    out, control = out_of_fold.found[:, place], out_of_fold.control[:, place]
    metrics = score_estimates(truth, out, control, groups, seed=config.seed)
    metrics["interval_coverage"] = coverage_without(
        out - truth, groups, config.coverage, config.seed
    )
    for view, values in out_of_fold.by_view.items():
        metrics[f"mae_{view}_alone"] = mean_error(values[:, place] - truth, groups, config.seed)
    return metrics


def _predictions(rows: pd.DataFrame, names: list[str], out_of_fold: OutOfFold) -> pd.DataFrame:
    """Scores of each radiograph by models without its patient, and the control's."""
    table = rows[["image_id", "patient_id", "group_id", *names]].copy()
    for place, name in enumerate(names):
        table[f"{name}_predicted"] = out_of_fold.found[:, place].round(3)
        table[f"{name}_median"] = out_of_fold.control[:, place]
    return table


def _draft(
    source: Source,
    features: Features,
    scored: list[RadiographScore],
    run: TrainingRun,
    config: TrainRadiographSeverity,
) -> RadiographSeverityBundle:
    """The bundle, before its hashes."""
    finder, rows = features.finder, features.rows
    trained = trained_on(source, rows, None, table_sha256=run.record.data["table_sha256"])
    patients = {"all": int(rows["group_id"].nunique())}
    return RadiographSeverityBundle(
        recipe=RadiographSeverityRecipe(coverage=config.coverage),
        trained_on=trained.model_copy(update={"patients": patients}),
        scores=scored,
        lung_sizes=None if finder is None else finder.sizes,
        lung_annotations=0 if finder is None else finder.radiographs,
        radiographs=len(rows),
        parity=[],
        run_id=run.run_id,
    )


def _choices(out_of_fold: OutOfFold, names: list[str]) -> list[tuple[str, str, str, int]]:
    """Score, view, model, and in how many of the rounds inner folds chose them."""
    rounds = Counter((names[p], one.view, one.model) for _, p, one in out_of_fold.choices)
    return [(score, view, model, n) for (score, view, model), n in rounds.most_common()]


def _facts(bundle: RadiographSeverityBundle, facts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What was done, in a few lines."""
    lungs = f"box by a linear model of {bundle.lung_annotations} radiographs of other patients"
    return [
        ("Data", f"{bundle.trained_on.dataset}, {bundle.trained_on.domain}"),
        ("Scored", f"{bundle.radiographs} of {bundle.trained_on.patients['all']} patients"),
        ("Lungs", lungs if bundle.lung_annotations else "not located: the whole radiograph"),
        ("Features", f"{bundle.recipe.backbone}, ImageNet weights, frozen"),
        *facts,
    ]
