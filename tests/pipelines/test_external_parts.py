"""Parts of an external test: what is left out, what is said first, what the page leads with."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from covidx.cohort import Classes, thumbnail
from covidx.errors import CovidxError
from covidx.evaluate import OperatingPoint, Rows, evaluate, performance_change
from covidx.pipelines.external_test import copies, evaluate_externally
from covidx.pipelines.external_test.evaluate import READY
from covidx.pipelines.external_test.labels import check_labels
from covidx.pipelines.external_test.page import ExternalPage, write_external
from covidx.pipelines.external_test.periods import by_period, undated
from covidx.pipelines.external_test.words import cautions
from covidx.pipelines.progress import silent
from covidx.pipelines.source import Source
from covidx.tables import MANIFEST, SPLITS, write_table
from tests.audit.cohorts import clouds

POINT = OperatingPoint(0.5, "youden", "validation")
CLASSES = Classes(("normal", "pneumonia", "covid-19"), "covid-19")


def predictions(scores: list[float], truth: list[bool], patients: list[str]) -> pd.DataFrame:
    n = len(scores)
    return pd.DataFrame(
        {
            "run_id": "r", "arm": "p1", "unit_id": [f"u{k}" for k in range(n)], "level": "image",
            "patient_id": patients, "group_id": patients, "fold": 0, "role": "test",
            "split_sha256": "s", "bundle_sha256": "b", "arms_used": "p1",
            "label": np.where(truth, "covid-19", "rest"),
            "prob_rest": 1 - np.array(scores), "prob_covid-19": scores,
        }
    )  # fmt: skip


def told(table: pd.DataFrame) -> list[str]:
    metrics = evaluate(table, "covid-19", POINT)
    return cautions(metrics, Rows.of(table, "covid-19"), metrics)


def test_four_patients_with_many_images_are_four() -> None:
    """As on covid-chestxray, where four persons gave "specificity 0.26 (0.20 to 0.33)"."""
    random = np.random.default_rng(0)
    truth = [k < 100 for k in range(200)]
    table = predictions(list(random.random(200)), truth, [f"p{k // 50}" for k in range(200)])
    metrics = evaluate(table, "covid-19", POINT)
    low, high = metrics["specificity"].low, metrics["specificity"].high
    assert np.isnan(low) or high - low > 0.25  # 0.13 wide if the images were patients
    lines = told(table)
    few = next(line for line in lines if line.startswith("Few patients: 4 independent"))
    assert "however many images they have (200)" in few


def test_an_interval_that_holds_one_half_shows_no_skill() -> None:
    random = np.random.default_rng(1)
    truth = [k % 2 == 0 for k in range(120)]
    guess = predictions(list(random.random(120)), truth, [f"p{k}" for k in range(120)])
    assert any(line.startswith("No skill is shown") for line in told(guess))
    good = predictions([0.9 - 0.4 * (k % 2) + random.uniform(-0.1, 0.1) for k in range(120)],
                       truth, [f"p{k}" for k in range(120)])  # fmt: skip
    assert told(good) == []
    bad = good.assign(**{"prob_covid-19": good["prob_rest"], "prob_rest": good["prob_covid-19"]})
    assert any(line.startswith("Worse than guessing") for line in told(bad))


def test_labels_that_are_no_class_are_named_with_the_way_to_map_them() -> None:
    labels = pd.Series(["covid-19", "normal", "SARS", "SARS", None])
    lines = check_labels(labels, CLASSES, {})
    assert lines[0].startswith("label SARS (2 rows)") and "--map 'SARS=CLASS'" in lines[0]
    assert lines[1] == "classes: normal, pneumonia, covid-19; rest is all but covid-19"
    assert check_labels(labels, CLASSES, {"SARS": "rest"}) == []
    with pytest.raises(CovidxError, match="NOTHING_MAPPED"):
        check_labels(pd.Series(["SARS"]), CLASSES, {})
    with pytest.raises(CovidxError, match="CLASS_UNKNOWN"):
        check_labels(labels, CLASSES, {"SARS": "flu"})


def test_weeks_and_months() -> None:
    table = predictions([0.9, 0.1, 0.8, 0.2], [True, False, True, False], list("abcd"))
    days = pd.Series(pd.to_datetime(["2020-03-30", "2020-04-02", "2020-04-08", None]),
                     index=["u0", "u1", "u2", "u3"])  # fmt: skip
    rows = Rows.of(table, "covid-19")
    weeks = by_period(rows, days, "week")
    assert [(one.start, one.n, one.positives) for one in weeks] == [
        ("2020-03-30", 2, 1), ("2020-04-06", 1, 1)]  # fmt: skip
    assert weeks[0].auroc.value == 1.0 and np.isnan(weeks[1].auroc.value)
    assert undated(rows, days) == ["1 row without a date: in the figures, in no period"]
    assert undated(rows, days.fillna(days.iloc[0])) == undated(rows, None) == []
    months = by_period(rows, days, "month")
    assert [(one.start, one.n) for one in months] == [("2020-03-01", 1), ("2020-04-01", 2)]


@pytest.mark.parametrize("kind", ["segmentation", "detection", "radiograph-severity"])
def test_other_kinds_are_refused_by_a_code(tmp_path: Path, kind: str) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps({"kind": kind}))
    with pytest.raises(CovidxError, match="EXTERNAL_KIND") as error:
        evaluate_externally(tmp_path, Source(tmp_path))
    assert error.value.actual == kind and error.value.hint
    assert set(READY) == {"image", "clinical", "fusion"}


def store_of(folder: Path, pictures: list[np.ndarray], owner: str) -> pd.DataFrame:
    """A store of pictures, and its manifest."""
    folder.mkdir()
    rows = []
    for k, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{owner}{k}.png"), picture)
        rows.append(
            dict.fromkeys(MANIFEST.columns) | {
                "image_id": f"{owner}{k}", "patient_id": f"{owner}{k}", "group_id": f"{owner}{k}",
                "dataset": owner, "modality": "DX", "kind": "radiograph", "units": "display",
                "path": f"{owner}{k}.png", "geometry": "none", "source_format": "PNG",
                "rows": 256, "columns": 256, "n_files": 1, "n_slices": 1, "sha256": "x",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def test_a_crop_of_a_training_image_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crop of a tenth a side escapes the thumbnails; the audit's search finds it."""
    pictures = [clouds(k) for k in range(14)]
    run = tmp_path / "run"
    run.mkdir()
    trained = store_of(tmp_path / "own", pictures[:12], "old")
    write_table(trained, run / "manifest.parquet", MANIFEST)
    splits = trained[["group_id", "patient_id"]].assign(fold=0, role=["train"] * 11 + ["test"])
    write_table(splits, run / "splits.parquet", SPLITS)
    kept = {f"old{k}": thumbnail(pictures[k]) for k in range(11)}
    np.savez_compressed(run / "thumbnails.npz", **kept)  # type: ignore[arg-type]
    crop = cv2.resize(pictures[0][26:236, 26:236], (256, 256))
    new = [crop, pictures[1], pictures[11], *pictures[12:]]  # 11: of the run's own test
    rows = store_of(tmp_path / "second", new, "new")
    monkeypatch.setattr(copies, "read_record", lambda _: SimpleNamespace())
    thumbs = {f"new{k}": thumbnail(picture) for k, picture in enumerate(new)}
    places = {"store": None}
    monkeypatch.setattr(copies, "store_of", lambda *_: places["store"])
    args = (rows, tmp_path / "second", thumbs, run, tmp_path, silent)
    left, notes = copies.without_trained(*args)
    assert left["image_id"].tolist() == ["new0", "new2", "new3", "new4"]  # the crop stays
    assert any("misses crops" in note for note in notes)
    places["store"] = tmp_path / "own"  # type: ignore[assignment]
    left, notes = copies.without_trained(*args)
    assert left["image_id"].tolist() == ["new2", "new3", "new4"]
    assert notes == ["2 images left out: near-duplicates of training images"]
    # Another image of a patient of whom a copy was found.
    person = rows["patient_id"].mask(rows["image_id"] == "new3", rows["patient_id"][0])
    again = rows.assign(patient_id=person, group_id=person)
    left, notes = copies.without_trained(again, *args[1:])
    assert left["image_id"].tolist() == ["new2", "new4"]
    assert notes[1] == "1 image left out: of training patients"


def test_the_page_leads_with_the_loss_and_has_no_empty_table(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    truth = [k % 2 == 0 for k in range(80)]
    patients = [f"p{k}" for k in range(80)]
    own = predictions([float(t) * 0.9 + 0.05 for t in truth], truth, patients)
    here = predictions(list(random.random(80)), truth, patients)
    rows = Rows.of(here, "covid-19")
    metrics, before = (evaluate(one, "covid-19", POINT) for one in (here, own))
    lost = performance_change(Rows.of(own, "covid-19"), rows, POINT)
    said = cautions(metrics, rows, before)
    page = ExternalPage(
        "covid-19", metrics, before, lost, said, ["data card: The class is the source."], [], [],
        [], [], "week", [("Run", "r")],
    )  # fmt: skip
    write_external(tmp_path, page, rows)
    text = (tmp_path / "report.html").read_text()
    order = [text.index(part) for part in (
        "No skill is shown", "What is lost on the second data set", "worse here",
        "Why a loss was to be expected", "The class is the source", "Results on the second data",
    )]  # fmt: skip
    assert order == sorted(order)
    assert "heatmaps" not in text and "By week" not in text
    for table in text.split("<table")[1:]:
        assert table.split("</table>")[0].count("<td") > 0
