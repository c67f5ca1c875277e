"""Volumes to and from MONAI and highdicom."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from covidx.errors import CovidxError
from covidx.ingest import from_highdicom, from_metatensor, to_highdicom, to_metatensor, to_nibabel
from covidx.volume import Volume

# Columns run to the left, rows to the back, slices up, half a degree off.
AFFINE = np.array([[-0.75, 0, 0.02, 10], [0, -0.5, 0, 20], [0, 0, 5, 100], [0, 0, 0, 1.0]])


def ct() -> Volume:
    array = np.full((4, 3, 5), -1000, dtype=np.int16)
    array[1:3, 1:] = 40
    array[3, 2, 4] = 99
    return Volume(array, "CT", "hu", "proven", AFFINE)


def same(one: Volume, other: Volume) -> None:
    np.testing.assert_array_equal(one.array, other.array)
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-6)
    assert (one.modality, one.units, one.geometry) == (other.modality, other.units, other.geometry)


def test_metatensor_is_what_monai_loads(tmp_path: Any) -> None:
    transforms = pytest.importorskip("monai.transforms")
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(to_nibabel(ct()), tmp_path / "a.nii")
    loaded = transforms.LoadImage(ensure_channel_first=True)(tmp_path / "a.nii")
    mine = to_metatensor(ct())
    assert mine.shape == loaded.shape == (1, 5, 3, 4)
    np.testing.assert_array_equal(np.asarray(mine), np.asarray(loaded))
    np.testing.assert_allclose(np.asarray(mine.affine), np.asarray(loaded.affine), atol=1e-6)
    for tensor in (mine, loaded):
        volume, how = from_metatensor(tensor)
        same(volume, ct())
        assert "air and soft tissue lie" in how


def test_a_transformed_metatensor_comes_back_in_its_place() -> None:
    transforms = pytest.importorskip("monai.transforms")
    turned = transforms.Orientation(axcodes="RAS", labels=None)(to_metatensor(ct()))
    volume, _ = from_metatensor(turned)
    assert not np.array_equal(volume.array, ct().array)
    same(volume.canonical(), ct().canonical())
    scaled, _ = from_metatensor(transforms.ScaleIntensity()(to_metatensor(ct())))
    assert scaled.units == "unproven"


def test_a_metatensor_keeps_the_mark_of_interpolation() -> None:
    pytest.importorskip("monai.data")
    marked = replace(ct(), resampled="9 slices interpolated from 8")
    assert from_metatensor(to_metatensor(marked))[0].resampled == marked.resampled


def test_a_metatensor_without_a_place() -> None:
    data = pytest.importorskip("monai.data")
    film = Volume(np.uint8([[[0, 128, 255]]]), "CR", "display", "none")
    back, _ = from_metatensor(to_metatensor(film), units="display")
    assert (back.modality, back.geometry, back.affine) == ("CR", "none", None)
    bare, _ = from_metatensor(data.MetaTensor(np.zeros((2, 3, 4), np.float32)))
    assert bare.geometry == "none" and bare.array.shape == (4, 3, 2)
    with pytest.raises(CovidxError) as caught:
        from_metatensor(data.MetaTensor(np.zeros((2, 3, 4, 5), np.float32)))
    assert caught.value.code == "TENSOR_SHAPE"


def test_highdicom_places_the_same_voxel_at_the_same_point() -> None:
    highdicom = pytest.importorskip("highdicom")
    straight = AFFINE.copy()
    straight[0, 2] = 0  # highdicom wants right angles
    volume = Volume(np.array(ct().array), "CT", "hu", "proven", straight)
    other = to_highdicom(volume)
    assert other.array[3, 2, 4] == 99
    # Slice 3, row 2, column 4: RAS (10 - 3, 20 - 1, 115), and so LPS (-7, -19, 115).
    point = other.map_indices_to_reference(np.array([[3, 2, 4]]))
    np.testing.assert_allclose(point, [[-7, -19, 115]])
    same(from_highdicom(other, modality="CT")[0], volume)
    assert isinstance(other, highdicom.Volume)


def test_highdicom_needs_a_place_and_right_angles() -> None:
    pytest.importorskip("highdicom")
    film = Volume(np.uint8([[[0, 128, 255]]]), "CR", "display", "none")
    for volume, code in ((film, "GEOMETRY_ABSENT"), (ct(), "GEOMETRY_OBLIQUE")):
        with pytest.raises(CovidxError) as caught:
            to_highdicom(volume)
        assert caught.value.code == code


def test_what_no_highdicom_volume_of_a_patient_is() -> None:
    highdicom = pytest.importorskip("highdicom")
    slide = highdicom.Volume(np.zeros((2, 3, 4)), np.eye(4), coordinate_system="SLIDE")
    array, channels = np.zeros((2, 3, 4, 2)), {"OpticalPathIdentifier": ["a", "b"]}
    several = highdicom.Volume(array, np.eye(4), coordinate_system="PATIENT", channels=channels)
    for other, code in ((slide, "GEOMETRY_ABSENT"), (several, "TENSOR_SHAPE")):
        with pytest.raises(CovidxError) as caught:
            from_highdicom(other)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("library", "to"), [("monai.data", to_metatensor), ("highdicom", to_highdicom)]
)
def test_an_absent_library_is_named(monkeypatch: pytest.MonkeyPatch, library: str, to: Any) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(CovidxError) as caught:
        to(ct())
    assert caught.value.code == "LIBRARY_MISSING"
    assert "pip install" in str(caught.value)
