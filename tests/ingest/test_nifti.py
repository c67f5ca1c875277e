"""NIfTI in and out: axes, affine, units and refusals."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from covidx.errors import CovidxError
from covidx.ingest import (
    Identities,
    from_nibabel,
    ingest,
    load_image,
    read_images,
    read_series,
    to_nibabel,
)
from covidx.ingest.nifti import read_nifti, read_stored, write_nifti
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


def test_forms_that_disagree_are_told(tmp_path: Path) -> None:
    """The sform is followed; the qform lies 3 mm beside it."""
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    moved = AFFINE.copy()
    moved[0, 3] += 3
    image.set_sform(AFFINE, 1)
    image.set_qform(moved, 1)
    volume, how = from_nibabel(image)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert how.endswith("affine from the sform, not from the qform, which lies up to 3.0 mm away")
    image.set_qform(AFFINE, 1)
    assert from_nibabel(image)[1].endswith("affine from the sform")
    nib.save(image, tmp_path / "a.nii")
    [read] = read_images(tmp_path / "a.nii", identities=Identities.public())
    assert read.receipt.geometry_from == "affine from the sform"


def described(affine: np.ndarray, pixdim: tuple[float, ...] | None = None) -> tuple[str, str]:
    """Geometry and what is said of it; of an empty image, its pixdim changed behind the affine."""
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16), affine)
    data = bytearray(image.to_bytes())
    if pixdim:
        data[80:92] = np.float32(pixdim).tobytes()
    volume, how = from_nibabel(nib.Nifti1Image.from_bytes(bytes(data)))
    return volume.geometry, how.rpartition("; ")[2]


def test_an_identity_is_no_affine() -> None:
    """nibabel writes it by default: pixdim alone is followed, and nothing says where axes point."""
    for pixdim in ((1.0, 1.0, 1.0), (0.75, 0.5, 5.0)):
        geometry, how = described(np.eye(4), pixdim)
        assert geometry == "spacing_only"
        assert how == "spacing from pixdim, its affine is the identity, a placeholder"
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16), np.eye(4))
    image.set_qform(AFFINE, 1, update_affine=False)
    volume, how = from_nibabel(image)  # where the qform is none, it counts
    assert volume.geometry == "proven" and "affine from the qform" in how
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)


def test_an_affine_that_contradicts_pixdim() -> None:
    """By the sform a voxel has 1.875 mm3, by pixdim 3.75."""
    with pytest.raises(CovidxError) as caught:
        described(AFFINE, (1.5, 0.5, 5.0))
    assert caught.value.code == "NIFTI_AFFINE"
    assert caught.value.actual == "[1.5, 0.5, 5.0] by pixdim"
    assert described(AFFINE, (0.7501, 0.5, 5.0)) == ("proven", "affine from the sform")
    assert "never set" in described(AFFINE, (1.0, 1.0, 1.0))[1]


def test_axes_off_right_angles_and_other_doubts_are_told() -> None:
    sheared = AFFINE.copy()
    sheared[1, 2] = 5 * np.tan(np.radians(25))
    steps = tuple(np.linalg.norm(sheared[:3, :3], axis=0))
    geometry, how = described(sheared, steps)
    assert (geometry, how) == (
        "proven",
        "affine from the sform, its axes 25.0 degrees off right angles",
    )
    assert described(np.diag([-0.5, -0.5, 2, 1.0]))[1].endswith("0 as where no place is known")
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    image.set_sform(AFFINE, 4)
    assert from_nibabel(image)[1].endswith("in the space of a template")


def test_a_unit_that_no_scanner_has() -> None:
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    image.header.set_xyzt_units("meter")
    volume, how = from_nibabel(image)
    assert volume.geometry == "spacing_only"
    assert how.endswith("in meter, voxels of 500 to 5e+03 mm, as no scanner makes them")


@pytest.mark.parametrize(
    ("kind", "place", "zero"),
    [(nib.Nifti1Image, 108, np.float32(0)), (nib.Nifti2Image, 168, np.int64(0))],
)
def test_an_offset_below_the_end_of_the_header(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: Any, place: int, zero: Any
) -> None:
    """It is equivalent to 352, of NIfTI-2 to 544 (nifti1.h); nothing of the header is a voxel."""
    array = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    data = kind(array, AFFINE).to_bytes()
    data = data[:place] + zero.tobytes() + data[place + zero.nbytes :]
    (tmp_path / "a.nii").write_bytes(data)
    np.testing.assert_array_equal(read_series(tmp_path / "a.nii").array, array.transpose(2, 1, 0))
    (tmp_path / "a.nii").write_bytes(data[:-4])  # as if the image began four bytes earlier
    with pytest.raises(CovidxError) as caught:
        read_series(tmp_path / "a.nii")
    assert caught.value.code == "NIFTI_UNREADABLE"
    assert "vox_offset of 0 counts as" in caught.value.message
    assert capfd.readouterr().err == ""


def test_bytes_behind_the_end_of_gzip(tmp_path: Path) -> None:
    """gzip itself ignores them (RFC 1952 does not say what they are); a broken sum is told."""
    image = nifti(np.arange(8, dtype=np.int16).reshape(2, 2, 2))
    data = gzip.compress(image.to_bytes())
    (tmp_path / "a.nii.gz").write_bytes(data + b"\r\nEXTRA")
    assert read_series(tmp_path / "a.nii.gz").array.reshape(-1).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]
    broken = bytearray(data)
    broken[-8] ^= 1
    (tmp_path / "a.nii.gz").write_bytes(broken + b"\r\nEXTRA")
    with pytest.raises(CovidxError) as caught:
        read_series(tmp_path / "a.nii.gz")
    assert caught.value.code == "NIFTI_UNREADABLE"


def test_a_volume_without_geometry_keeps_all_its_slices(tmp_path: Path) -> None:
    """pixdim is not above 0: neither place nor spacing is known."""
    array = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    image = nifti(array, None)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    data = bytearray(image.to_bytes())
    data[80:92] = np.float32([np.nan] * 3).tobytes()
    (tmp_path / "a.nii").write_bytes(data)
    result = ingest(tmp_path / "a.nii", tmp_path / "out")
    stored = load_image(tmp_path / "out", result.manifest.iloc[0].to_dict())
    np.testing.assert_array_equal(stored.array, array.transpose(2, 1, 0))
    assert stored.geometry == "none"


def test_micrometres_become_mm() -> None:
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    image.header.set_xyzt_units("micron")
    volume, how = from_nibabel(image)
    np.testing.assert_allclose(volume.affine[:3], AFFINE[:3] / 1000, rtol=1e-6)
    assert "in micron" in how


@pytest.mark.parametrize("order", ["<", ">"])
def test_slope_and_intercept_are_applied(tmp_path: Path, order: str) -> None:
    """scl_slope 2, scl_inter -1024, on both endians: 12 becomes -1000."""
    header = nib.Nifti1Header(endianness=order)
    header.set_data_shape((3, 2, 2))
    header.set_data_dtype(np.int16)
    header.set_slope_inter(2, -1024)
    header.set_sform(AFFINE, 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    stored = np.full((3, 2, 2), 12, dtype=f"{order}i2")
    stored[2, 1, 0] = 532
    content = header.binaryblock + bytes(4) + stored.tobytes(order="F")
    (tmp_path / "a.nii").write_bytes(content)
    array = read_series(tmp_path / "a.nii").array
    assert array.dtype == np.int16 and array[0, 0, 0] == -1000 and array[0, 1, 2] == 40


def test_the_orientation_is_kept_and_canonical_on_request() -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = nifti(array, np.diag([2.0, 3.0, -4.0, 1.0]))  # RAI
    volume, _ = from_nibabel(image)
    np.testing.assert_array_equal(volume.array, array.transpose(2, 1, 0))
    turned = volume.canonical()  # to L, P, S: every axis is turned
    np.testing.assert_array_equal(turned.array, array[::-1, ::-1, ::-1].transpose(2, 1, 0))


def test_a_pair_is_refused(tmp_path: Path) -> None:
    pair: Any = nib.Nifti1Pair(np.zeros((2, 2, 2), dtype=np.int16), AFFINE)
    nib.save(pair, tmp_path / "a.hdr")
    reader = read_images(tmp_path, identities=Identities.public())
    assert not list(reader)
    codes = reader.quarantine.set_index("path")["code"].to_dict()
    assert codes == {"a.hdr": "NIFTI_PAIR", "a.img": "NOT_AN_IMAGE"}


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(4)))
    with pytest.raises(CovidxError) as caught:
        read_series(tmp_path / "a.nii.gz")
    assert caught.value.code == "NIFTI_TOO_LARGE"


def test_what_follows_the_image_is_left(tmp_path: Path) -> None:
    data = nifti(np.arange(8, dtype=np.int16).reshape(2, 2, 2)).to_bytes() + bytes(10_000)
    for name, content in (("a.nii", data), ("b.nii.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        assert read_series(tmp_path / name).array.reshape(-1).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


def test_a_broken_checksum_is_refused(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(nifti(np.zeros((2, 2, 2), dtype=np.int16)).to_bytes()))
    data[-8] ^= 1  # of the CRC-32
    (tmp_path / "a.nii.gz").write_bytes(data)
    with pytest.raises(CovidxError) as caught:
        read_series(tmp_path / "a.nii.gz")
    assert caught.value.code == "NIFTI_UNREADABLE"


def test_an_mr_has_no_hu() -> None:
    """Values may look like HU all the same."""
    volume, how = from_nibabel(to_nibabel(ct()), modality="MR")
    assert (volume.modality, volume.units) == ("MR", "unproven")
    assert "MR has none" in how


def _rgb() -> np.ndarray:
    return np.zeros((2, 2, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


def _singular() -> Any:
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    image.header["srow_z"] = 0
    return type(image)(image.dataobj, None, image.header)


def _long_quaternion() -> Any:
    image = nifti(np.zeros((2, 2, 2), dtype=np.int16))
    image.set_sform(None, 0)
    image.set_qform(AFFINE, 1)
    for name in ("quatern_b", "quatern_c", "quatern_d"):
        image.header[name] = 0.9
    return type(image)(image.dataobj, None, image.header)


ILL = [
    ("NIFTI_AFFINE", _long_quaternion()),
    ("TIME_SERIES", nifti(np.zeros((2, 2, 2, 3), dtype=np.int16))),
    ("NIFTI_4D", nifti(np.zeros((2, 2, 2, 1, 3), dtype=np.int16))),
    ("NIFTI_COLOUR", nifti(_rgb())),
    ("NIFTI_VALUES", nifti(np.full((2, 2, 2), np.nan, dtype=np.float32))),
    ("NIFTI_AFFINE", _singular()),
]


@pytest.mark.parametrize(("code", "image"), ILL, ids=range(len(ILL)))
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


def test_a_file_shorter_than_a_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.nii").write_bytes(b"no image")
    with pytest.raises(CovidxError) as caught:
        read_nifti(tmp_path / "mask.nii")
    assert caught.value.code == "NIFTI_UNREADABLE"
