"""What ``import covidx`` offers, as a notebook uses it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import covidx
from covidx.errors import CovidxError, InvalidInputError
from covidx.evaluate import ThresholdRule
from covidx.html import table
from tests.conftest import Run as Trained


@pytest.fixture(scope="module")
def study(trained: Trained) -> Path:
    return sorted((trained.phantom / "dicom").iterdir())[0]


def test_names_are_listed_and_loaded_when_asked_for() -> None:
    assert {"read", "load", "predict", "heatmaps", "train", "compare", "Run"} <= set(dir(covidx))
    assert set(covidx.__all__) - {"__version__"} <= set(dir(covidx))
    script = "import sys, covidx; dir(covidx); print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_a_volume_shows_itself(study: Path) -> None:
    volume = covidx.read(study)
    shape = " x ".join(map(str, volume.array.shape))
    assert repr(volume).startswith(f"Volume(CT, {shape}, ") and "HU, geometry proven" in repr(
        volume
    )
    html = volume._repr_html_()
    assert ">R</span>" in html and ">L</span>" in html and "data:image/png;base64," in html
    assert "slice " in html and "caudal to cranial" in html


def test_from_a_study_to_a_score(trained: Trained, study: Path) -> None:
    predictor = covidx.load(trained.bundle)
    assert len(repr(predictor)) < 200 and "covid-19 against the rest" in repr(predictor)
    assert "trained on" in predictor._repr_html_()
    found = covidx.predict(predictor, study)
    (same,) = covidx.predict(trained.bundle, study)
    assert found[0].score == same.score == found.to_frame()["score"].iloc[0]
    assert f"{same.score:.3f}" in same._repr_html_() and "Research use only" in same._repr_html_()
    assert repr(found) == "Predictions(1)" and f"{same.score:.3f}" in found._repr_html_()


def test_heatmaps_lie_on_the_images_grid(trained: Trained, study: Path, tmp_path: Path) -> None:
    (one,) = covidx.heatmaps(trained.bundle, study)
    assert one.array.shape == one.image.array.shape
    np.testing.assert_array_equal(one.affine, one.image.affine)
    assert one.maps and one.maps[0].exam["verdict"] in repr(one) and len(repr(one)) < 200
    one.save(tmp_path / "heat.nii.gz")
    with pytest.raises(InvalidInputError, match="NIFTI_NAME"):
        one.save(tmp_path / "heat.png")
    back = nib.load(tmp_path / "heat.nii.gz")
    assert back.shape == one.array.shape[::-1]
    figure = one.plot(0)
    assert figure.axes[0].get_title().startswith("slice 1 of ")
    assert "data:image/png" in one._repr_html_()
    with pytest.raises(InvalidInputError, match="NO_HEATMAP"):
        covidx.heatmaps(trained.bundle, tmp_path / "nowhere.nii.gz")


def test_a_run_has_its_figures(trained: Trained, tmp_path: Path) -> None:
    run = covidx.Run(trained.folder)
    assert run.report.is_file() and covidx.load(run.bundle).bundle.sha256
    assert run.metrics["auroc"]["n"] == (run.predictions["role"] == "test").sum()
    assert repr(run).startswith("Run(train_ct ") and "auroc" in run._repr_html_()
    differences = covidx.compare(run, trained.folder, out=tmp_path / "comparison")
    assert (differences.loc[differences["metric"] == "auroc", "difference"] == 0).all()
    assert (tmp_path / "comparison" / "comparison.html").is_file()


def test_train_gives_a_run(tmp_path: Path) -> None:
    run = covidx.train(
        "clinical",
        settings={"phantom.patients": 150, "recipes": "[{name: logistic, kind: logistic}]"},
        runs=tmp_path / "runs",
        work=tmp_path / "data",
    )
    assert run.record.state == "finished" and 0.5 < run.metrics["auroc"]["value"] <= 1
    with pytest.raises(InvalidInputError, match="KIND_UNKNOWN"):
        covidx.train("ultrasound")
    with pytest.raises(InvalidInputError, match="OPTION_UNKNOWN"):
        covidx.train("ct", "dicoms", masks="masks", runs=tmp_path / "r", work=tmp_path / "w")


def test_a_folder_becomes_a_store(study: Path, tmp_path: Path) -> None:
    made = covidx.ingest_images(study, tmp_path / "store")
    assert len(made.manifest) == 1 and repr(made).startswith("IngestResult(1 image; ")
    assert str(made.store) in made._repr_html_()


def test_predictions_are_judged(trained: Trained, tmp_path: Path) -> None:
    table_of_run = trained.folder / "predictions.parquet"
    fixed = ThresholdRule(threshold=0.5, origin="fixed beforehand")
    found = covidx.evaluate_predictions(table_of_run, tmp_path / "evaluation", threshold=fixed)
    auroc = found.metrics["auroc"]
    assert auroc.value == covidx.Run(trained.folder).metrics["auroc"]["value"]
    assert found.metrics.point is not None and found.metrics.point.threshold == 0.5
    assert repr(found).startswith("Evaluation(covid-19: AUROC ") and len(repr(found)) < 200
    assert "sensitivity" in found._repr_html_()
    assert (tmp_path / "evaluation" / "evaluation.html").is_file()
    with pytest.raises(CovidxError, match="ARM_UNKNOWN"):
        covidx.evaluate_predictions(table_of_run, tmp_path / "none", arm="p9")
    assert not (tmp_path / "none").exists()


def test_audits(trained: Trained, tmp_path: Path) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "runs" / "train_ct" / trained.folder.name)
    found = {one.name: one for one in covidx.audit_run(run, work=trained.work)}
    assert list(found) == ["run", "data", "shortcuts"]
    assert found["run"].verdict == "pass", found["run"].to_frame().to_string()
    table_of_data = found["data"].to_frame().set_index("name")
    assert table_of_data.loc["patient_across_roles", "verdict"] == "pass"
    assert repr(found["data"]).startswith("AuditReport(data: ")
    assert "Page: " in found["shortcuts"]._repr_html_()
    again = covidx.audit_images(
        run / "manifest.parquet",
        tmp_path / "audit",
        splits=[str(run / "splits.parquet")],
        images=trained.phantom / "store",
    )
    assert again.verdict == found["data"].verdict and again.page is not None
    shutil.rmtree(found["data"].page.parent)
    (run / "manifest.parquet").unlink()
    # A run must be whole to be audited.
    with pytest.raises(InvalidInputError, match="RUN_INCOMPLETE"):
        covidx.audit_run(run, work=trained.work)


def test_the_readme_runs(
    trained: Trained, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    use, training = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    compile(training, "README.md", "exec")  # `test_train_gives_a_run` trains in a minute less
    (tmp_path / "study").symlink_to(study)
    (tmp_path / "runs").symlink_to(trained.runs)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(use, names)
    assert len(names["table"]) == 1 and (tmp_path / "heat.nii.gz").is_file()


def test_text_is_escaped() -> None:
    assert "<script>" not in table("<script>", [("<script>", "a")], ["<script>"])
