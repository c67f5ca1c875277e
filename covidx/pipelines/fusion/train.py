"""Train and evaluate P3: the image arm and the clinical arm of the same patients, fused.

The method, in the order of a paper: cohort of both arms, one division of the patients, P1, P2,
their out-of-fold scores of training patients, fusions and their choice on out-of-fold scores, what
each arm adds on the same test patients, what a missing arm costs, contributions to each score.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from covidx.clinical import ClinicalRows, read_rows
from covidx.files import sha256_file
from covidx.fusion import (
    IMAGE_FOLDER,
    CrossFittedArms,
    FusionPredictor,
    ImageTraining,
    JointFusion,
    cross_fit_arms,
)
from covidx.imaging import build_cache, save_thumbnails, thumbnails
from covidx.inference import SERVED, ImagePredictor
from covidx.models import BagEnsemble
from covidx.pipelines.cohort import ingest_source, link_labels
from covidx.pipelines.fusion.arms import ClinicalArm, ImageTrainer, train_clinical_arm
from covidx.pipelines.fusion.cases import fusion_cases, scores_of_patients
from covidx.pipelines.fusion.choice import Candidate, choose, fit_candidate, save_p3
from covidx.pipelines.fusion.cohort import join_arms, labelled, need_both
from covidx.pipelines.fusion.config import TrainFusion, with_clinical_table
from covidx.pipelines.fusion.figures import draw_fusion_figures, facts_of, warnings_of
from covidx.pipelines.fusion.results import KINDS, control_arm, judge, scores_by_arm
from covidx.pipelines.grouping import group_prepared
from covidx.pipelines.handovers import hand_over
from covidx.pipelines.image.results import (
    describe,
    make_bundle,
    preprocessing_lines,
    with_threshold,
)
from covidx.pipelines.limits import record_exam
from covidx.pipelines.model_card import CLASSIFIES_PATIENTS, tested_rows, write_model_card
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.run import TrainedRun, TrainingRun, estimate_lines
from covidx.pipelines.source import Source, phantom_source
from covidx.report.fusion import FusionResults, write_fusion_report
from covidx.tables import CLINICAL, write_table

PIPELINE = "train_fusion"
CONTRIBUTIONS = {
    False: "Exact: the score is a logistic regression on the log odds of the arms, each against "
    "its mean over the training patients.",
    True: "Shapley values of the two arms: the mean of what each adds to no arm and to the other.",
}
"""How contributions are computed, by whether P3 is a network."""


def train_fusion(
    config: TrainFusion,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedRun:
    """Train P3 and its arms.

    Parameters
    ----------
    config : TrainFusion
        As ``train_fusion.yaml``.
    source : Source, optional
        Images, clinical table, labels and card; the embedded phantom cohort by default.
    work, runs : Path
        Take stores and caches; the run's folder and MLflow's database.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    p2 = config.clinical_config
    named = None if source is None else with_clinical_table(source)
    both = named or phantom_source(config.image, config.phantom, work, bars)
    assert both.table is not None and both.card is not None and both.card.clinical is not None
    rows = read_rows(
        both.table,
        both.card,
        labels=None if both.labels is None else both.label_rows,
        features=p2.features,
        label_map=both.label_map,
    )
    kinds = {recipe.name: recipe.kind for recipe in config.recipes}
    parameters = config.model_dump(mode="json") | {"recipes": kinds}
    with TrainingRun.open(
        PIPELINE, config, named, work=work, runs=runs, bars=bars, parameters=parameters
    ) as run:
        trainer = _prepare(run, config, both, rows)
        joined, cache = trainer.joined, trainer.cache
        images, classes = joined.images, joined.rows.classes
        with run.step("train P1"):
            fitted = trainer.fit()
            draft = make_bundle(
                fitted.model, trainer.recipe, trainer.cohort, images, joined.splits, run.run_id
            )
            draft = with_threshold(draft, cache, images, config.operating_point, config.seed)
            image = draft.save(run.bundle / IMAGE_FOLDER)
        run.tracker.curves(fitted.curves, fitted.best_epoch)
        run.tracker.members([member.curves for member in fitted.members], fitted.best_epoch)
        with run.step("train P2"):
            clinical = train_clinical_arm(p2, joined.rows, bars)
        with run.step("fuse") as bar:
            how = {"seed": config.seed, "folds": config.inner_folds}
            crossed = cross_fit_arms(
                joined.patients,
                image,
                cache,
                images,
                joined.rows,
                clinical.models,
                **how,
                progress=bar,
            )
            candidates = _candidates(config, crossed, image, clinical, trainer)
            chosen, aurocs = choose(candidates, classes.positive)
            facts = {
                "run_id": run.run_id,
                "patient_column": both.card.clinical.patient,
                "missing": both.card.missing,
            }
            predictor = save_p3(
                run.bundle,
                chosen,
                clinical,
                (image, crossed.scale),
                joined,
                facts | run.record.data,
                config.operating_point,
            )
        with run.step("evaluate"):
            others = [candidate for candidate in candidates if candidate is not chosen]
            control = control_arm(clinical.control, chosen.arms, joined.rows, **how)
            scored = scores_by_arm(predictor, chosen, others, clinical, crossed.own, control)
            results = judge(run, predictor, chosen.arms, scored, joined, config.operating_point)
        with run.step("explain") as bar:
            method = CONTRIBUTIONS[isinstance(predictor.fuser, JointFusion)]
            tested = images[images["role"] == "test"]
            scores = scores_of_patients(chosen.arms.patients, scored)
            cases = fusion_cases(
                run, predictor, trainer.cohort, cache, tested, scores, results, method,
                config.image_config.images, bar,
            )  # fmt: skip
            record_exam(run.bundle, cases)
        with run.step("report"):
            warnings = warnings_of(trainer.cohort, joined, results.arms, clinical.control is None)
            write_fusion_report(
                run.path / "report.html",
                f"{PIPELINE}: {classes.positive} against the rest",
                results,
                cases,
                method=method,
                figures=draw_fusion_figures(run.figures, results.arms, results.contributions),
                facts=facts_of(run.record, joined, predictor.bundle, aurocs),
                warnings=warnings,
                run=run.run_id,
            )
            _write_card(run, predictor, results, warnings)
        of_arms = {f"{line.name}.auroc": line.metrics["auroc"] for line in results.arms}
        run.tracker.estimates(of_arms)
        inputs = {"path": "string", **predictor.rows.input_types}
        return run.finish(
            predictor.bundle.sha256,
            results.metrics.estimates,
            warnings,
            _closing_lines(results),
            metrics=results.metrics,
            artifacts=("evaluation", "arms.json", "predictions.parquet"),
            model=lambda tracker: tracker.model(
                run.bundle, SERVED, predictor.bundle.classes, inputs, columns_of_text=["arms_used"]
            ),
        )


def _prepare(
    run: TrainingRun, config: TrainFusion, both: Source, rows: ClinicalRows
) -> ImageTrainer:
    """Images and clinical rows of the same patients, prepared and divided once for both arms."""
    p1 = config.image_config
    images_alone = replace(both, table=None, pictures=p1.modality)
    assert both.table is not None and both.card is not None
    with run.step("ingest"):
        store, ingested = ingest_source(images_alone, run.work, run.bars)
        cohort = link_labels(images_alone, store, labelled(ingested, rows), "exclude")
        cohort = cohort.only(*p1.select(cohort.manifest))
    recipe = p1.recipe(cohort.manifest).with_members(config.inner_folds)
    with run.step("prepare") as bar:
        cache = build_cache(
            cohort.store, cohort.manifest, recipe.preprocessing, run.work / "cache", progress=bar
        )
    with run.step("split"):
        manifest = group_prepared(
            cohort.manifest, thumbnails(cache, cache.index), cache.refused, cohort.store
        )
        joined = join_arms(manifest, rows, seed=config.seed, parts=config.parts)
        need_both(joined, config.inner_folds)
        images = joined.images
        more = {"table_sha256": sha256_file(both.table), "domain": both.card.domain}
        hand_over(run, cohort, cache.refused, images, joined.splits, **more)
        values = joined.rows.table[["patient_id", *joined.rows.names]]
        write_table(values, run.path / "clinical.parquet", CLINICAL)
        save_thumbnails(run.path, cache, images.loc[images["role"] != "test", "image_id"])
    return ImageTrainer(cohort, cache, recipe, joined, config.seed, run)


def _write_card(
    run: TrainingRun, predictor: FusionPredictor, results: FusionResults, warnings: list[str]
) -> None:
    bundle, image = predictor.bundle, predictor.image.bundle
    columns = [f"{c.name}{f' ({c.unit})' if c.unit else ''}" for c in predictor.rows.columns]
    arms_used = f"P1 {describe(image)}, P2 {', '.join(bundle.clinical_sha256)}"
    inputs = f"{image.trained_on.modality} and clinical rows"
    write_model_card(
        run.bundle,
        bundle,
        f"covidx P3: {bundle.positive} on {inputs}",
        use=CLASSIFIES_PATIENTS,
        architecture=f"{KINDS[bundle.recipe.kind]}; {arms_used}",
        inputs=inputs,
        preprocessing=[
            *(f"image, {line}" for line in preprocessing_lines(image)),
            f"clinical row, as the training table: {', '.join(columns)}",
        ],
        estimates=results.metrics.estimates,
        tested=tested_rows(results.metrics),
        limits=warnings,
    )


def _closing_lines(results: FusionResults) -> list[str]:
    """Each arm's AUROC, P3 minus it, and P3's without an arm, for the terminal."""
    of_arms = {line.name: line.metrics["auroc"] for line in results.arms}
    minus = {
        f"p3 minus {line.name}": line.against.differences["auroc"]
        for line in results.arms
        if line.against is not None
    }
    without = {name: metrics["auroc"] for name, metrics in results.missing.items()}
    return [
        "",
        "  arm                   AUROC on the same test patients; P3 minus it",
        *estimate_lines(of_arms | minus, width=21),
        "",
        "  available to P3          AUROC on the test patients who have both",
        *estimate_lines(without, width=24),
    ]


def _candidates(
    config: TrainFusion,
    crossed: CrossFittedArms,
    image: ImagePredictor,
    clinical: ClinicalArm,
    trainer: ImageTrainer,
) -> list[Candidate]:
    """Fit every recipe on the same patients."""
    assert trainer.recipe.learning is not None  # only an upgraded bundle lacks it
    assert isinstance(image.model, BagEnsemble)  # `ImageRecipe.with_members`
    images, positive = trainer.joined.images, image.bundle.positive
    numbers = {name: number for number, name in enumerate(image.bundle.classes)}
    classes = images.drop_duplicates("patient_id").set_index("patient_id")["label"].map(numbers)
    training = ImageTraining(
        image.model, trainer.cache, images, classes, numbers[positive], trainer.recipe.learning
    )
    candidates = []
    for recipe in config.recipes:
        folder = trainer.run.checkpoints(recipe, config.seed, images, image.bundle.sha256)
        how = {"seed": config.seed, "folds": config.inner_folds}
        candidates.append(
            fit_candidate(recipe, crossed, positive, clinical, training, folder, **how)
        )
    return candidates
