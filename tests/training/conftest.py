"""A cache, a bundle and a predictor that take no time to make."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from covidx.imaging import BagCache, Preprocessing
from covidx.models import Architecture, BagClassifier
from covidx.training import Bundle, Predictor, Threshold, TrainedOn, parity_bags, save_bundle

TINY = Architecture(backbone="test_efficientnet", top_k=2)
HOW = Preprocessing(slices=4, rows=32, columns=48)
CLASSES = ["normal", "other", "covid-19"]


@pytest.fixture(autouse=True)
def key(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the user's own key."""
    path = tmp_path_factory.mktemp("key") / "key"
    monkeypatch.setenv("COVIDX_KEY", str(path))
    return path


def make_cache(folder: Path, bags: int = 10, slices: int = 3) -> BagCache:
    """Bags of noise; every second one, of class 1, has a bright square in each slice."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    pixels = chance.integers(60, 120, (bags * slices, 32, 32)).astype(np.uint8)
    for bag in range(1, bags, 2):
        pixels[bag * slices : (bag + 1) * slices, 4:14, 4:14] = 230
    np.save(folder / "pixels.npy", pixels)
    index = {
        f"i{bag}": {
            "rows": [bag * slices, (bag + 1) * slices],
            "slices": list(range(slices)),
            "box": [0, 32, 0, 32],
        }
        for bag in range(bags)
    }
    (folder / "index.json").write_text(json.dumps({"index": index, "refused": {}}))
    return BagCache(folder, index, {})


def make_rows(bags: int = 10) -> pd.DataFrame:
    """What goes with `make_cache`: six to train on, the others to validate."""
    return pd.DataFrame(
        {
            "image_id": [f"i{bag}" for bag in range(bags)],
            "patient_id": [f"p{bag}" for bag in range(bags)],
            "group_id": [f"p{bag}" for bag in range(bags)],
            "label": ["well", "sick"] * (bags // 2),
            "fold": 0,
            "role": ["train"] * (bags - 4) + ["validation"] * 4,
        }
    )


def make_bundle(**change: object) -> Bundle:
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
    return Bundle(
        architecture=TINY,
        preprocessing=HOW,
        classes=CLASSES,
        positive="covid-19",
        threshold=Threshold(value=0.35, rule="youden", origin="validation, n = 9 (4 positive)"),
        trained_on=seen,
        run_id="run",
    ).model_copy(update=change)


def make_predictor(bundle: Bundle | None = None) -> Predictor:
    """Random weights, the same each time."""
    bundle = bundle or make_bundle()
    torch.manual_seed(3)
    model = BagClassifier(bundle.architecture, len(bundle.classes), pretrained=False).eval()
    with torch.no_grad():
        model.head.weight.mul_(20)  # so that scores differ from bag to bag
    return Predictor(bundle, model.to(memory_format=torch.channels_last))


def write(folder: Path, predictor: Predictor) -> Bundle:
    """Save with the parity cases scored as a pipeline does."""
    cases = parity_bags(predictor.bundle.preprocessing)
    expected = np.stack([predictor.score(bag).probabilities for bag in cases])
    return save_bundle(folder, predictor.bundle, predictor.model, expected)
