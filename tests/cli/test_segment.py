"""``covidx segment``: masks on the image's own grid, and why there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydicom import dcmread

from covidx.files import read_json
from covidx.imaging.frames import RadiographFraming, VolumeFraming
from covidx.inference import TrainedOn
from covidx.inference.segmentation_bundle import (
    SegmentationBundle,
    SegmentationRecipe,
    build_network,
)
from covidx.inference.segmenter import Segmenter
from covidx.ingest.nifti import read_nifti, write_nifti
from covidx.models.segmenters import UNetShape
from covidx.phantom import draw_patient, generate_cohort, render
from covidx.segmentation import dice
from covidx.tables import MASKS, read_table
from covidx.volume import Volume
from tests.cli.conftest import Call


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom patient's CT as NIfTI."""
    found = render(draw_patient(2024, 3))
    path = tmp_path_factory.mktemp("ct") / "ct.nii.gz"
    write_nifti(Volume(found.hu.copy(), "CT", "hu", "proven", found.affine), path)
    return path


def untrained(folder: Path, kind: str) -> Path:
    """A bundle whose weights are as they were drawn."""
    framing = (
        VolumeFraming(input="volume", pixel_mm=6.0)
        if kind == "volume"
        else RadiographFraming(input="radiograph", size=32)
    )
    groups = {"lung": ["none", "lung"]}
    if kind == "volume":
        groups = {
            "lung": ["none", "right-lung", "left-lung"],
            "opacity": ["none", "ground-glass", "consolidation"],
        }
    recipe = SegmentationRecipe(
        framing=framing,
        network=UNetShape(network="unet", dimensions=2, channels=(4, 8)),
        patch=(32, 32),
        mirrored=False,
    )
    trained = TrainedOn(
        dataset="made-up", domain="real", card_sha256=None, manifest_sha256="m", split_sha256="s",
        patients={"all": 3}, modalities=["CT"] if kind == "volume" else ["CR"], kind=kind,
        units="hu" if kind == "volume" else "display", manufacturers=[], slice_thickness_mm=None,
    )  # fmt: skip
    torch.manual_seed(4)
    made = Segmenter(
        SegmentationBundle(recipe=recipe, groups=groups, trained_on=trained),
        build_network(recipe, groups).eval(),
    )
    made.save(folder / kind)
    return folder / kind


def test_lungs_on_ct_need_no_bundle(covidx: Call, ct: Path, tmp_path: Path) -> None:
    answer = covidx("segment", str(ct), "--out", str(tmp_path / "out"))
    assert answer.code == 0
    assert "1 right-lung" in answer.out
    table = read_table(tmp_path / "out" / "masks.parquet", MASKS)
    assert list(table["kind"]) == ["lung"]
    mask = read_nifti(tmp_path / "out" / table["path"].iloc[0])[0]
    found = render(draw_patient(2024, 3))
    assert np.allclose(mask.affine, found.affine, atol=1e-4)
    assert dice(mask.array == 1, found.lung == 1) > 0.95
    # opacity-burden reads what segment wrote.
    write_nifti(
        Volume((found.lesion == 1).astype(np.uint8), "OT", "unproven", "proven", found.affine),
        tmp_path / "ill.nii.gz",
    )
    lungs = str(tmp_path / "out" / table["path"].iloc[0])
    line = (
        "opacity-burden",
        str(ct),
        "--lungs",
        lungs,
        "--opacities",
        str(tmp_path / "ill.nii.gz"),
    )
    assert covidx(*line).code == 0


def test_lungs_by_threshold_load_no_network_library(ct: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['covidx', 'segment', {str(ct)!r}, '--out', {str(tmp_path)!r}]\n"
        "from covidx.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "heavy = ('torch', 'monai', 'lightning', 'mlflow', 'matplotlib')\n"
        "assert not {*heavy} & {*sys.modules}, {*heavy} & {*sys.modules}\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_bundle_answers_what_it_knows_and_other_masks_stay(
    covidx: Call, ct: Path, tmp_path: Path
) -> None:
    out, bundle = tmp_path / "out", untrained(tmp_path, "volume")
    covidx("segment", str(ct), "--out", str(out))
    answer = covidx("segment", str(ct), "--out", str(out), "--bundle", str(bundle))
    table = read_table(out / "masks.parquet", MASKS)
    assert sorted(table["kind"]) == ["lung", "opacity"]
    assert table["maker"].str.startswith("bundle ").all()
    said = read_json(out / "segmentation.json")
    assert said[0]["classes"]["opacity"] == ["ground-glass", "consolidation"]
    assert answer.code == 0
    assert "OUT_MISSING" in covidx("predict", bundle, ct).err
    again = covidx("predict", bundle, ct, "--out", tmp_path / "again", "--format", "csv")
    assert again.code == 0 and "ground-glass" in again.out
    names = {path.name for path in (tmp_path / "again").iterdir()}
    assert names == {path.name for path in out.iterdir()}


def test_from_dicom_to_masks_to_measures_to_dicom(
    covidx: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVIDX_KEY", str(tmp_path / "secret" / "key"))
    [study] = (generate_cohort(tmp_path / "p", 1, 6, workers=1) / "dicom").iterdir()
    out, bundle = tmp_path / "out", untrained(tmp_path, "volume")
    answer = covidx("segment", study, "--out", out, "--bundle", bundle, "--probabilities")
    assert answer.code == 0, answer.err
    [said] = read_json(out / "segmentation.json")
    lung, opacity, likely = (
        out / name
        for name in (said["masks"]["lung"], said["masks"]["opacity"], said["probability"])
    )
    # The network's shares say which classes are taken: nothing, where it is likelier than the rest.
    chances, labels = read_nifti(likely)[0], read_nifti(opacity)[0]
    assert chances.array.dtype == np.float32
    assert 0 <= chances.array.min() < chances.array.max() <= 1
    assert not labels.array[chances.array < 1 / 3].any()
    assert labels.array[chances.array > 2 / 3].all()

    measures = tmp_path / "measures.csv"
    of = ("--lungs", lung, "--opacities", opacity, "--classes", "--probability", likely)
    answer = covidx("opacity-burden", study, *of, "--format", "csv")
    assert answer.code == 0, answer.err
    measures.write_text(answer.out)
    assert [row.rpartition(",")[0] for row in answer.out.split()] == [
        "segment,name", "ground-glass,share", "consolidation,share", ",corona-score"
    ]  # fmt: skip

    rest = ("--series", study, "--mode", "original", "--algorithm", "n", "--algorithm-version", "1")
    named = ("--segment", "1=ground-glass", "--segment", "2=consolidation")
    seg, report, map_ = (tmp_path / name for name in ("seg.dcm", "sr.dcm", "map.dcm"))
    assert covidx("export", "seg", opacity, *named, *rest, "--out", seg).code == 0
    assert covidx("export", "map", likely, "--of", "opacity", *rest, "--out", map_).code == 0
    assert covidx("export", "sr", seg, "--measures", measures, "--out", report).code == 0
    assert np.count_nonzero(dcmread(seg).pixel_array) == np.count_nonzero(labels.array)
    assert dcmread(map_).pixel_array.max() == chances.array.max()
    assert "Corona score" in str(dcmread(report))


def test_probabilities_need_a_network_that_knows_opacities(
    covidx: Call, ct: Path, tmp_path: Path
) -> None:
    answer = covidx("segment", ct, "--out", tmp_path / "out", "--probabilities")
    assert answer.code == 2
    assert "PROBABILITIES_ABSENT" in answer.err


def test_why_there_are_no_masks_is_said(covidx: Call, ct: Path, tmp_path: Path) -> None:
    picture = tmp_path / "film.png"
    Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (180, 1))).save(picture)
    whole = read_nifti(ct)[0]
    assert whole.affine is not None
    slice_ = tmp_path / "slice.nii.gz"
    write_nifti(Volume(whole.array[20:21], "CT", "hu", "proven", whole.affine), slice_)
    belly = tmp_path / "belly.nii.gz"
    water = np.where(np.indices(whole.array.shape)[1] > 20, 40, -1000).astype(np.int16)
    write_nifti(Volume(water, "CT", "hu", "proven", whole.affine), belly)
    films = untrained(tmp_path, "radiograph")

    def problem(path: Path, *more: str) -> str:
        answer = covidx("segment", str(path), "--out", str(tmp_path / "no"), *more)
        assert answer.code == 1
        return answer.out

    assert "NOT_CT" in problem(picture)
    assert "SINGLE_SLICE" in problem(slice_)
    assert "NO_LUNGS" in problem(belly)
    assert "SOURCE_MISSING" in problem(tmp_path / "absent")
    assert "NOT_RADIOGRAPH" in problem(ct, "--bundle", str(films))
    assert read_table(tmp_path / "no" / "masks.parquet", MASKS).empty


def test_a_film_unlike_two_lungs_is_flagged() -> None:
    from covidx.segmentation import radiograph_flags

    film = np.zeros((100, 100), bool)
    film[20:80, 10:40], film[20:80, 60:90] = True, True
    assert radiograph_flags(film) == []
    small = film.copy()
    small[:, 75:] = False
    small[50:, 60:] = False
    assert any("of the other" in flag for flag in radiograph_flags(small))
    joined = film.copy()
    joined[40:44, 40:60] = True
    assert radiograph_flags(joined) == ["two lungs were not found apart from each other"]
    third = film.copy()
    third[85:99, 5:95] = True
    assert "more than two pieces were found" in radiograph_flags(third)
