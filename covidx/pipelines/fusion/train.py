"""Train and evaluate P3: the image arm and the clinical arm of the same patients, fused.

The method, in the order of a paper: cohort of both arms, one division of the patients, P1, P2,
their scores of training patients unseen, fusions and their choice on validation patients, what each
arm adds on the same test patients, what a missing arm costs, what moved each score.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from covidx.clinical import read_rows
from covidx.evaluate import Metrics
from covidx.files import sha256_file
from covidx.fusion import (
    IMAGE_FOLDER,
    Arms,
    ImageTraining,
    JointFusion,
    OutOfFold,
    make_arms,
    read_images,
)
from covidx.imaging import build_cache, save_thumbnails
from covidx.inference import SERVED, ImagePredictor
from covidx.pipelines.fusion.arms import ClinicalArm, ImageTrainer, train_clinical_arm
from covidx.pipelines.fusion.card import write_fusion_model_card
from covidx.pipelines.fusion.choice import Candidate, choose, fit_candidate, save_p3
from covidx.pipelines.fusion.cohort import join_arms, labelled, need_both
from covidx.pipelines.fusion.config import FusionSource, TrainFusion, phantom_arms
from covidx.pipelines.fusion.figures import draw_fusion_figures, facts_of, warnings_of
from covidx.pipelines.fusion.results import KINDS, judge, scores_by_arm
from covidx.pipelines.grouping import group_prepared
from covidx.pipelines.handovers import write_tables
from covidx.pipelines.image.fit import training_folder
from covidx.pipelines.image.results import make_bundle, with_threshold
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.remembered import remember
from covidx.pipelines.sources import link, read_source
from covidx.pipelines.telling import tell_bundle
from covidx.report.fusion import ArmLine, FusionPage, write_fusion_report
from covidx.runs import RunFolder
from covidx.tables import CLINICAL, table_digest, write_table
from covidx.tracking import tracked

__all__ = ["TrainedFusion", "train_fusion"]

HOW_TOLD = {
    False: "Exact: the score is a logistic regression on what the arms said, each told against its "
    "mean over the training patients.",
    True: "Shapley values of the two arms: the mean of what each adds to no arm and to the other.",
}
"""By whether P3 is a network."""


@dataclass(frozen=True, eq=False)
class TrainedFusion:
    """Where the run lies, what P3 found beside its arms, what to know before reading it."""

    folder: Path
    metrics: Metrics
    arms: list[ArmLine]
    missing: dict[str, Metrics]
    warnings: list[str]


def train_fusion(
    config: TrainFusion,
    source: FusionSource | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedFusion:
    """Run the whole pipeline.

    Parameters
    ----------
    config : TrainFusion
    source : FusionSource, optional
        Images, clinical table, labels and card; the embedded phantom cohort if not given.
    work, runs : Path
        Take stores and caches; the run's folder and MLflow's database.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    run = RunFolder("train_fusion", runs)
    with run.closing(), tracked("train_fusion", run.run_id, runs) as tracker:
        said = config.model_dump(mode="json")
        run.record |= {"config": said, "mlflow_run_id": tracker.run_id}
        run.record["machine"]["threads"] = torch.get_num_threads()
        tracker.config({**said, "recipes": {r.name: r.kind for r in config.recipes}})
        how_image, how_clinical = config.image_config, config.clinical_config
        with run.step("cohort"):
            given = source
            source = source or phantom_arms(work, config, bars)
            table = source.clinical
            rows = read_rows(
                table.table, table.card, labels=table.labels, features=how_clinical.features
            )
        with run.step("ingest"):
            store, ingested = read_source(source.image, work, bars)
            cohort = link(source.image, store, labelled(ingested, rows), "exclude")
            cohort = cohort.only(*how_image.select(cohort.manifest))
            remember(run, work, given)
        recipe = how_image.recipe(cohort.manifest)
        with run.step("prepare"), bars("prepare") as bar:
            cache = build_cache(
                cohort.store, cohort.manifest, recipe.preprocessing, work / "cache", progress=bar
            )
        with run.step("split"):
            manifest = group_prepared(cohort.manifest, cache, cohort.store)
            joined = join_arms(manifest, rows, seed=config.seed, parts=config.parts)
            need_both(joined, config.recipes)
            digests = write_tables(run, cohort, cache, joined.images, joined.splits)
            digests |= {"table_sha256": sha256_file(table.table), "domain": table.card.domain}
            values = joined.rows.table[["patient_id", *joined.rows.names]]
            write_table(values, run.path / "clinical.parquet", CLINICAL)
            images = joined.images
            seen = images.loc[images["role"] != "test", "image_id"]
            save_thumbnails(run.path, cache, seen)
        tracker.tags(digests)
        for role, part in joined.patients.groupby("role"):
            tracker.dataset(part, cohort.source.name, table_digest(part), str(role))

        trainer = ImageTrainer(cohort, cache, recipe, joined, digests, config.seed, work)
        with run.step("train P1"):
            fitted = trainer.whole()
            draft = make_bundle(fitted.model, recipe, cohort, images, joined.splits, run.run_id)
            draft = with_threshold(draft, cache, images, config.operating_point)
            image = draft.save(run.path / "bundle" / IMAGE_FOLDER)
            image_unseen = trainer.unseen(config.inner_folds, bars)
        tracker.curves(fitted.curves)
        with run.step("train P2"):
            clinic = train_clinical_arm(how_clinical, joined, config.inner_folds, bars)
        with run.step("fuse"), bars("read images") as bar:
            place = image.bundle.classes.index(image.bundle.positive)
            by_image = read_images(image.model, cache, images, place, bar)
            scale = trainer.scale(by_image)
            arms = make_arms(
                joined.patients,
                by_image.calibrated(scale),
                joined.rows.table.set_index("patient_id")[joined.rows.names],
                clinic.models,
            )
            candidates = _candidates(config, arms, image, image_unseen, clinic, trainer)
            positive = joined.rows.classes.positive
            chosen, aurocs = choose(candidates, positive)
            facts = {"run_id": run.run_id, "patient_column": _patient_column(source), **digests}
            bundle_folder = run.path / "bundle"
            predictor = save_p3(
                bundle_folder,
                chosen,
                clinic,
                (image, scale),
                joined,
                facts,
                config.operating_point,
            )
            bundle = predictor.bundle
            trainer.forget()
        with run.step("evaluate"):
            others = [one for one in candidates if one is not chosen]
            scored = scores_by_arm(predictor, chosen.arms, others, clinic, by_image)
            found = judge(run, predictor, chosen.arms, scored, joined, config.operating_point)
        with run.step("report"):
            warnings = warnings_of(cohort, joined, found.arms, clinic.control is None)
            page = FusionPage(
                f"train_fusion: {positive} against the rest",
                warnings,
                found.arms,
                found.missing,
                found.moved,
                HOW_TOLD[isinstance(predictor.fuser, JointFusion)],
                draw_fusion_figures(run.path / "figures", found.arms, found.moved),
                facts_of(run.record, joined, bundle, aurocs),
            )
            write_fusion_report(run.path / "report.html", page, found.metrics)
            what = KINDS[bundle.recipe.kind]
            write_fusion_model_card(bundle_folder, predictor, what, found.metrics, warnings)
        tell_bundle(tracker, run, bundle.sha256, found.metrics.estimates)
        for line in found.arms:
            tracker.estimates({f"{line.name}.auroc": line.metrics["auroc"]})
        columns = {"path": "string", **predictor.rows.input_types}
        tracker.model(bundle_folder, SERVED, bundle.classes, columns, told=["arms_used"])
        tracker.files(run.path / "figures", "figures")
        tracker.files(run.path / "evaluation", "evaluation")
        for name in ("report.html", "metrics.json", "arms.json", "predictions.parquet"):
            tracker.file(run.path / name)
    return TrainedFusion(run.path, found.metrics, found.arms, found.missing, warnings)


def _patient_column(source: FusionSource) -> str | None:
    how = source.clinical.card.clinical
    return None if how is None else how.patient


def _candidates(
    config: TrainFusion,
    arms: Arms,
    image: ImagePredictor,
    image_unseen: OutOfFold,
    clinic: ClinicalArm,
    trainer: ImageTrainer,
) -> list[Candidate]:
    """Fit every recipe on the same patients."""
    images, positive = trainer.joined.images, image.bundle.positive
    assert trainer.recipe.learning is not None  # only an upgraded bundle lacks it
    numbers = {name: number for number, name in enumerate(image.bundle.classes)}
    classes = images.drop_duplicates("patient_id").set_index("patient_id")["label"].map(numbers)
    place, how = numbers[positive], trainer.recipe.learning
    more = ImageTraining(image.model, trainer.cache, images, classes, place, how)
    digests = {**trainer.digests, "p1": image.bundle.sha256}
    found = []
    for recipe in config.recipes:
        folder = training_folder(trainer.work, recipe, config.seed, images, digests)
        unseen = (image_unseen, clinic)
        found.append(fit_candidate(recipe, arms, positive, unseen, more, config.seed, folder))
        if recipe.learning is not None:
            trainer.folders.append(folder)
    return found
