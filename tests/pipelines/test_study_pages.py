"""Pages of studies without truth: written beside the predictions, which stay what they were."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from covidx.cli import main
from covidx.inference import ImagePredictor
from covidx.inference.reading import Inputs
from covidx.ingest import Identities
from covidx.pipelines.image.study import StudyPages
from tests.conftest import Run


@pytest.fixture(scope="module")
def predictor(trained: Run) -> ImagePredictor:
    return ImagePredictor.load(trained.bundle)


def _study(trained: Run) -> Path:
    return sorted((trained.phantom / "dicom").iterdir())[0]


def _data(page: str) -> dict[str, object]:
    found = re.search(r'id="case-data">(.*?)</script>', page)
    assert found is not None
    return dict(json.loads(found[1]))


def test_a_page_is_written_and_the_prediction_is_the_same(
    trained: Run, predictor: ImagePredictor, tmp_path: Path
) -> None:
    inputs = Inputs.of(_study(trained), identities=Identities.public())
    (expected,) = predictor.predictions(inputs)
    pages = StudyPages(predictor, tmp_path)
    (found,) = pages.predictions(inputs)
    assert found == expected
    page = (tmp_path / "cases" / "001" / "index.html").read_text()
    assert f"score <b>{found.score:.3f}</b>" in page
    assert "true class" not in page and "RESULT NOT INTERPRETABLE" not in page
    data = _data(page)
    assert data["area"] is None
    # Each slice of the page has the instance number that the prediction names for it.
    shown = data["instances"]
    assert isinstance(shown, list)
    for one in found.payload.slices:  # type: ignore[attr-defined]
        assert shown[one.slice - 1] == one.instance
    listed = (tmp_path / "report.html").read_text()
    assert 'href="cases/001/index.html"' in listed and "missed" not in listed


def test_a_result_out_of_the_domain_says_so_before_all_else(
    trained: Run, predictor: ImagePredictor, tmp_path: Path
) -> None:
    trained_on = predictor.bundle.trained_on.model_copy(update={"slice_thickness_mm": (0.1, 0.2)})
    bundle = predictor.bundle.model_copy(update={"trained_on": trained_on})
    pages = StudyPages(replace(predictor, bundle=bundle), tmp_path, "none")
    (found,) = pages.predictions(Inputs.of(_study(trained), identities=Identities.public()))
    assert found.outside
    page = (tmp_path / "cases" / "001" / "index.html").read_text()
    body = page[page.index("<body") :]
    assert body.index("RESULT NOT INTERPRETABLE") < body.index("SIMULATED") < body.index("<h1>")
    assert "not interpretable" in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "cases" / "001" / "thumbnail.jpg").exists()


def test_what_cannot_be_read_stands_in_the_list(
    trained: Run, predictor: ImagePredictor, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("no image")
    pages = StudyPages(predictor, tmp_path / "pages")
    (found,) = pages.predictions(Inputs.of(letter, identities=Identities.public()))
    assert found.problem is not None
    listed = (tmp_path / "pages" / "report.html").read_text()
    assert "Without a result" in listed and found.problem.split(":")[0] in listed


def test_the_command_line_refuses_a_folder_that_is_there(
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["predict", str(trained.bundle), str(_study(trained)), "--report", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["covidx", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "FOLDER_TAKEN" in capsys.readouterr().err
