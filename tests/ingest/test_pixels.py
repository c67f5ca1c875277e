"""Rescale, padding, units, transfer syntaxes and radiographs, with values worked out by hand."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from covidx.errors import CovidxError
from covidx.ingest import read_series
from covidx.ingest.units import compact, looks_like_hu
from covidx.volume import Volume

from .conftest import chest_values, plane, save, write_series


def test_hu_by_the_rescale_and_slices_by_position(tmp_path: Path) -> None:
    write_series(tmp_path, 8)
    volume = read_series(tmp_path)
    assert volume.array.dtype == np.int16
    assert volume.units == "hu"
    np.testing.assert_array_equal(volume.array, chest_values(8).astype(int) - 1024)


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    write_series(
        tmp_path,
        8,
        Modality="MR",
        RescaleType=None,
        RescaleSlope=lambda i: 0.5 + i,
        RescaleIntercept=lambda i: 10 * i,
    )
    array = read_series(tmp_path).array
    stored = chest_values(8).astype(np.float64)
    expected = [stored[i] * (0.5 + i) + 10 * i for i in range(8)]
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "changes"),
    [
        ("hu", {"RescaleType": "HU"}),
        ("hu", {"RescaleType": None}),
        ("unproven", {"RescaleType": "US"}),
        ("unproven", {"RescaleType": None, "RescaleIntercept": 0}),
        ("unproven", {"RescaleSlope": None}),
    ],
)
def test_when_hu_are_proven(tmp_path: Path, units: str, changes: dict[str, Any]) -> None:
    write_series(tmp_path, **changes)
    assert read_series(tmp_path).units == units


def test_padding_becomes_air(tmp_path: Path) -> None:
    """-2000 is GE's padding of signed pixels; HU -3024 would be no measurement."""
    values = chest_values(1)[0].astype(np.int16) - 1024
    values[0, :3] = -2000
    ds = plane(0, RescaleIntercept=0, PixelRepresentation=1, BitsStored=16, HighBit=15)
    ds.add_new("PixelPaddingValue", "SS", -2000)
    save(ds, tmp_path / "f", values)
    array = read_series(tmp_path).array[0]
    assert (array[0, :3] == -1000).all()
    assert array[0, 3] == values[0, 3]


def test_padding_that_looks_like_tissue_is_left(tmp_path: Path) -> None:
    ds = plane(0, PixelPaddingValue=1064)
    values = chest_values(1)[0]
    save(ds, tmp_path / "f", values)
    np.testing.assert_array_equal(read_series(tmp_path).array[0], values.astype(int) - 1024)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
    ],
    ids=lambda uid: uid.name,
)
def test_transfer_syntaxes_give_the_same_values(tmp_path: Path, syntax: Any) -> None:
    for path in write_series(tmp_path, 3):
        read = dcmread(path)
        ds = Dataset()  # a fresh one may change its byte order
        ds.file_meta = read.file_meta
        ds.update(read)
        if syntax.is_compressed and not syntax.is_deflated:
            ds.compress(syntax, generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            ds.PixelData = read.pixel_array.astype(">u2").tobytes()
        ds.file_meta.TransferSyntaxUID = syntax
        ds.save_as(path, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    np.testing.assert_array_equal(read_series(tmp_path).array, chest_values(3).astype(int) - 1024)


def test_no_warning_names_the_file(tmp_path: Path) -> None:
    """pydicom warns of a cut encapsulated file by its path, in which a name may stand."""
    for path in write_series(tmp_path, 3):
        ds = dcmread(path)
        ds.compress(RLELossless, generate_instance_uid=False)
        ds.save_as(path)
    path.write_bytes(path.read_bytes()[:-20])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(CovidxError):
            read_series(tmp_path)
    assert not [w for w in said if str(tmp_path) in str(w.message)]


def test_a_file_without_preamble_is_found(tmp_path: Path) -> None:
    for path in write_series(tmp_path, 3):
        ds = dcmread(path)
        ds.file_meta, ds.preamble = FileMetaDataset(), None
        ds.save_as(path, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_series(tmp_path).array, chest_values(3).astype(int) - 1024)


def radiograph(
    folder: Path, values: np.ndarray, rescale: dict[str, Any] | None = None, **changes: Any
) -> Volume:
    ds = plane(
        0,
        Modality="CR",
        ImageType=None,
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        RescaleType=None,
        **({"RescaleSlope": None, "RescaleIntercept": None} if rescale is None else rescale),
        **changes,
    )
    save(ds, folder / "f", values)
    return read_series(folder)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    values = np.array([[0, 1000], [2000, 4000]], dtype=np.uint16)
    plain = radiograph(tmp_path / "2", values)
    assert (plain.units, plain.geometry) == ("display", "spacing_only")
    assert plain.spacing_mm == (1, 0.5, 0.75)
    np.testing.assert_allclose(plain.array[0], [[0, 63.75], [127.5, 255]])
    inverted = radiograph(tmp_path / "1", values, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(inverted.array[0], 255 - plain.array[0])


def test_window_of_a_radiograph_is_applied(tmp_path: Path) -> None:
    """Centre 2000, width 1001: 1500 is black, 2500 white (PS3.3 C.11.2.1.2.1)."""
    values = np.array([[0, 1500], [2000, 4000]], dtype=np.uint16)
    volume = radiograph(tmp_path, values, WindowCenter=2000.5, WindowWidth=1001)
    np.testing.assert_allclose(volume.array[0], [[0, 0], [127.5, 255]], atol=0.1)


@pytest.mark.filterwarnings("error")
def test_a_voi_lut_is_indexed_by_whole_numbers(tmp_path: Path) -> None:
    """A rescale of 1 and 0, which every DX image has, leaves them whole."""
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [5, 0, 10])
    table.add_new("LUTData", "US", [0, 100, 400, 900, 1023])
    values = np.array([[0, 1], [2, 4]], dtype=np.uint16)
    volume = radiograph(
        tmp_path, values, {"RescaleSlope": 1, "RescaleIntercept": 0}, VOILUTSequence=[table]
    )
    np.testing.assert_allclose(volume.array[0], np.array([[0, 100], [400, 1023]]) * (255 / 1023))


def test_compact_loses_nothing() -> None:
    assert compact(np.array([1.0, 2.0])).dtype == np.int16
    assert compact(np.array([1.5, 2.0])).dtype == np.float32
    assert compact(np.array([70000])).dtype == np.float32


def test_display_greys_do_not_look_like_hu() -> None:
    assert not looks_like_hu(np.arange(256).repeat(10))
    assert looks_like_hu(np.array([-1000] * 5 + [40] * 5))
