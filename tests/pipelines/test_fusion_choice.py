"""P3 is the simplest fusion that is as good as the best, as far as out-of-fold scores can tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from covidx.config import load_config
from covidx.pipelines.fusion.choice import choose
from covidx.pipelines.fusion.config import TRAIN_FUSION, TrainFusion
from covidx.tables import OUT_OF_FOLD

LABELS = ["rest"] * 5 + ["covid-19"] * 5
PERFECT = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]


def candidate(name: str, unseen: list[float]) -> Any:
    """Out-of-fold scores of ten patients; the ten test patients are scored the wrong way round."""
    patients = pd.DataFrame(
        {"role": [OUT_OF_FOLD] * 10 + ["test"] * 10, "label": [*LABELS, *LABELS]}
    )
    return SimpleNamespace(
        recipe=SimpleNamespace(name=name),
        arms=SimpleNamespace(patients=patients),
        scores=np.array([*unseen, *PERFECT[::-1]]),
    )


def swapped(*pairs: tuple[int, int]) -> list[float]:
    scores = list(PERFECT)
    for a, b in pairs:
        scores[a], scores[b] = scores[b], scores[a]
    return scores


@pytest.mark.parametrize(
    ("simple", "better", "chosen"),
    [
        # 22 of 25 pairs right against 24 of 25. Of the latter, rows beat shares 0.8, 1, 1, 1, 1 of
        # the other class, on both sides: variance 0.008 / 5 twice, so the limit is 0.96 - 0.057.
        (swapped((3, 6)), swapped((4, 5)), "better"),
        # 23 of 25 lies within.
        (swapped((3, 5)), swapped((4, 5)), "simple"),
        # The first of equals.
        (swapped((4, 5)), swapped((4, 5)), "simple"),
    ],
)
def test_within_one_standard_error(simple: list[float], better: list[float], chosen: str) -> None:
    found, aurocs = choose([candidate("simple", simple), candidate("better", better)], "covid-19")
    assert found.recipe.name == chosen
    assert list(aurocs) == ["simple", "better"]


def test_aurocs_are_of_patients_whom_all_fusions_scored() -> None:
    unknown = [np.nan, *PERFECT[1:]]
    _, aurocs = choose([candidate("a", unknown), candidate("b", swapped((0, 9)))], "covid-19")
    # Without the first patient, b has 4 others, of whom one positive (0.1) beats none.
    assert aurocs == {"a": 1.0, "b": pytest.approx(16 / 20)}


def test_both_arms_take_the_rule_of_the_threshold() -> None:
    config = load_config(TRAIN_FUSION, TrainFusion, ["operating_point={rule: cost, target: 5}"])
    for arm in (config.image_config, config.clinical_config):
        assert arm.operating_point == config.operating_point
