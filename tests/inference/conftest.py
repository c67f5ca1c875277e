"""A bundle and a predictor that take no time to make."""

from __future__ import annotations

from pathlib import Path

import torch

from covidx.imaging import Preprocessing
from covidx.inference import ImageBundle, ImagePredictor, ImageRecipe, Threshold, TrainedOn
from covidx.models import BagClassifier
from tests.training.conftest import TINY, key, make_cache, make_rows

__all__ = [
    "CLASSES",
    "HOW",
    "key",
    "make_bundle",
    "make_cache",
    "make_predictor",
    "make_rows",
    "write",
]

HOW = Preprocessing(slices=4, rows=32, columns=48)
CLASSES = ["normal", "other", "covid-19"]


def make_bundle(**change: object) -> ImageBundle:
    """A bundle of three classes, simulated CT volumes of 5 to 7 mm."""
    seen = TrainedOn(
        dataset="phantom",
        domain="simulated",
        card_sha256=None,
        manifest_sha256="m",
        split_sha256="s",
        patients={"normal": 3, "other": 2, "covid-19": 4},
        modalities=["CT"],
        kind="volume",
        units="hu",
        manufacturers=["covidx phantom A"],
        slice_thickness_mm=(5.0, 7.0),
    )
    return ImageBundle(
        recipe=ImageRecipe(preprocessing=HOW, architecture=TINY),
        classes=CLASSES,
        positive="covid-19",
        threshold=Threshold(value=0.35, rule="youden", origin="validation, n = 9 (4 positive)"),
        trained_on=seen,
        run_id="run",
    ).model_copy(update=change)


def make_predictor(bundle: ImageBundle | None = None) -> ImagePredictor:
    """Random weights, the same each time."""
    bundle = bundle or make_bundle()
    torch.manual_seed(3)
    model = BagClassifier(bundle.recipe.architecture, len(bundle.classes), pretrained=False).eval()
    with torch.no_grad():
        model.head.weight.mul_(20)  # so that scores differ from bag to bag
    return ImagePredictor(bundle, model.to(memory_format=torch.channels_last))


def write(folder: Path, predictor: ImagePredictor) -> ImageBundle:
    """Save as a pipeline does."""
    return predictor.save(folder).bundle
