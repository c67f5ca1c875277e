"""P3 on fresh phantom patients: differences on the same patients, normal CTs at own thresholds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import fusion
from covidx.config import load_config
from covidx.evaluate import OperatingPoint
from covidx.pipelines.fusion.config import TRAIN_FUSION, TrainFusion


def predictor(p1: float, p3: float) -> Any:
    def bundle(threshold: float) -> SimpleNamespace:
        point = OperatingPoint(threshold, "youden", "out-of-fold, n = 10")
        recipe = SimpleNamespace(name="late")
        threshold = SimpleNamespace(operating_point=point)
        return SimpleNamespace(threshold=threshold, recipe=recipe, sha256="ab" * 32)

    own = bundle(p3)
    own.image = SimpleNamespace(bundle=bundle(p1))
    return SimpleNamespace(bundle=own, image=own.image)


def table() -> pd.DataFrame:
    """Eight patients: of the four positives two have a normal CT."""
    scores = {
        "p1": [0.9, 0.8, 0.2, 0.1, 0.7, 0.3, 0.2, 0.1],
        "p2": [0.6, 0.4, 0.6, 0.7, 0.5, 0.5, 0.3, 0.2],
        "p3": [0.9, 0.8, 0.6, 0.4, 0.5, 0.3, 0.2, 0.1],
    }
    found = pd.DataFrame(scores).assign(
        label=["covid-19"] * 4 + ["normal"] * 4,
        normal_ct=[False, False, True, True, True, True, True, True],
    )
    for arm in ("p1", "p2"):
        found[f"p3 of {arm} alone"] = found[arm]
    return found


def unseen() -> pd.DataFrame:
    """Ten patients an arm; of six others five lie below 0.45."""
    scores = [0.05, 0.1, 0.15, 0.2, 0.25, 0.45, 0.6, 0.7, 0.8, 0.9]
    labels = ["normal"] * 6 + ["covid-19"] * 4
    rows = {
        "unit_id": [f"u{k}" for k in range(10)],
        "patient_id": [f"u{k}" for k in range(10)],
        "group_id": [f"u{k}" for k in range(10)],
        "level": "patient",
        "role": "out-of-fold",
        "fold": 0,
        "run_id": "r",
        "split_sha256": None,
        "bundle_sha256": None,
        "arms_used": "p1+p2",
        "label": labels,
        "prob_normal": 1 - np.array(scores),
        "prob_covid-19": scores,
    }
    return pd.concat([pd.DataFrame(rows).assign(arm=arm) for arm in ("p1", "p3")])


def test_what_is_found_is_counted_at_each_threshold() -> None:
    found = fusion.results_of(table(), predictor(0.5, 0.45), unseen())
    at = "normal_ct_positives_found"
    assert found[f"{at}_p1_at_youden"].value == 0
    assert found[f"{at}_p3_at_youden"].value == 0.5
    assert "0.25" in found[f"{at}_p3_at_youden"].against  # one false alarm of four
    for ending in ("", "_as_published"):  # 0.9 of six is all of them, 0.828 five
        assert found[f"{at}_p1{ending}"].value == 0
        assert found[f"{at}_p3{ending}"].n == 2
    assert found[f"{at}_p3"].value == 0.5  # above 0.45: 0.6, not 0.4
    assert found[f"{at}_p3_as_published"].value == 1.0
    assert "specificity >= 0.9" in found[f"{at}_p3"].against
    assert "specificity >= 0.828" in found[f"{at}_p3_as_published"].against
    # 0.2 and 0.1 against 0.7, 0.3, 0.2 and 0.1; 0.6 and 0.4 against 0.5, 0.3, 0.2 and 0.1.
    assert found["normal_ct_auroc_p1"].value == pytest.approx(2 / 8)
    assert found["normal_ct_auroc_p3"].value == pytest.approx(7 / 8)
    assert found["fusion_p1_auroc"].value == 10 / 16
    assert found["fusion_p3_auroc"].value == pytest.approx(15 / 16, abs=1e-4)
    assert found["fusion_p3_of_p2_alone_auroc"].value == found["fusion_p2_auroc"].value


def test_differences_are_of_the_same_patients() -> None:
    rows = table()
    found = fusion.results_of(rows, predictor(0.5, 0.5), unseen())
    for arm in ("p1", "p2"):
        one = found[f"fusion_p3_minus_{arm}"]
        assert one.value == pytest.approx(
            found["fusion_p3_auroc"].value - found[f"fusion_{arm}_auroc"].value, abs=1e-3
        )
        assert one.low <= one.value <= one.high and one.n == len(rows)
    assert np.isfinite(found["fusion_p3_minus_p1"].low)


def test_the_second_row_has_the_twelve_columns_of_mei_et_al(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[TrainFusion] = []

    def train(config: TrainFusion, **places: Path) -> SimpleNamespace:
        asked.append(config)
        return SimpleNamespace(folder=tmp_path)

    monkeypatch.setattr(fusion, "train_fusion", train)
    assert fusion.twelve(load_config(TRAIN_FUSION, TrainFusion), tmp_path) == tmp_path
    features = asked[0].clinical_config.features
    assert features is not None and len(features) == 12
    assert "wbc_10e9_l" in features and "loss_of_smell_or_taste" not in features
    names = set(fusion.results_of(table(), predictor(0.5, 0.45), unseen()))
    assert set(fusion.TWELVE_RESULTS) <= names
