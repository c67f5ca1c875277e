"""What the page says of arms side by side, and what the figures show."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from covidx.evaluate import Evaluation, Incremental, Tables, evaluate_study, make_study
from covidx.report.evaluation import draw_evaluation, write_evaluation
from covidx.report.incremental import LIMITS, arms_curve_figure, arms_figure
from tests.evaluate.test_incremental import ASKED, CALLED, FIXED, arm_rows, clinical
from tests.report.test_evaluation import _words


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    table = pd.concat(map(arm_rows, CALLED))
    first, *others = (make_study(table, FIXED, arm=arm) for arm in ("p3", "p1", "p2"))
    return evaluate_study(first, ASKED, Tables(clinical=clinical()), others=others)


@pytest.fixture(scope="module")
def found(evaluation: Evaluation) -> Incremental:
    assert evaluation.incremental is not None
    return evaluation.incremental


WHOM = "the same test rows for every arm, n = 20 patients (10 covid-19, 10 rest)"


def test_the_arms_stand_below_each_other(evaluation: Evaluation, found: Incremental) -> None:
    figure = arms_figure(found, evaluation.study.rows)
    text = _words(figure)
    assert WHOM in text
    for line in (
        "all (10/20)",
        "covid-19 with normal CT (4)\nagainst all without covid-19",
        "sex: F (5/10)",
        "presentation: late (5 days or more) (5/10)",
    ):
        assert line in text
    first = {str(line.get_label()): line.get_xdata() for line in figure.axes[0].lines}
    assert {arm: first[arm][0] for arm in CALLED} == pytest.approx(  # type: ignore[index]
        {"p1": 0.7, "p2": 0.65, "p3": 0.9}
    )


def test_curves_of_several_arms_are_not_hidden_by_bands(
    evaluation: Evaluation, found: Incremental
) -> None:
    figure = arms_curve_figure(found, evaluation.study.rows)
    assert all(f"act on {arm}" in _words(figure) for arm in (*CALLED, "everybody", "nobody"))
    assert WHOM in _words(figure)
    assert not [c for c in figure.axes[0].collections if isinstance(c, PolyCollection)]


def test_the_page_says_who_is_left_out_and_has_every_table(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    figures = draw_evaluation(evaluation, tmp_path / "figures", 0.2)
    assert {"arms.png", "arms_decision_curve.png"} <= set(figures)
    write_evaluation(tmp_path / "e.html", evaluation, figures, 0.2)
    text = (tmp_path / "e.html").read_text(encoding="utf-8")
    section = text.split("<h2>What each arm adds</h2>")[1].split("<h2>")[0]
    for words in (
        "the same 20 test patients, 10 with covid-19",
        "Left out, since another arm lacks them: 4 of p3, 4 of p1.",
        "<td>0.90 (0.60 to 0.98), n = 10</td>",  # Wilson's interval of 9 of 10
        "<h3>p3 minus p2</h3>",
        '<td class="n">6</td><td class="n">3</td><td class="n">0</td><td class="n">1</td>',
        "<td>0.00 (0.00 to 0.49), n = 4</td>",  # p1 finds none of the four with a normal CT
        "late (5 days or more)",
        '<td class="n">50 %</td>',
        "fixed beforehand: the maker",
    ):
        assert words in section, words
    assert section.count(" %</td>") == len(LIMITS)
