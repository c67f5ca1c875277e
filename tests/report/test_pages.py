"""The pages: what a reader finds on them, and that nothing on them is markup by accident."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import Estimate, Metrics, OperatingPoint, Rows, evaluate, undefined
from covidx.evaluate.prevalence import predictive_values
from covidx.files import make_folder, write_json
from covidx.report import CaseRow, slice_pictures, write_report
from covidx.report import page as parts
from covidx.report.glance import glance
from covidx.report.page import Page, View
from covidx.report.slices import SliceView
from covidx.report.viewer.case import Result
from covidx.report.viewer.worklist import worst_first
from covidx.report.words import FEW_TESTED, HEADLINE, SIMULATED, metric_meanings, origin_text
from tests.evaluate.reference import three_classes

POINT = OperatingPoint(0.42, "youden", "validation, n = 30 (10 positive)")
HOT = "Hiding the hot part lowers the log-odds by 0.60."
VIEWS = [
    SliceView("slice-1.png", "slice 3 of 9, caudal to cranial", 0.9, "passed", HOT, 0.25),
    SliceView("slice-2.png", "slice 4 of 9, caudal to cranial", 0.8, "failed", "It did not.", None),
]
CASE = CaseRow(
    name="PH-1",
    unit_id="PH-1",
    folder="001",
    result=Result("covid-19", 0.9, 0.42, "covid-19"),
    note="the image shows no lesion",
    scanner="A",
    lesion_ml=12.34,
    thumbnail=True,
    verdicts={"failed": 1, "passed": 3},
)
ALARM = replace(CASE, name="PH-2", folder="002", result=Result("covid-19", 0.5, 0.42, "flu"))


class _Sound(HTMLParser):
    """Fails on a tag that closes another than the one open."""

    void = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return evaluate(three_classes(), "covid-19", POINT, resamples=50)


def _report(metrics: Metrics, folder: Path, cases: list[CaseRow]) -> str:
    write_report(
        folder / "report.html",
        "train_ct: covid-19 against the rest",
        [("Data set", "phantom (simulated)")],
        metrics,
        cases,
        figures=[("roc.png", "ROC curve")],
        warnings=[SIMULATED, FEW_TESTED],
        predictive=predictive_values(Rows.of(three_classes(), "covid-19"), POINT, [0.05, 0.2]),
    )
    return _checked(folder / "report.html")


def _checked(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    parser = _Sound()
    parser.feed(text)
    assert parser.open == []
    assert text.startswith("<!doctype html>")
    return text


def test_the_report_says_what_matters_first(metrics: Metrics, tmp_path: Path) -> None:
    page = _report(metrics, tmp_path, [CASE])
    (tn, fp), (fn, tp) = metrics.decisions.tolist()
    order = [
        SIMULATED, RESEARCH_NOTICE, "How good", f"{tp} of {tp + fn}", f"{fp} of {tn + fp}",
        "PPV where 5 % have it", "PPV where 20 % have it", "On whom", "How sure",
        "What must not be concluded", FEW_TESTED, "PH-1", "Results on", "roc.png", "phantom (sim",
    ]  # fmt: skip
    places = [page.find(part) for part in order]
    assert -1 not in places and places == sorted(places)
    assert "A score of 0.420 or more is predicted covid-19" in page
    assert "by Youden's index" in page.replace("&#39;", "'")
    assert "validation, n = 30 (10 positive)" in page
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert ".filters > span" in style  # nothing in a style is an entity
    assert "Heatmaps by their exam: 1 failed, 3 passed." in page
    for name, estimate in metrics.estimates.items():
        assert f"{estimate.value:.3f}" in page, name


def test_false_alarms_have_the_interval_of_the_specificity_turned_round(metrics: Metrics) -> None:
    bars = {name: e for name, _, e in glance(metrics, []).values["bars"]}
    alarms, specificity = bars["False alarms"], metrics["specificity"]
    assert alarms.value == pytest.approx(1 - specificity.value)
    assert (alarms.low, alarms.high) == (1 - specificity.high, 1 - specificity.low)


def test_the_first_screen_says_how_often_heatmaps_point(metrics: Metrics, tmp_path: Path) -> None:
    game = {"value": 0.5625, "low": 0.33, "high": 0.77, "n": 16}
    figures = {"pointing_game": game, "pointing_by_chance": {"value": 0.11}}
    make_folder(tmp_path / "cases")
    write_json(tmp_path / "cases" / "exam.json", {"figures": figures})
    line = glance(metrics, [], folder=tmp_path).values["sure"][-1]
    assert "16 patients" in line and "0.56 (0.33 to 0.77)" in line and "lungs: 0.11" in line
    unknown = {"value": None, "low": None, "high": None, "n": 0}
    write_json(tmp_path / "cases" / "exam.json", {"figures": figures | {"pointing_game": unknown}})
    assert "heatmap" not in glance(metrics, [], folder=tmp_path).values["sure"][-1]


def test_a_case_is_linked_and_a_wrong_one_marked(metrics: Metrics, tmp_path: Path) -> None:
    page = _report(metrics, tmp_path, [CASE, ALARM])
    assert page.count('href="cases/001/index.html"') == 3  # picture, name and dot
    assert page.count("✕ false alarm") == 1
    assert page.index("PH-2</a>") < page.index("PH-1</a>")  # the error first
    assert "1 failed, 3 passed" in page
    assert "the image shows no lesion" in page
    assert "12.3 ml" in page


def test_the_worst_error_comes_first_and_the_surest_case_last() -> None:
    def row(name: str, score: float, label: str) -> CaseRow:
        return CaseRow(name, name, name, Result("covid-19", score, 0.5, label))

    rows = [
        row("sure", 0.99, "covid-19"), row("near", 0.55, "covid-19"), row("alarm", 0.6, "flu"),
        row("missed", 0.01, "covid-19"),
    ]  # fmt: skip
    ordered = worst_first(rows)
    assert [one.name for one in ordered] == ["missed", "alarm", "near", "sure"]
    assert [one.error for one in ordered] == ["missed", "false alarm", None, None]
    assert [one.near for one in ordered] == [False, True, True, False]
    # log-odds of 0.6 and 0.5: 0.405 and 0
    assert ordered[1].distance == pytest.approx(0.405465, abs=1e-6)


def test_a_metric_without_value_says_why(metrics: Metrics, tmp_path: Path) -> None:
    none_called = evaluate(
        three_classes(), "covid-19", OperatingPoint(2.0, "fixed", "a test"), resamples=20
    )
    page = _report(none_called, tmp_path, [])
    assert "undefined: no row is called positive" in page
    assert ">nan<" not in page


def test_pictures_of_slices_say_what_the_exam_found() -> None:
    first, second = slice_pictures(VIEWS, "slice")
    assert first.title == "Slice 3 of 9, caudal to cranial: score of this slice alone 0.900"
    assert f"Exam of the map: passed. {HOT}" in first.text
    assert "25 % of the heat lies on true lesion" in first.text
    assert "Exam of the map: failed. It did not." in second.text
    assert (first.warning, second.warning) == (False, True)


def test_ids_are_escaped(metrics: Metrics, tmp_path: Path) -> None:
    hostile = replace(CASE, name="<b>&^\"' 7", scanner='"><script>')
    page = _report(metrics, tmp_path, [hostile, ALARM])
    assert "<b>&^" not in page and '"><script>' not in page
    assert "&lt;b&gt;&amp;^" in page


def test_headline_figures_carry_their_counts(metrics: Metrics) -> None:
    said = metric_meanings(metrics)
    assert said.keys() == {*HEADLINE, "lr_positive", "lr_negative"}
    (tn, fp), (fn, tp) = metrics.decisions.tolist()
    assert said["sensitivity"].startswith(f"{tp} of {tp + fn} ")
    assert said["specificity"].startswith(f"{tn} of {tn + fp} ")
    assert said["ppv"].startswith(f"{tp} of {tp + fp} ")
    assert said["npv"].startswith(f"{tn} of {tn + fn} ")


def test_an_unknown_rule_is_named_as_it_is() -> None:
    assert origin_text(OperatingPoint(0.5, "median", "the protocol")) == "by median on the protocol"


def test_a_given_threshold_is_said_to_be_given() -> None:
    assert origin_text(OperatingPoint(0.5, "fixed", "the protocol")) == "beforehand (the protocol)"


def test_any_kind_fills_a_page_from_sections(tmp_path: Path) -> None:
    page = Page(
        "toy: a <kind> of its own",
        [
            parts.estimates(
                [
                    (("left", "dice"), Estimate(0.5, 0.25, 0.75, 8, "bootstrap")),
                    (("right", "dice"), undefined(8, "bootstrap", "no <row>")),
                ],
                ("Side", "Metric"),
                heading="Agreement",
                note="Read the intervals.",
            ),
            parts.table(
                "Cases", ("Name", "Score"), [("<a>", 1), ("b", 2)], numeric=["Score"], wrong=[1]
            ),
            parts.figures([("roc.png", 'the "curve"')]),
            parts.views("Views", "", [View("x.png", "Slice 1", "A text.", True, "slice 1")]),
            parts.facts([("Data", "toy")]),
            *parts.assumptions(["rows are patients"]),
        ],
        ["Simulated."],
        back=("../report.html", "all cases"),
    )
    page.write(tmp_path / "page.html")
    text = _checked(tmp_path / "page.html")
    order = [
        "all cases", "<h1>toy: a &lt;kind&gt; of", RESEARCH_NOTICE, "Simulated.", "Agreement",
        "Read the intervals.", "0.250 to 0.750", "bootstrap; undefined: no &lt;row&gt;", "Cases",
        "&lt;a&gt;", '<tr class="wrong"><td>b</td><td class="n">2</td>', "figures/roc.png",
        '<p class="warn">A text.</p>', "<th>Data</th><td>toy</td>", "rows are patients",
    ]  # fmt: skip
    places = [text.find(part) for part in order]
    assert -1 not in places and places == sorted(places)
    assert parts.assumptions([]) == []
