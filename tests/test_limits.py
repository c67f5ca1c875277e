"""`limits.json`: what is known against a model travels with it, and changes no hash of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from covidx.bundles import read_bundle
from covidx.errors import BundleError, StoreError
from covidx.inference.formatting import format_predictions
from covidx.inference.prediction import InputSource, Prediction, Predictions
from covidx.limits import Limit, limit_lines, limits_path, read_limits, record_limits
from covidx.pipelines.limits import record_training
from covidx.report.known_limits import END, START, quote_limits
from covidx.report.page import Page, facts
from covidx.report.words import KNOWN_BIAS, SIMULATED

SOURCE = Limit(origin="data card", text="The class is the source.")


def bundle_in(folder: Path, digest: str = "a" * 64) -> Path:
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text(json.dumps({"sha256": digest}))
    return folder


def test_each_origin_is_replaced_by_its_next_word_and_the_bundle_stays(tmp_path: Path) -> None:
    bundle = bundle_in(tmp_path / "run" / "bundle")
    before = {path: path.read_bytes() for path in bundle.iterdir()}
    assert read_limits(bundle) is None
    record_limits(bundle, SOURCE.origin, [SOURCE.text])
    record_limits(bundle, "audit of shortcuts", ["one", "two"])
    record_limits(bundle, "audit of shortcuts", ["three"])
    assert read_limits(bundle) == [SOURCE, Limit(origin="audit of shortcuts", text="three")]
    record_limits(bundle, "audit of shortcuts", [])
    assert read_limits(bundle) == [SOURCE]
    file = tmp_path / "run" / "limits.json"
    assert limits_path(bundle) == file
    assert json.loads(file.read_text())["bundle_sha256"] == "a" * 64
    assert {path: path.read_bytes() for path in bundle.iterdir()} == before


def test_limits_of_another_bundle_are_neither_quoted_nor_overwritten(tmp_path: Path) -> None:
    record_limits(bundle_in(tmp_path / "one"), SOURCE.origin, [SOURCE.text])
    other = bundle_in(tmp_path / "other", "b" * 64)
    assert read_limits(other) is None
    assert "not known" in limit_lines(None)[0]
    with pytest.raises(StoreError, match="LIMITS_TAKEN"):
        record_limits(other, SOURCE.origin, [])
    assert read_limits(tmp_path / "one") == [SOURCE]


def test_an_arm_has_the_limits_of_its_fusion(tmp_path: Path) -> None:
    bundle = bundle_in(tmp_path / "bundle")
    arm = bundle_in(bundle / "image", "c" * 64)
    record_limits(arm, SOURCE.origin, [SOURCE.text])
    assert read_limits(bundle) == read_limits(arm) == [SOURCE]
    assert not (bundle / "limits.json").exists()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    bundle = bundle_in(tmp_path / "bundle")
    (tmp_path / "limits.json").write_text("{}")
    with pytest.raises(BundleError, match="LIMITS_INVALID"):
        read_limits(bundle)


def test_what_a_training_warns_of_is_a_limit_and_what_it_left_out_is_not(tmp_path: Path) -> None:
    bundle = bundle_in(tmp_path / "bundle")
    warnings = [f"{KNOWN_BIAS}{SOURCE.text}", SIMULATED, "3 images left out: lateral views"]
    record_training(bundle, warnings)
    assert read_limits(bundle) == [SOURCE, Limit(origin="data card", text=SIMULATED)]


def test_pages_of_a_run_quote_its_limits_those_made_before_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    bundle = bundle_in(run / "bundle")
    (run / "run.json").write_text("{}")
    (run / "cases" / "001").mkdir(parents=True)
    pages = [run / "report.html", run / "cases" / "001" / "index.html"]
    Page("Report", [], [f"{KNOWN_BIAS}{SOURCE.text}"]).write(pages[0])
    Page("Case", []).write(pages[1])
    elsewhere = tmp_path / "elsewhere.html"
    Page("Elsewhere", []).write(elsewhere)
    assert all(START + END in page.read_text() for page in [*pages, elsewhere])
    record_limits(bundle, SOURCE.origin, [SOURCE.text])
    record_limits(bundle, "audit of shortcuts", ["Read <without> the lungs."])
    (run / "audit").mkdir()
    (run / "audit" / "index.html").write_text("")
    for _ in range(2):  # a second time changes nothing
        quote_limits(run)
        report, case = (page.read_text() for page in pages)
        assert report.startswith("<!doctype html>") and case.rstrip().endswith("</html>")
        assert report.count(SOURCE.text) == 1 and case.count(SOURCE.text) == 1
        assert report.count("Read &lt;without&gt; the lungs.") == 1
        assert 'href="audit/index.html"' in report
        assert 'href="../../audit/index.html"' in case
    Page("New", []).write(run / "new.html")
    assert "Read &lt;without&gt; the lungs." in (run / "new.html").read_text()
    assert START + END in elsewhere.read_text()
    table = facts([("1", f"data card: {SOURCE.text}")], "Why a loss was to be expected")
    Page("External test", [table]).write(run / "external.html")
    assert (run / "external.html").read_text().count(SOURCE.text) == 1  # where it is explained


def test_every_form_of_a_prediction_quotes_the_limits() -> None:
    from tests.inference.conftest import make_bundle

    bundle = make_bundle()
    one = Prediction(InputSource(1, "/a/b.png", "b.png"), threshold=bundle.threshold)
    found = Predictions([one], bundle)
    assert found.to_json()[0]["limits"] is None
    assert found.to_frame()["limits"].tolist() == ["not known: no limits.json"]
    assert "No limits.json of this model" in format_predictions(found, "table")
    bundle._limits = [SOURCE]
    assert found.to_json()[0]["limits"] == ["data card: The class is the source."]
    assert found.to_frame()["limits"].tolist() == ["data card: 1, see limits.json"]
    assert "  data card: The class is the source." in format_predictions(found, "table")
    bundle._limits = []
    assert "limits" not in format_predictions(found, "table")


def test_reading_a_bundle_reads_its_limits(tmp_path: Path) -> None:
    from covidx.inference import ImageBundle
    from tests.inference.conftest import make_bundle

    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in ImageBundle.FILES:
        (folder / name).write_bytes(b"")
    saved = make_bundle().write(folder)
    assert read_bundle(folder, ImageBundle).limits is None
    record_limits(folder, SOURCE.origin, [SOURCE.text])
    again = read_bundle(folder, ImageBundle)
    assert again.limits == [SOURCE] and again.sha256 == saved.sha256
