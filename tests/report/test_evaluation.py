"""What the page on a predictions table says, and what its figures show."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from covidx.evaluate import (
    Estimate,
    Evaluation,
    EvaluationOptions,
    System,
    Tables,
    ThresholdRule,
    align,
    compare_systems,
    evaluate_study,
    make_study,
    undefined,
)
from covidx.evaluate.decision_curve import NetBenefit
from covidx.report.evaluation import (
    _helpful,
    draw_evaluation,
    in_words,
    marked_band,
    metrics_csv,
    metrics_json,
    write_evaluation,
)
from covidx.report.evaluation_figures import (
    decision_curve_figure,
    difference_figure,
    population,
    predictive_figure,
    recalibration_figure,
    risk_coverage_figure,
    subgroup_figure,
)
from covidx.report.figures import roc_figure
from tests.evaluate import reference as ref
from tests.evaluate.reference import three_classes
from tests.evaluate.test_evaluation import two_roles

PATIENTS = [f"p{i}" for i in range(120)]
CLINICAL = pd.DataFrame(
    {
        "patient_id": PATIENTS,
        "sex": np.where(np.arange(120) < 110, "F", "M"),
        "site": np.where(np.repeat(ref.TRUTH, 2), "<ward>", "clinic"),
    }
)
READS = pd.DataFrame(
    {
        "key": "patient_id",
        "id": PATIENTS,
        "reader": "Ada",
        "read": 1 + np.repeat(ref.TRUTH, 2) * 3,
        "rated": True,
    }
)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    study = make_study(two_roles(ref.SCORES_A), ThresholdRule())
    options = EvaluationOptions(calibrate="isotonic", resamples=100)
    return evaluate_study(study, options, Tables(clinical=CLINICAL, reads=READS))


def _words(figure: Figure) -> str:
    figure.draw_without_rendering()
    texts = [t.get_text() for t in figure.findobj(Text)]  # type: ignore[attr-defined]
    return "\n".join(texts + [str(line.get_label()) for a in figure.axes for line in a.lines])


def test_every_figure_says_whom_it_shows(found: Evaluation) -> None:
    expected = "test rows, n = 60 patients (20 covid-19, 40 rest)"
    for figure in (
        predictive_figure(found.predictive, found),
        risk_coverage_figure(found.selective, found, found.selective[4]),
        decision_curve_figure({"the score": found.net_benefit}, "covid-19", population(found)),
        recalibration_figure(found),
        subgroup_figure(found.variables, found),
    ):
        assert expected in _words(figure)


def test_the_risk_figure_marks_the_band(found: Evaluation) -> None:
    marked = marked_band(found.selective, 0.19)
    assert marked is found.selective[4]
    band = marked.band
    text = _words(risk_coverage_figure(found.selective, found, marked))
    assert f"scores {band.low:.3f} to {band.high:.3f} not decided" in text
    assert "chosen on validation rows" in text


def test_the_subgroup_figure_flags_a_shortcut_and_hides_small_strata(found: Evaluation) -> None:
    text = _words(subgroup_figure(found.variables, found))
    assert "site (nearly the label!)" in text
    assert "F (" in text
    assert "M (" not in text  # five rows


def test_readers_stand_on_the_roc(found: Evaluation) -> None:
    figure = roc_figure(found.study.rows, found.metrics, found.readers)
    assert "reader Ada, n = 60" in _words(figure)
    marks = [line for line in figure.axes[0].lines if "reader Ada" in str(line.get_label())]
    assert (marks[0].get_xdata()[0], marks[0].get_ydata()[0]) == (0.0, 1.0)  # type: ignore[index]


def test_the_difference_figure_names_pairs_and_what_is_undefined(found: Evaluation) -> None:
    rows = found.study.rows
    systems = align([System("one", rows, found.study.point), System("two", rows, None)])
    text = _words(difference_figure(compare_systems(systems, resamples=100), "a title"))
    assert "one minus two" in text
    assert "a system has no threshold" in text


def test_long_names_leave_room_for_the_figure(found: Evaluation) -> None:
    rows = found.study.rows
    systems = align([System("x" * 90 + "-one", rows, None), System("x" * 90 + "-two", rows, None)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = _words(difference_figure(compare_systems(systems, resamples=100), "a title"))
    assert f"…{'x' * 19}-one minus …{'x' * 19}-two" in text


def test_metrics_carry_prevalence_and_missing_rows() -> None:
    study = make_study(three_classes(), ThresholdRule())
    evaluated = evaluate_study(study, EvaluationOptions(resamples=100), Tables())
    record = metrics_json(evaluated)
    assert record["auroc"]["prevalence"] == pytest.approx(1 / 3)
    assert record["sensitivity_other-pneumonia"]["missing"] == 0
    assert record["brier_multiclass"]["prevalence"] is None
    assert metrics_csv(evaluated)["metric"].tolist() == list(record)


def test_the_page_escapes_and_explains(found: Evaluation, tmp_path: Path) -> None:
    figures = draw_evaluation(found, tmp_path / "figures", 0.2)
    write_evaluation(tmp_path / "e.html", found, figures, 0.2)
    text = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert "&lt;ward&gt;" in text
    assert "<ward>" not in text
    assert "held back" in text
    assert "multiplies the odds" in text
    assert set(figures) == {p.name for p in (tmp_path / "figures").iterdir()}


def test_an_estimate_in_words() -> None:
    assert in_words(None) == "–"
    assert in_words(undefined(3, "m", "no rows")) == "– (no rows)"
    assert in_words(Estimate(0.5, np.nan, np.nan, 3, "m", reason="why")) == "0.50 (no interval)"


def test_where_acting_helps_is_given_as_ranges() -> None:
    sure, unsure = Estimate(0.2, 0.1, 0.3, 9, "m"), Estimate(0.2, -0.1, 0.3, 9, "m")
    curve = [
        NetBenefit(t, sure, sure, sure if helps else unsure)
        for t, helps in ((0.01, True), (0.05, False), (0.1, True), (0.15, True), (0.2, True))
    ]
    assert _helpful(curve) == "1%, 10% to 20%"
    assert _helpful(curve[1:2]) == ""
