"""Controls see what they should see, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.controls import (
    border_features,
    histogram_features,
    metadata_features,
    run_control,
)
from covidx.cohort import make_splits
from covidx.evaluate import mean_of_folds_auroc

ROWS = 120


@pytest.fixture
def manifest() -> pd.DataFrame:
    """Two classes of which one is mostly JPEG; two images a group."""
    chance = np.random.default_rng(3)
    label = np.array(["covid-19", "non-covid"])[np.arange(ROWS) // 2 % 2]
    jpeg = (label == "non-covid") & (chance.random(ROWS) < 0.8)
    return pd.DataFrame(
        {
            "image_id": [f"i{k:03d}" for k in range(ROWS)],
            "patient_id": [f"p{k // 2:03d}" for k in range(ROWS)],
            "group_id": [f"g{k // 2:03d}" for k in range(ROWS)],
            "label": label,
            "source_format": np.where(jpeg, "JPEG", "PNG"),
            "mode": "L",
            "rows": chance.integers(100, 400, ROWS),
            "columns": chance.integers(100, 400, ROWS),
        }
    )


def test_a_planted_shortcut_is_found_and_noise_is_not(
    manifest: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.controls.TREES", 30)
    splits = make_splits(manifest, seed=0, parts=5, folds=5)
    truth = (manifest["label"] == "covid-19").to_numpy()
    noise = np.random.default_rng(1).standard_normal((ROWS, 3))
    values = []
    for features in (metadata_features(manifest), noise):
        found = run_control(features, manifest, splits, "covid-19", seed=0)
        assert sorted(found.chosen) == [0, 1, 2, 3, 4]
        for name, aurocs in found.chosen.values():
            assert aurocs[name] == max(aurocs.values())
        for fold in splits.folds:
            tested = splits.assign(manifest, fold)["role"].to_numpy() == "test"
            assert ((found.folds == fold) == tested).all()
        groups = manifest["group_id"].to_numpy()
        auroc = mean_of_folds_auroc(found.scores, truth, groups, found.folds, resamples=50)
        values.append(auroc.value)
    assert values[0] > 0.8 and 0.3 < values[1] < 0.7


def test_test_rows_do_not_shape_their_own_scores(
    manifest: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.controls.TREES", 10)
    splits = make_splits(manifest, seed=0, parts=5, folds=1)
    tested = (splits.assign(manifest, 0)["role"] == "test").to_numpy()
    with pytest.raises(ValueError, match="no fold's test part"):
        run_control(metadata_features(manifest), manifest, splits, "covid-19", seed=0)
    five = make_splits(manifest, seed=0, parts=5, folds=5)
    other = manifest["label"].map({"covid-19": "non-covid", "non-covid": "covid-19"})
    turned = manifest.assign(label=manifest["label"].where(~tested, other))
    a, b = (
        run_control(metadata_features(m), m, five, "covid-19", seed=0) for m in (manifest, turned)
    )
    assert np.array_equal(a.scores[tested], b.scores[tested])
    assert not np.array_equal(a.scores[~tested], b.scores[~tested])


def test_the_border_control_is_blind_to_the_inside() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (160, 160)).astype(np.uint8)
    inside = picture.copy()
    inside[14:-14, 14:-14] = 0
    assert np.array_equal(border_features(picture), border_features(inside))
    edge = picture.copy()
    edge[:8] = 255
    assert not np.array_equal(border_features(picture), border_features(edge))
    assert border_features(picture).shape == (176,)


def test_the_histogram_control_is_blind_to_place() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    mixed = np.random.default_rng(1).permutation(picture.ravel()).reshape(picture.shape)
    assert np.array_equal(histogram_features(picture), histogram_features(mixed))
    assert histogram_features(picture).sum() == pytest.approx(1)
