"""NIfTI in and out: axes, affine, units and refusals."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from covidx.errors import CovidxError
from covidx.ingest import from_nibabel, read_series, to_nibabel
from covidx.ingest.nifti import read_stored, write_nifti
from covidx.volume import Volume

AFFINE = np.array([[-0.75, 0, 0, 10], [0, -0.5, 0, 20], [0, 0, 5, 100], [0, 0, 0, 1.0]])


def ct() -> Volume:
    array = np.full((4, 3, 5), -1000, dtype=np.int16)
    array[1:3, 1:] = 40
    array[3, 2, 4] = 99
    return Volume(array, "CT", "hu", "proven", AFFINE)


def test_axes_are_reversed_and_the_affine_is_kept() -> None:
    image = to_nibabel(ct())
    assert image.shape == (5, 3, 4)
    assert np.asarray(image.dataobj)[4, 2, 3] == 99
    np.testing.assert_array_equal(image.affine, AFFINE)
    back, how = from_nibabel(image)
    np.testing.assert_array_equal(back.array, ct().array)
    assert (back.modality, back.units, back.geometry) == ("CT", "hu", "proven")
    assert "sform" in how


def test_written_bytes_do_not_depend_on_time(tmp_path: Path) -> None:
    write_nifti(ct(), tmp_path / "a.nii.gz")
    write_nifti(ct(), tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


@pytest.mark.parametrize("geometry", ["proven", "spacing_only", "none"])
def test_stored_volumes_come_back_equal(tmp_path: Path, geometry: Any) -> None:
    affine = None if geometry == "none" else AFFINE
    volume = Volume(np.float32([[[0.5, 1.5]]]), "CR", "display", geometry, affine)
    write_nifti(volume, tmp_path / "a.nii.gz")
    back = read_stored(tmp_path / "a.nii.gz", "CR", "display", geometry)
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.geometry == geometry
    if affine is not None:
        np.testing.assert_array_equal(back.affine, affine)


def nifti(array: np.ndarray, affine: np.ndarray | None = AFFINE) -> Any:
    return nib.Nifti1Image(array, affine)


def test_a_scaled_file_of_greys_is_unproven() -> None:
    volume, _ = from_nibabel(nifti(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)))
    assert (volume.modality, volume.units) == ("OT", "unproven")


def test_qform_is_used_where_there_is_no_sform() -> None:
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    image.set_sform(None, 0)
    image.set_qform(AFFINE, 1)
    volume, how = from_nibabel(image)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    assert "qform" in how


def test_without_forms_only_the_spacing_is_known() -> None:
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    volume, _ = from_nibabel(image)
    assert volume.geometry == "spacing_only"
    assert volume.spacing_mm == (5, 0.5, 0.75)


def _rgb() -> np.ndarray:
    return np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


def _singular() -> Any:
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    image.header["srow_z"] = 0
    return type(image)(image.dataobj, None, image.header)


ILL = [
    ("NIFTI_4D", nifti(np.zeros((2, 2, 2, 3), dtype=np.int16))),
    ("NIFTI_COLOUR", nifti(_rgb())),
    ("NIFTI_VALUES", nifti(np.full((2, 2, 2), np.nan, dtype=np.float32))),
    ("NIFTI_AFFINE", _singular()),
]


@pytest.mark.parametrize(("code", "image"), ILL, ids=[code for code, _ in ILL])
def test_refusals(tmp_path: Path, code: str, image: Any) -> None:
    with pytest.raises(CovidxError) as caught:
        from_nibabel(image)
    assert caught.value.code == code


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = nifti(rng.integers(-1000, 1000, (9, 9, 9), dtype=np.int16)).to_bytes()
    (tmp_path / "a.nii").write_bytes(data[:-40])
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(data)[:-40])
    for name in ("a.nii", "b.nii.gz"):
        with pytest.raises(CovidxError) as caught:
            read_series(tmp_path / name)
        assert caught.value.code == "NIFTI_UNREADABLE"
