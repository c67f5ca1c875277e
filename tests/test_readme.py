"""Each command of the README, one after another, in a folder that has what they name."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.config import load_config
from covidx.pipelines.detection.config import TRAIN_DETECTION, TrainDetection
from covidx.pipelines.detection.train import train_detection
from tests.conftest import Run
from tests.inference.test_upgrade import image  # noqa: F401  (a fixture)
from tests.pacs.conftest import Pacs, pacs  # noqa: F401
from tests.pacs.orthanc import PASSWORD, USER
from tests.pages import blocks, with_covidx
from tests.pipelines.ct_seg import TINY_DETECTION, lay, source

README = Path(__file__).parents[1] / "README.md"
LINES = [
    line
    for language, text in blocks(README)
    for line in text.splitlines()
    if not language and line.startswith("covidx ")
]
SERVERS = ("covidx view",)
"""They end when they are interrupted."""
VERDICTS = ("covidx audit", "covidx reproduce")
"""Their exit code may be a verdict."""


def _prepare(place: Path, trained: Run, old: Path, hospital: Pacs) -> None:
    """Put what the README names into a folder."""
    study = sorted((trained.phantom / "dicom").iterdir())[0]
    shutil.copytree(trained.runs, place / "runs", symlinks=True)
    (place / "data").symlink_to(trained.work)
    for name in ("A", "B"):
        shutil.copytree(trained.folder, place / "runs" / "train_ct" / name)
    for name in ("study", "ct"):
        (place / name).symlink_to(study)
    shutil.copytree(old, place / "old")
    table = "[{name: logistic, kind: logistic}]"
    _run(f"covidx train clinical --set phantom.patients=150 --set 'recipes={table}'", place)
    layout = lay(place / "ct-seg")
    settings = load_config(TRAIN_DETECTION, TrainDetection, TINY_DETECTION)
    train_detection(settings, source(layout), work=place / "boxes-data", runs=place / "runs")
    shutil.copy(trained.phantom / "clinical.csv", place / "new.csv")
    chance, sick = np.random.default_rng(0), np.arange(60) % 2 == 0
    names = {
        "patient_id": [f"p{k}" for k in range(60)],
        "label": np.where(sick, "covid-19", "rest"),
    }
    for name in ("predictions", "ours", "theirs"):
        scores = np.clip(chance.normal(0.4 + 0.2 * sick, 0.2), 0.01, 0.99)
        rows = pd.DataFrame({**names, "prob_covid-19": scores})
        rows.to_csv(place / f"{name}.csv", index=False)
    store = trained.phantom / "store"
    manifest = pd.read_parquet(store / "manifest.parquet")
    images = manifest[["image_id", "patient_id", "label"]].assign(
        path=[str(store / one) for one in manifest["path"]]
    )
    images.to_csv(place / "images.csv", index=False)
    known = pd.read_csv(trained.phantom / "truth.csv")["patient_id"][0]
    shutil.copy(trained.phantom / "masks" / f"{known}_lesion.nii.gz", place / "mask.nii.gz")
    for name, one in zip(("seg.dcm", "sr.dcm"), hospital.stored.values(), strict=False):
        (place / name).write_bytes(one)


def _run(line: str, place: Path) -> None:
    words = shlex.split(line, comments=True)
    environment = with_covidx()
    if line.startswith(SERVERS):
        running = subprocess.Popen(
            words, cwd=place, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        assert "http://127.0.0.1:" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait(20) in (0, 130)
        return
    done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True)
    allowed = (0, 1, 3) if line.startswith(VERDICTS) else (0,)
    assert done.returncode in allowed, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, f"{line}\n{done.stderr}"


@pytest.mark.slow
def test_each_command_of_the_readme(
    trained: Run,
    image: Path,  # noqa: F811
    pacs: Pacs,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COVIDX_PACS_URL", f"{pacs.address}/dicom-web")
    monkeypatch.setenv("COVIDX_PACS_USER", USER)
    monkeypatch.setenv("COVIDX_PACS_PASSWORD", PASSWORD)
    _prepare(tmp_path, trained, image, pacs)
    assert len(LINES) > 25
    failed = []
    for line in LINES:
        if "…" in line:  # docs/export.md has it whole
            continue
        try:
            _run(line, tmp_path)
        except AssertionError as error:
            failed.append(str(error))
    assert not failed, "\n\n".join(failed)
