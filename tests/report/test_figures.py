from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from covidx.errors import StoreError
from covidx.evaluate import Metrics, OperatingPoint, Rows, evaluate
from covidx.report import training_figure
from covidx.report.canvas import save
from covidx.report.figures import (
    confusion_figure,
    reliability_figure,
    roc_figure,
    score_figure,
)
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions, three_classes

POINT = OperatingPoint(0.42, "youden", "validation, n = 30 (10 positive)")
HISTORY = pd.DataFrame(
    {
        "epoch": [0, 1, 2],
        "train_loss": [1.0, 0.7, 0.5],
        "validation_loss": [0.9, 0.6, 0.8],
        "validation_auroc": [np.nan, 0.8, 0.82],
    }
)


def _evaluated(table: pd.DataFrame) -> tuple[Rows, Metrics]:
    return Rows.of(table, "covid-19"), evaluate(table, "covid-19", POINT, resamples=50)


def _words(figure: Figure) -> str:
    from matplotlib.text import Text

    texts = [t.get_text() for t in figure.findobj(Text)]  # type: ignore[attr-defined]
    handles = [str(line.get_label()) for axes in figure.axes for line in axes.lines]
    boxes = [str(c.get_label()) for axes in figure.axes for c in axes.containers]
    return "\n".join(texts + handles + boxes)


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    rows, metrics = _evaluated(three_classes(n=60, seed=3))
    return {
        "roc": roc_figure(rows, metrics),
        "reliability": reliability_figure(rows, metrics),
        "confusion": confusion_figure(metrics),
        "score": score_figure(rows, metrics),
        "training": training_figure(
            HISTORY, n_train=40, watched="validation", n_watched=10, kept=1
        ),
    }


@pytest.mark.parametrize("name", ["roc", "reliability", "confusion", "score", "training"])
def test_n_is_in_every_title(drawn: dict[str, Figure], name: str) -> None:
    assert ("n = 40" if name == "training" else "n = 60") in _words(drawn[name])


def test_roc_states_its_intervals() -> None:
    rows, metrics = _evaluated(three_classes(n=60, seed=3))
    words = _words(roc_figure(rows, metrics))
    area = metrics["auroc"]
    assert f"{area.value:.2f} (95 % interval {area.low:.2f} to {area.high:.2f})" in words
    assert "threshold 0.420 (youden on validation)" in words
    assert "n = 20" in words


def test_roc_goes_through_the_operating_point() -> None:
    rows, metrics = _evaluated(predictions(ref.SCORES_B, ref.TRUTH))
    curve = roc_figure(rows, metrics).axes[0].lines[1].get_xydata()
    point = (1 - metrics["specificity"].value, metrics["sensitivity"].value)
    assert np.abs(np.asarray(curve) - point).sum(axis=1).min() < 1e-12


def test_figures_of_two_classes_and_of_one() -> None:
    rows, metrics = _evaluated(predictions(ref.SCORES_A, ref.TRUTH, groups=ref.GROUPS))
    assert "15 groups" in _words(roc_figure(rows, metrics))
    assert len(confusion_figure(metrics).axes) == 1
    rows, metrics = _evaluated(predictions(ref.SCORES_A, np.ones(60, dtype=bool)))
    assert "undefined" in _words(roc_figure(rows, metrics))
    assert "no rows" in _words(confusion_figure(metrics))
    reliability_figure(rows, metrics)
    score_figure(rows, metrics)


def test_training_marks_the_epoch_that_was_kept(drawn: dict[str, Figure]) -> None:
    assert "weights kept (epoch 1)" in _words(drawn["training"])


def test_training_without_any_validation_value() -> None:
    empty = HISTORY.assign(validation_loss=np.nan, validation_auroc=np.nan)
    training_figure(empty, n_train=4, watched="validation", n_watched=0, kept=1)


def test_a_png_has_no_date_and_is_the_same_twice(drawn: dict[str, Figure], tmp_path: Path) -> None:
    one = save(drawn["roc"], tmp_path / "new" / "one.png")
    two = save(drawn["roc"], tmp_path / "new" / "two.png")
    assert one.read_bytes() == two.read_bytes()
    with Image.open(one) as image:
        assert image.size[0] > 500
        assert set(image.info) <= {"dpi"}
    assert sorted(path.name for path in one.parent.iterdir()) == ["one.png", "two.png"]


def test_an_unwritable_folder_is_refused(drawn: dict[str, Figure], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        save(drawn["roc"], tmp_path / "file" / "x.png")
