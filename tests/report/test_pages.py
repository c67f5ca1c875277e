"""The pages: what a reader finds on them, and that nothing on them is markup by accident."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import Estimate, Metrics, OperatingPoint, evaluate, undefined
from covidx.report import Case, write_case, write_report
from covidx.report import page as parts
from covidx.report.page import Page, View
from covidx.report.slices import SliceView
from covidx.report.words import HEADLINE, metric_meanings, origin_text
from tests.evaluate.reference import three_classes

POINT = OperatingPoint(0.42, "youden", "validation, n = 30 (10 positive)")
VIEWS = [
    SliceView("slice-1.png", "slice 3 of 9, caudal to cranial", 0.9, True, 0.6, -0.1, 0.25),
    SliceView("slice-2.png", "slice 4 of 9, caudal to cranial", 0.8, False, 0.0, 0.2, None),
]
CASE = Case(
    name="PH-1",
    folder="001",
    label="covid-19",
    note="the image shows no lesion",
    score=0.9,
    probabilities={"normal": 0.1, "covid-19": 0.9},
    decision="covid-19",
    right=True,
    scan="B40f, slice thickness 5 mm",
    kind="volume",
    views=VIEWS,
)


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


def _report(metrics: Metrics, folder: Path, cases: list[Case]) -> str:
    write_report(
        folder / "report.html",
        "train_ct: covid-19 against the rest",
        [("Data set", "phantom (simulated)")],
        metrics,
        cases,
        figures=[("roc.png", "ROC curve")],
        warnings=["The patients of this cohort are simulated."],
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
    order = [RESEARCH_NOTICE, "are simulated", "Sensitivity", "roc.png", "PH-1", "phantom (sim"]
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    assert "A score of 0.420 or more is predicted covid-19" in page
    assert "by Youden's index" in page.replace("&#39;", "'")
    assert "validation, n = 30 (10 positive)" in page
    for name, estimate in metrics.estimates.items():
        assert f"{estimate.value:.3f}" in page, name


def test_a_case_is_linked_and_a_wrong_one_marked(metrics: Metrics, tmp_path: Path) -> None:
    page = _report(metrics, tmp_path, [CASE, replace(CASE, name="PH-2", folder="002", right=False)])
    assert 'href="cases/001/index.html"' in page
    assert page.count('class="wrong"') == 1
    assert "covid-19 (wrong)" in page
    assert "1 of 2" in page  # faithful maps
    assert "the image shows no lesion" in page
    assert "3 of 9; 4 of 9" in page


def test_a_metric_without_value_says_why(metrics: Metrics, tmp_path: Path) -> None:
    none_called = evaluate(
        three_classes(), "covid-19", OperatingPoint(2.0, "fixed", "a test"), resamples=20
    )
    page = _report(none_called, tmp_path, [])
    assert "undefined: no row is called positive" in page
    assert ">nan<" not in page


def test_a_case_page_for_a_radiologist(metrics: Metrics, tmp_path: Path) -> None:
    write_case(CASE, metrics, tmp_path)
    page = _checked(tmp_path / "index.html").replace("&#39;", "'")
    for part in (
        RESEARCH_NOTICE,
        "Patient PH-1",
        "covid-19 (the image shows no lesion)",
        "0.900",
        "predicted covid-19 (correct)",
        "normal 0.100, covid-19 0.900",
        "The 2 slices that decided",
        "Slice 3 of 9, caudal to cranial",
        "falls by 0.60 without the hot part, rises by 0.10 without the cold part",
        "25 % of the heat lies on true lesion",
        "Unfaithful map, do not read it",
        "stays without the hot part",
        'src="slice-1.png"',
        'href="../../report.html"',
    ):
        assert part in page
    assert page.count('class="warn"') == 1


def test_a_radiograph_has_no_slices(metrics: Metrics, tmp_path: Path) -> None:
    view = replace(VIEWS[0], title="single image")
    write_case(replace(CASE, kind="radiograph", views=[view]), metrics, tmp_path)
    page = _checked(tmp_path / "index.html")
    assert "The image that decided" in page
    assert "slice" not in page.replace("slice-1.png", "").replace(CASE.scan, "")


def test_ids_are_escaped(metrics: Metrics, tmp_path: Path) -> None:
    page = _report(metrics, tmp_path, [replace(CASE, name="<b>&^\"' 7")])
    assert "<b>&^" not in page
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
