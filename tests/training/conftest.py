"""A cache of bags, and its rows, that take no time to make."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.imaging import BagCache
from covidx.models import Architecture

TINY = Architecture(backbone="test_efficientnet", top_k=2)


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
