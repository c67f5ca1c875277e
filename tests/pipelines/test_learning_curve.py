"""The plain baseline beside the network: on which rows, and what it warns of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.imaging import BagCache
from covidx.inference import held_out_rows
from covidx.pipelines.image.learning_curve import SHARES, learning_curve
from covidx.report import learning_figure
from tests.training.conftest import make_cache

from .test_cross_fitting import MEMBERS, RECIPE, SEED

BAGS = 36


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> BagCache:
    return make_cache(tmp_path_factory.mktemp("cache"), bags=BAGS)


def rows(validation: int) -> pd.DataFrame:
    """Two images a patient; the last four are of the test."""
    images = [f"i{bag}" for bag in range(BAGS)]
    patients = [f"p{bag // 4}-{bag % 2}" for bag in range(BAGS)]
    train = BAGS - 4 - validation
    return pd.DataFrame(
        {
            "image_id": images,
            "patient_id": patients,
            "group_id": patients,
            "label": ["well", "sick"] * (BAGS // 2),
            "role": ["train"] * train + ["validation"] * validation + ["test"] * 4,
        }
    )


def predictions(table: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"unit_id": table["image_id"], "level": "image", "prob_sick": scores})


def test_the_baseline_of_an_ensemble_is_scored_out_of_fold(cache: BagCache) -> None:
    table = rows(0)
    perfect = (table["label"] == "sick").to_numpy(float)
    curve = learning_curve(cache, table, RECIPE, predictions(table, perfect), "sick", SEED)
    train = table[table["role"] == "train"]
    assert [one.n for one in curve.baseline] == [len(train)] * len(curve.groups)
    parts = held_out_rows(table, RECIPE, SEED)
    whole = np.mean([train["group_id"].nunique() - p["group_id"].nunique() for p in parts])
    assert curve.groups[-1] == round(whole) and curve.groups == sorted(curve.groups)
    # A bright square in each slice of one class: plain features tell it as well.
    assert curve.network.value == 1 and curve.baseline[-1].value == 1
    assert curve.difference.value == 0 and curve.warnings
    assert f"mean of {MEMBERS} folds" in curve.network.method


def test_the_baseline_of_one_network_is_scored_on_validation_rows(cache: BagCache) -> None:
    table = rows(8)
    reversed_ = (table["label"] == "well").to_numpy(float)
    curve = learning_curve(
        cache, table, RECIPE.with_members(1), predictions(table, reversed_), "sick", SEED
    )
    assert curve.rows == "validation rows" and curve.network.n == 8
    assert curve.network.value == 0 and curve.difference.value == -1
    assert "not shown to be better than a plain baseline" in curve.warnings[0]
    assert "Look for a fault" in curve.warnings[0]
    assert curve.groups[-1] == table.loc[table["role"] == "train", "group_id"].nunique()
    record = curve.to_json()
    assert len(record["baseline"]) <= len(SHARES)  # type: ignore[arg-type]
    assert "validation rows" in curve.fact[1]


def test_the_figure_shows_both(cache: BagCache, tmp_path: Path) -> None:
    table = rows(0)
    scores = np.linspace(0, 1, len(table))
    curve = learning_curve(cache, table, RECIPE, predictions(table, scores), "sick", SEED)
    figure = learning_figure(curve.groups, curve.baseline, curve.network, curve.rows)
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["logistic regression, frozen features", "network"]
