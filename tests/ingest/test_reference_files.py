"""Every reference file is read right, or refused for the right reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ComputedRadiographyImageStorage, ImplicitVRLittleEndian
from scipy.ndimage import map_coordinates

from covidx.errors import CovidxError
from covidx.ingest import Rules, read_series, to_nibabel
from covidx.ingest.dicom.decode import decode, read_dataset, without_unused_bits
from covidx.volume import Volume

from .reference_files import BUNDLED, CONVERSION, SHARED_PYDICOM, WITHOUT_TRUTH, Known


def same_after_reorienting(volume: Volume, other: Any) -> None:
    """Voxels equal and affines within 1e-3 mm, both turned to the nearest RAS."""
    mine = nib.as_closest_canonical(to_nibabel(volume))
    theirs = nib.as_closest_canonical(other)
    np.testing.assert_allclose(mine.affine, theirs.affine, atol=1e-3)
    values = np.asarray(theirs.dataobj).reshape(mine.shape)
    np.testing.assert_allclose(np.asarray(mine.dataobj), values, rtol=1e-6, atol=1e-3)


def check(path: Path, known: Known) -> None:
    if known.code:
        with pytest.raises(CovidxError) as caught:
            read_series(path)
        assert caught.value.code == known.code
    else:
        volume = read_series(path)
        found = (volume.modality, volume.units, volume.geometry, volume.array.shape)
        assert found == known.image
        # A grey that DCMTK rounds down may be one higher.
        tolerance = 1.0 if volume.units == "display" else 0.0
        values = {place: float(volume.array[place]) for place in known.values}
        assert values == pytest.approx(known.values, abs=tolerance)
        least, most = float(volume.array.min()), float(volume.array.max())
        assert (least, most) == pytest.approx((known.low, known.high), abs=tolerance)
    check_stored(path, known)


def check_stored(path: Path, known: Known) -> None:
    ds = read_dataset(str(path))
    for frame in sorted({place[0] for place in known.stored}):
        several = int(ds.get("NumberOfFrames") or 1) > 1
        words = decode(ds, str(path), frame if several else None)
        plane = without_unused_bits(ds, words)
        for place, value in known.stored.items():
            if place[0] == frame:
                np.testing.assert_allclose(plane[place[1:]], value, rtol=1e-5)


@pytest.mark.parametrize("name", SHARED_PYDICOM)
def test_pydicom_file(shared: Path, name: str) -> None:
    check(shared / "dicom" / "pydicom" / name, SHARED_PYDICOM[name])


@pytest.mark.parametrize("name", BUNDLED)
def test_file_that_comes_with_pydicom(name: str) -> None:
    path = get_testdata_file(name, download=False)
    assert path is not None
    check(Path(str(path)), BUNDLED[name])


def test_no_file_is_left_out(shared: Path) -> None:
    names = {path.name for path in (shared / "dicom" / "pydicom").iterdir()}
    assert names == set(SHARED_PYDICOM)
    root = shared / "dicom" / "conversion"
    folders = {path.parent.relative_to(root).as_posix() for path in root.rglob("*.dcm")}
    assert folders == set(CONVERSION) | set(WITHOUT_TRUTH)


@pytest.mark.parametrize("name", CONVERSION)
def test_conversion(shared: Path, name: str) -> None:
    root = shared / "dicom" / "conversion"
    if CONVERSION[name]:
        with pytest.raises(CovidxError) as caught:
            read_series(root / name)
        assert caught.value.code == CONVERSION[name]
        return
    volume = read_series(root / name)
    assert (volume.modality, volume.units) == ("MR", "unproven")
    same_after_reorienting(volume, nib.load(root / f"{name}_ground_truth.nii.gz"))


@pytest.mark.parametrize("name", WITHOUT_TRUTH)
def test_conversion_without_truth(shared: Path, name: str) -> None:
    volume = read_series(shared / "dicom/conversion" / name)
    assert (volume.array.shape, volume.resampled) == WITHOUT_TRUTH[name]


def test_a_missing_slice_interpolated_lies_where_the_truth_has_it(shared: Path) -> None:
    """The pixels are noise, and the truth was interpolated by splines with another step along the
    normal: what must agree is the place, in each slice that both have whole."""
    folder = shared / "dicom/conversion/failing/sliceincrement"
    volume = read_series(folder / "002", Rules(resample=True))
    truth = nib.load(folder / "002_ground_truth.nii.gz")
    values = np.asarray(truth.dataobj, dtype=float)
    i, j, k = np.indices(values.shape)
    places = np.stack([i, j, k, np.ones_like(i)], axis=-1) @ truth.affine.T
    there = (places @ np.linalg.inv(volume.affine).T)[..., 2::-1]  # (slice, row, column)
    found = map_coordinates(
        volume.array.astype(float), np.moveaxis(there, -1, 0), order=1, mode="nearest"
    )
    for index in (1, 2, 3):
        one, other = (a[40:-40, 40:-40, index] - a[..., index].mean() for a in (values, found))
        overlap = np.abs(np.fft.ifft2(np.fft.fft2(one) * np.conj(np.fft.fft2(other))))
        assert np.unravel_index(overlap.argmax(), overlap.shape) == (0, 0)


def test_lossless_copies_are_equal(shared: Path) -> None:
    folder = shared / "dicom" / "pydicom"
    one, other = (read_series(folder / f"693_{kind}.dcm") for kind in ("J2KR", "UNCR"))
    np.testing.assert_array_equal(one.array, other.array)


def as_radiograph(path: Path, folder: Path) -> Path:
    ds = dcmread(path, force=True)  # one has no preamble
    ds.SOPClassUID, ds.Modality = ComputedRadiographyImageStorage, "CR"
    if "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    ds.save_as(folder / path.name)
    return folder / path.name


@pytest.mark.parametrize(
    ("name", "greys"),
    [
        # dcm2pnm: the modality LUT and +Wm, the VOI LUT and +Wl 1.
        ("mlut_18.dcm", {(170, 170): 102, (256, 256): 122, (341, 128): 0}),
        ("vlut_04.dcm", {(170, 170): 102, (256, 256): 122, (341, 128): 0}),
    ],
)
def test_tables_show_the_greys_of_dcmtk(
    shared: Path, tmp_path: Path, name: str, greys: dict[tuple[int, int], float]
) -> None:
    volume = read_series(as_radiograph(shared / "dicom" / "pydicom" / name, tmp_path))
    assert volume.units == "display"
    shown = {place: float(volume.array[0][place]) for place in greys}
    assert shown == pytest.approx(greys, abs=1)


@pytest.mark.parametrize("name", ["SC_rgb.dcm", "OT-PAL-8-face.dcm"])
def test_a_radiograph_in_colour_is_refused(shared: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(CovidxError) as caught:
        read_series(as_radiograph(shared / "dicom" / "pydicom" / name, tmp_path))
    assert caught.value.code == "NOT_GREYSCALE"
