"""``covidx explain``: from a study by path to a volume, an exam and a table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from covidx.cli import app
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import BundleError, InvalidInputError
from covidx.explain.study import EXAM, TABLE, load_explainer
from covidx.imaging import Preprocessing, prepare
from covidx.ingest import read_series
from covidx.ingest.nifti import write_nifti
from covidx.phantom import draw_patient, render
from covidx.volume import Volume
from tests.inference.conftest import make_bundle, make_predictor, write

ORIENTATION = "PIR"


@pytest.fixture(scope="module")
def ct() -> Volume:
    scan = render(draw_patient(2, 0))
    return Volume(scan.hu, "CT", "hu", "proven", scan.affine)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, ct: Volume) -> Path:
    """A bundle, a CT that is stored sagittally, and something that is no CT."""
    folder = tmp_path_factory.mktemp("explain")
    write(folder / "bundle", make_predictor())
    image = nib.nifti1.Nifti1Image(ct.array.transpose(2, 1, 0), ct.affine)
    change = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt(ORIENTATION)
    )
    image.as_reoriented(change).to_filename(folder / "ct.nii.gz")
    solid = np.full((20, 40, 40), -1000, np.int16)
    solid[:, 8:32, 8:32] = 40  # tissue in air, so that its values are taken for HU
    affine = np.diag([-2.0, -2, 5, 1])
    write_nifti(Volume(solid, "CT", "hu", "proven", affine), folder / "no.nii.gz")
    return folder


@pytest.fixture(scope="module")
def out(place: Path) -> Path:
    """What the verb wrote."""
    call = ["explain", str(place / "bundle"), str(place / "ct.nii.gz"), str(place / "no.nii.gz")]
    result = CliRunner().invoke(app, [*call, "--out", str(place / "out")])
    assert result.exit_code == 1, result.output  # one input has no maps
    assert "NO_LUNGS" in result.output and RESEARCH_NOTICE in result.output
    return place / "out"


def test_the_volume_lies_on_the_grid_of_the_source(out: Path, place: Path) -> None:
    (path,) = out.glob("*_heatmap.nii.gz")
    made, source = nib.load(path), nib.load(place / "ct.nii.gz")
    assert made.shape == source.shape
    np.testing.assert_allclose(made.affine, source.affine, atol=1e-4)
    assert "".join(nib.orientations.aff2axcodes(made.affine)) == ORIENTATION
    values = np.asarray(made.dataobj)
    assert np.isfinite(values).all() and values.min() >= 0


def test_the_peak_of_the_volume_is_the_peak_of_the_table(out: Path) -> None:
    """In mm, and through another orientation: within half a pixel of the map."""
    table = pd.read_csv(out / TABLE)
    (path,) = out.glob("*_heatmap.nii.gz")
    image = nib.load(path)
    values = np.asarray(image.dataobj)
    best = table.loc[table["peak"].idxmax()]
    assert values.max() == pytest.approx(best["peak"], rel=0.1)  # resampled onto finer voxels
    index = np.unravel_index(values.argmax(), values.shape)
    x, y, z, _ = image.affine @ [*index, 1]
    np.testing.assert_allclose(
        [-x, -y, z], best[["peak_x_mm", "peak_y_mm", "peak_z_mm"]].astype(float), atol=6
    )


def test_table_and_exam_say_the_same(out: Path) -> None:
    table = pd.read_csv(out / TABLE)
    images = json.loads((out / EXAM).read_text())
    assert [bool(image["problem"]) for image in images] == [False, True]
    maps = images[0]["maps"]
    assert len(maps) == len(table) - 1 == 2  # top_k of the tiny bundle
    for record, (_, row) in zip(maps, table.iterrows(), strict=False):
        assert record["exam"]["verdict"] == row["verdict"] and row["reason"]
        assert record["slice"] == row["slice"]
        assert record["exam"]["in_lungs"] == pytest.approx(row["in_lungs"])
        assert min(record["cell_mm"]) > 0
    assert table["problem"].iloc[-1].startswith("NO_LUNGS")
    assert images[0]["heatmap"].endswith("_heatmap.nii.gz") and images[1]["heatmap"] is None
    assert images[0]["notice"] == RESEARCH_NOTICE
    assert "ct.nii" not in (out / EXAM).read_text()  # a path may name a patient


def test_lungs_of_a_ct_lie_on_the_pixels_of_its_bag(ct: Volume) -> None:
    how = Preprocessing(slices=4, rows=32, columns=48)
    bag = prepare(ct, how)
    assert bag.lungs is not None and bag.lungs.shape == bag.pixels.shape
    lungs = bag.lungs / 255
    dark = bag.pixels < 90  # below -820 HU: aerated lung in this window, mostly
    assert lungs[dark].mean() > 0.8 > 0.4 > lungs[~dark].mean()
    one = replace(ct, array=ct.array[20:21], geometry="none", affine=None)
    assert prepare(one, Preprocessing(input="slice", rows=32, columns=48)).lungs is None


def test_other_bundles_and_methods_are_refused(place: Path) -> None:
    with pytest.raises(InvalidInputError, match="METHOD_UNKNOWN"):
        load_explainer(place / "bundle", "tea-leaves")
    record = json.loads((place / "bundle" / "bundle.json").read_text())
    other = place / "other"
    other.mkdir(exist_ok=True)
    (other / "bundle.json").write_text(json.dumps({**record, "kind": "segmentation"}))
    with pytest.raises(BundleError, match="BUNDLE_KIND"):
        load_explainer(other)


def test_the_image_arm_of_a_fusion_is_mapped(place: Path) -> None:
    folder = place / "fusion"
    if not folder.exists():
        folder.mkdir()
        (folder / "bundle.json").write_text(json.dumps({"kind": "fusion"}))
        write(folder / "image", make_predictor(make_bundle(run_id="arm")))
    assert load_explainer(folder).bundle.run_id == "arm"


def test_a_study_by_path_gives_what_python_gives(place: Path, out: Path) -> None:
    explainer = load_explainer(place / "bundle")
    volume = read_series(place / "ct.nii.gz")
    _, scores = explainer.predictor.score_volume(volume)
    (first, _) = json.loads((out / EXAM).read_text())
    assert first["score"] == pytest.approx(explainer.predictor.positive_score(scores), abs=1e-6)
