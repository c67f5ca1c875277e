"""A kind of model that is added from outside of covidx: it scores an image by its mean grey."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field

from covidx.audit.run import RunParts
from covidx.bundles import BundleFile, Threshold, read_bundle
from covidx.cohort import group_images, make_splits
from covidx.config import Config
from covidx.evaluate import OperatingRule, evaluate
from covidx.files import replacing
from covidx.imaging import Bag, BagCache, Preprocessing, build_cache, prepare
from covidx.inference import SERVED, Prediction
from covidx.inference.image import parity_bags
from covidx.inference.predictor import ImageInputPredictor, decided
from covidx.ingest.records import ReadImage
from covidx.kinds import ModelKind, Training
from covidx.pipelines.cohort import check_source, ingest_source, link_labels
from covidx.pipelines.handovers import hand_over, source_warnings, trained_on
from covidx.pipelines.progress import Bars, silent
from covidx.pipelines.run import TrainedRun, TrainingRun
from covidx.pipelines.source import PhantomCohort, Source, phantom_source
from covidx.report import write_report

SETTINGS = Path(__file__).with_name("toy_kind.yaml")


class ToyRecipe(Config):
    """Preprocessing, architecture (one line) and learning (how steep it is)."""

    preprocessing: Preprocessing
    steepness: float


class TrainToy(Config):
    """``toy_kind.yaml``."""

    seed: int
    phantom: PhantomCohort
    parts: int
    operating_point: OperatingRule
    recipe: ToyRecipe


class ToyBundle(BundleFile):
    """``bundle.json``: everything there is."""

    schema_version: int = 1
    kind: Literal["toy"] = "toy"
    recipe: ToyRecipe
    middle: float
    parity: list[float] = Field(default_factory=list)


@dataclass(frozen=True, eq=False)
class ToyPredictor(ImageInputPredictor):
    """A bundle in memory."""

    bundle: ToyBundle

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> Self:
        """Read a bundle, and prove that it gives what it gave."""
        bundle = read_bundle(folder, ToyBundle)
        predictor = cls(bundle)
        bundle.need_parity(folder, predictor.parity(), bundle.parity, 1e-9)
        return predictor

    def save(self, folder: Path) -> Self:
        """Write the bundle, and read it back."""
        folder.mkdir(parents=True)
        self.bundle.model_copy(update={"parity": self.parity()}).write(folder)
        return self.load(folder)

    def parity(self) -> list[float]:
        """Scores of synthetic images."""
        return [self.score(bag) for bag in parity_bags(self.bundle.recipe.preprocessing)]

    def score(self, bag: Bag) -> float:
        """Probability of the positive class: the brighter, the higher."""
        distance = float(bag.pixels.mean()) - self.bundle.middle
        return 1 / (1 + math.exp(-self.bundle.recipe.steepness * distance))

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """The draft, with probabilities and a decision."""
        return decided(self.bundle, draft, self.probabilities(self._prepared(image)))

    def _prepared(self, image: ReadImage) -> Bag:
        return prepare(image.volume, self.bundle.recipe.preprocessing)

    def probabilities(self, bag: Bag) -> dict[str, float]:
        """Class -> probability; what is not positive shares the rest."""
        score, classes = self.score(bag), self.bundle.classes or []
        others = [name for name in classes if name != self.bundle.positive]
        return {n: score if n not in others else (1 - score) / len(others) for n in classes}


def predictions_of(
    predictor: ToyPredictor, cache: BagCache, rows: pd.DataFrame, run_id: str
) -> pd.DataFrame:
    """Rows for `tables.PREDICTIONS`."""
    bundle, table = predictor.bundle, []
    for row in rows.to_dict("records"):
        probabilities = predictor.probabilities(cache.bag(str(row["image_id"])))
        table.append(
            {name: row[name] for name in ("patient_id", "group_id", "fold", "role", "label")}
            | {"run_id": run_id, "arm": "toy", "arms_used": "toy", "level": "patient"}
            | {"unit_id": row["patient_id"], "bundle_sha256": bundle.sha256}
            | {"split_sha256": bundle.trained_on.split_sha256}
            | {f"prob_{name}": value for name, value in probabilities.items()}
        )
    return pd.DataFrame(table)


def train_toy(
    config: TrainToy,
    source: Source | None = None,
    *,
    work: Path = Path("data"),
    runs: Path = Path("runs"),
    bars: Bars = silent,
) -> TrainedRun:
    """Train it: cohort, pre-processing, splits, one number, threshold, test results."""
    if source is not None:
        check_source(source, config.parts)
    with TrainingRun.open("train_toy", config, source, work=work, runs=runs, bars=bars) as run:
        images = source or phantom_source("ct", config.phantom, work, bars)
        cohort = link_labels(images, *ingest_source(images, work, bars), "refuse")
        with run.step("prepare") as bar:
            cache = build_cache(
                cohort.store,
                cohort.manifest,
                config.recipe.preprocessing,
                work / "cache",
                progress=bar,
            )
        manifest = group_images(cohort.manifest)
        splits = make_splits(manifest, seed=config.seed, parts=config.parts)
        rows = splits.assign(manifest, fold=0)
        hand_over(run, cohort, cache.refused, rows, splits)
        with run.step("train"):
            train = rows.loc[rows["role"] == "train", "image_id"]
            middle = float(np.mean([cache.bag(image).pixels.mean() for image in train]))
        classes = cohort.labels
        bundle = ToyBundle(
            recipe=config.recipe,
            middle=middle,
            classes=list(classes.names),
            positive=classes.positive,
            threshold=Threshold(value=0.5, rule="none", origin="not chosen yet"),
            trained_on=trained_on(images, rows, splits, classes.names),
            run_id=run.run_id,
        )
        validation = rows[rows["role"] == "validation"]
        scored = predictions_of(ToyPredictor(bundle), cache, validation, run.run_id)
        point = config.operating_point.choose(scored, classes.positive)
        bundle = bundle.model_copy(update={"threshold": Threshold.of(point)})
        predictor = ToyPredictor(bundle).save(run.bundle)
        predictions = predictions_of(predictor, cache, rows, run.run_id)
        test = predictions[predictions["role"] == "test"]
        metrics = evaluate(test, classes.positive, point)
        run.write_predictions(predictions, metrics)
        warnings = source_warnings(images, len(test), cohort.notes)
        write_report(
            run.path / "report.html", "train_toy", [], metrics, [], figures=[], warnings=warnings
        )
        with replacing(run.bundle / "MODEL_CARD.md") as card:
            card.write_text("# A toy\n")
        return run.finish(
            predictor.bundle.sha256,
            metrics.estimates,
            warnings,
            [],
            metrics=metrics,
            artifacts=("predictions.parquet",),
            model=lambda tracker: tracker.model(run.bundle, SERVED, list(classes.names)),
        )


def rescore_toy(run: RunParts, predictor: ToyPredictor, cache: BagCache) -> pd.DataFrame:
    """Score the rows of a run again, for its audit."""
    assert run.manifest is not None
    rows = run.manifest.assign(fold=0, role="test")
    scored = predictions_of(predictor, cache, rows, run.record.run_id)
    return scored.drop(columns=["fold", "role", "label", "run_id"])


KIND = ModelKind(
    "toy",
    (
        Training(
            "toy",
            "A toy: images in; one number out.",
            "tests.toy_kind:TrainToy",
            "tests.toy_kind:SETTINGS",
            ("labels", "positive"),
        ),
    ),
    train="tests.toy_kind:train_toy",
    bundle="tests.toy_kind:ToyBundle",
    predictor="tests.toy_kind:ToyPredictor",
    files=("manifest.parquet", "splits.parquet", "splits.json", "confusion.json"),
    tables={"predictions.parquet": ("arm", "fold", "role", "unit_id")},
    arm="toy",
    rescore="tests.toy_kind:rescore_toy",
)
