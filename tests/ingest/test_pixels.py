"""Rescale, padding, units, transfer syntaxes and radiographs, with values worked out by hand."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pack_bits
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from covidx.errors import CovidxError
from covidx.ingest import Identities, read_images, read_series
from covidx.ingest.dicom.decode import read_dataset
from covidx.ingest.dicom.header import headers_of
from covidx.ingest.dicom.pixels import measured, padding_of, read_plane
from covidx.ingest.dicom.units import compact, ct_units, looks_like_hu

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


def test_what_is_said_of_padding(tmp_path: Path) -> None:
    """What was unusual before stays said, and only padding that was set to air is counted."""
    for name, level in (("tissue", 1024), ("lung", 300), ("bone", 4000), ("far", 0)):
        values = chest_values(1)[0]
        values[0, :3] = level
        ds = plane(0, BurnedInAnnotation="YES", PixelPaddingValue=level)
        save(ds, tmp_path / name, values)
    notes, padded = {}, {}
    for name in ("tissue", "lung", "bone", "far"):
        [header] = headers_of(dcmread(tmp_path / name), tmp_path / name)
        found = read_plane(header, read_dataset(str(tmp_path / name)))
        notes[name], padded[name] = found.notes, found.padded
        assert "BurnedInAnnotation" in found.notes[0]
    assert padded == {"tissue": 0, "lung": 0, "bone": 0, "far": 3}
    assert notes["tissue"][1:] == ("padding that maps to 0 was left as it is",)
    assert notes["lung"][1:] == ("padding that maps to -724 was left as it is",)
    assert notes["bone"][1:] == ("padding that maps to 2976 was left as it is",)
    assert not notes["far"][1:]


@pytest.mark.parametrize(("written", "stored"), [(63536, -2000), (32768, -32768), (16384, 16384)])
def test_padding_of_signed_pixels_written_as_unsigned(written: int, stored: int) -> None:
    """63536 is -2000 in sixteen bits; 16384 is what it says."""
    values = np.array([[stored, 0, 1]], dtype=np.int16)
    ds = Dataset()
    ds.add_new("PixelPaddingValue", "US", written)
    mask = padding_of(ds, values)
    assert mask is not None and mask.tolist() == [[True, False, False]]


@pytest.mark.parametrize("declared", [True, False])
def test_padding_of_unsigned_pixels_written_as_signed(tmp_path: Path, declared: bool) -> None:
    """-2000 as 16 bits is 63536: after an intercept of -1024 it would be 62,512 HU."""
    values = chest_values(8)
    for index in range(8):
        stored = values[index].copy()
        stored[:, 0] = 63536
        ds = plane(index, BitsStored=16, HighBit=15)
        if declared:
            ds.add_new("PixelPaddingValue", "SS", -2000)
        save(ds, tmp_path / str(index), stored)
    [image] = read_images(tmp_path, identities=Identities.public())
    expected = values.astype(int) - 1024
    expected[..., 0] = -1000
    np.testing.assert_array_equal(image.volume.array, expected)
    assert image.volume.units == "hu"
    assert "96 padded pixels were set to air" in image.receipt.notes
    assert any("not declared" in note for note in image.receipt.notes) is not declared


@pytest.mark.parametrize(
    ("change", "units", "why"),
    [
        (lambda hu: hu, "hu", "RescaleType is HU"),
        (lambda hu: hu - 1024, "unproven", "no soft tissue lies where HU puts it"),  # twice
        (lambda hu: np.where(hu < -500, 30, hu), "hu", "no air is in view"),
        (lambda hu: np.where(hu < -500, -1500, hu), "unproven", "70% of the values lie below air"),
        (lambda hu: np.where(hu < -500, 40_000 + hu, hu), "unproven", "but values reach 39,00"),
        (lambda hu: hu % 65536, "unproven", "but values reach 64,5"),  # signed read as unsigned
    ],
)
def test_what_is_called_hu_must_look_like_it(change: Any, units: str, why: str) -> None:
    hu = chest_values(8).astype(np.int32) - 1024
    found, reason = ct_units(compact(change(hu)), "HU")
    assert (found, why in reason) == (units, True)


def test_padding_of_an_mr_is_left(tmp_path: Path) -> None:
    """Air is a value of CT alone."""
    values = chest_values(1)[0].astype(np.int16)
    values[0, :3] = -2000
    ds = plane(0, Modality="MR", PixelRepresentation=1, BitsStored=16, HighBit=15)
    ds.RescaleIntercept, ds.RescaleType = 7, "US"
    ds.add_new("PixelPaddingValue", "SS", -2000)
    save(ds, tmp_path / "f", values)
    assert read_series(tmp_path).array[0, 0, :3].tolist() == [-1993] * 3


def test_a_plane_in_colour_has_no_measured_values(tmp_path: Path) -> None:
    ds = plane(0, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    save(ds, tmp_path / "f", np.zeros((4, 5, 3), np.uint8))
    [header] = headers_of(dcmread(tmp_path / "f"), tmp_path / "f")
    with pytest.raises(CovidxError) as caught:
        read_plane(header, read_dataset(str(tmp_path / "f")))
    assert caught.value.code == "NOT_GREYSCALE"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_modality_lut_in_words_of_the_files_order(tmp_path: Path, order: str) -> None:
    lut = Dataset()
    lut.add_new("LUTDescriptor", "US", [2, 0, 16])
    lut.add_new("ModalityLUTType", "LO", "US")
    lut.add_new("LUTData", "OW", np.array([1, 258], dtype=f"{order}u2").tobytes())
    ds = plane(0, Modality="MR", ModalityLUTSequence=[lut])
    values = np.array([[0, 1], [1, 0]], dtype=f"{order}u2")
    path = save(ds, tmp_path / "f", values)
    if order == ">":
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        ds.save_as(path, enforce_file_format=True)
    assert read_series(tmp_path).array.tolist() == [[[1, 258], [258, 1]]]


def test_a_frame_has_its_own_rescale_and_not_the_lut_of_its_object() -> None:
    ds = plane(0, RescaleSlope=3, RescaleIntercept=1, Modality="MR")
    [header] = headers_of(ds, Path("f"))
    ds.ModalityLUTSequence = [Dataset()]
    stored = np.array([[2]], dtype=np.uint16)
    assert measured(stored, ds, replace(header, frame=0)).tolist() == [[7]]


def test_a_range_of_padding(tmp_path: Path) -> None:
    values = chest_values(1)[0].astype(np.int16) - 1024
    values[0, :4] = [-2000, -1990, -1980, -1979]
    ds = plane(0, RescaleIntercept=0, PixelRepresentation=1, BitsStored=16, HighBit=15)
    ds.add_new("PixelPaddingValue", "SS", -2000)
    ds.add_new("PixelPaddingRangeLimit", "SS", -1980)
    save(ds, tmp_path / "f", values)
    [image] = read_images(tmp_path, identities=Identities.public())
    assert image.volume.array[0, 0, :4].tolist() == [-1000, -1000, -1000, -1979]
    assert "3 padded pixels were set to air" in image.receipt.notes


def test_padding_in_bits_that_are_not_stored(tmp_path: Path) -> None:
    """63536 is -2000 as 16 bits; its low 12 bits alone would be bone."""
    values = chest_values(1)[0]
    values[0, 0] = 63536
    save(plane(0, PixelPaddingValue=63536), tmp_path / "f", values)
    array = read_series(tmp_path).array[0]
    assert array[0, 0] == -1000 and array[0, 1] == int(values[0, 1]) - 1024


def test_a_negative_slope_and_a_slope_of_none(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 3, RescaleSlope=-2, RescaleIntercept=1000)
    expected = chest_values(3).astype(int) * -2 + 1000
    np.testing.assert_array_equal(read_series(tmp_path / "a").array, expected)
    write_series(tmp_path / "b", 3, RescaleSlope=0)
    assert refusal(tmp_path / "b") == "RESCALE_INVALID"


def test_large_numbers_are_kept_whole(tmp_path: Path) -> None:
    """65535 * 30000 - 5 is neither an int16 nor exact as 32-bit float."""
    values = np.array([[0, 65535], [1, 2]], dtype=np.uint16)
    ds = plane(0, RescaleSlope=30000, RescaleIntercept=-5, BitsStored=16, HighBit=15)
    save(ds, tmp_path / "f", values)
    array = read_series(tmp_path).array
    assert array[0].astype(np.int64).tolist() == [[-5, 1966049995], [29995, 59995]]


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept", "expected"),
    [
        ("<u2", 2, 0, [0, 2, 131070]),
        ("<u2", 1, 1, [1, 2, 65536]),
        ("<u2", 40_000, 0, [0, 40_000, 2_621_400_000]),
        ("<u2", 70_000, -5, [-5, 69_995, 4_587_449_995]),  # more than 32 bits hold
        ("<u4", 1, -1024, [-1024, -1023, 4_294_966_271]),
        ("<u2", 1, 0.5, [0.5, 1.5, 65535.5]),
    ],
)
def test_a_rescale_overflows_nothing(
    dtype: str, slope: float, intercept: float, expected: list[float]
) -> None:
    top = np.iinfo(dtype).max
    stored = np.array([[0, 1, top]], dtype=dtype)
    ds = plane(0, RescaleSlope=slope, RescaleIntercept=intercept, Modality="MR")
    [header] = headers_of(ds, Path("f"))
    assert measured(stored, ds, header).tolist() == [expected]


def test_monochrome1_of_a_ct_changes_no_value(tmp_path: Path) -> None:
    """It says how values are shown (PS3.3 C.7.6.3.1.2), and HU are not shown values."""
    write_series(tmp_path, 3, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_series(tmp_path).array, chest_values(3).astype(int) - 1024)


@pytest.mark.parametrize(("high", "shift"), [(11, 0), (15, 4), (13, 2)])
@pytest.mark.parametrize("signed", [0, 1])
def test_high_bit_and_the_bits_beside_it(
    tmp_path: Path, high: int, shift: int, signed: int
) -> None:
    """12 bits anywhere in 16, an overlay in the others (PS3.5 8.1.1)."""
    samples = np.array([[0, 1], [2047, -2048]] if signed else [[0, 1], [2047, 4095]])
    words = (samples & 0xFFF) << shift
    words |= ~(0xFFF << shift) & 0xFFFF  # all other bits are set
    ds = plane(0, Modality="MR", RescaleSlope=1, RescaleIntercept=0, RescaleType=None)
    ds.HighBit, ds.PixelRepresentation = high, signed
    save(ds, tmp_path / "f", words.astype(np.uint16))
    np.testing.assert_array_equal(read_series(tmp_path).array[0], samples)


def test_values_with_more_bits_than_bits_stored_says(tmp_path: Path) -> None:
    """Metal of 20,000 HU in 12 bits would be -480 HU; an overlay's bits are none of the value."""
    values = chest_values(3)
    values[:, 5, 5] = 21_024
    for index in range(3):
        save(plane(index), tmp_path / "in" / str(index), values[index])
        overlay = plane(index)
        overlay.add_new(0x60000102, "US", 14)
        save(overlay, tmp_path / "overlay" / str(index), values[index])
    [image] = read_images(tmp_path / "in", identities=Identities.public())
    np.testing.assert_array_equal(image.volume.array, values.astype(int) - 1024)
    assert image.volume.array[0, 5, 5] == 20_000
    assert "values have more bits than BitsStored says, and were kept" in image.receipt.notes
    [image] = read_images(tmp_path / "overlay", identities=Identities.public())
    assert image.volume.array[0, 5, 5] == (21_024 & 4095) - 1024
    assert not image.receipt.notes


@pytest.mark.parametrize("bits", [12, 16])
def test_a_signed_stream_under_an_unsigned_header(tmp_path: Path, bits: int) -> None:
    """JPEG 2000 keeps the sign in its stream: -1000 is not 64,536."""
    hu = np.kron(chest_values(1)[0].astype(np.int16) - 1024, np.ones((4, 4), np.int16))
    ds = plane(0, RescaleIntercept=0, PixelRepresentation=1, BitsStored=bits, HighBit=bits - 1)
    path = save(ds, tmp_path / "f", hu)
    ds = dcmread(path)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    ds.PixelRepresentation = 0
    ds.save_as(path)
    [image] = read_images(tmp_path, identities=Identities.public())
    np.testing.assert_array_equal(image.volume.array[0], hu)
    assert any("stream is signed" in note for note in image.receipt.notes)
    assert image.volume.units == "unproven"  # a header that is wrong about one thing


def test_samples_of_one_bit(tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (7, 9), dtype=np.uint8)
    ds = plane(0, Modality="MR", RescaleSlope=1, RescaleIntercept=0, RescaleType=None)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, 1, 0
    ds.Rows, ds.Columns = bits.shape
    ds.PixelData = pack_bits(bits)
    ds["PixelData"].VR = "OB"
    save(ds, tmp_path / "f", None)
    np.testing.assert_array_equal(read_series(tmp_path).array[0], bits)


@pytest.mark.parametrize(("name", "kind"), [("Float", "f4"), ("DoubleFloat", "f8")])
def test_floats(tmp_path: Path, name: str, kind: str) -> None:
    values = np.array([[0.5, -3.25], [1e6, 7]], dtype=f"<{kind}")
    ds = plane(0, Modality="MR", RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    del ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.BitsAllocated = 8 * values.itemsize
    ds.Rows, ds.Columns = values.shape
    setattr(ds, f"{name}PixelData", values.tobytes())
    save(ds, tmp_path / "f", None)
    array = read_series(tmp_path).array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array[0], values)


def test_what_a_receipt_says_of_the_pixels(tmp_path: Path) -> None:
    write_series(tmp_path, 3, BurnedInAnnotation="YES", LossyImageCompression="01")
    [image] = read_images(tmp_path, identities=Identities.public())
    assert image.receipt.notes == (
        "BurnedInAnnotation is YES: the pixels may show who the patient is",
        "lossy compression changed the values",
    )


def refusal(path: Path) -> str:
    with pytest.raises(CovidxError) as caught:
        read_series(path)
    return caught.value.code


def test_pixels_that_are_not_read(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "mpeg", 1)
    ds = dcmread(paths[0])
    ds.file_meta.TransferSyntaxUID = MPEG2MPML
    ds.PixelData = encapsulate([b"\0\0\1\xb3"])
    ds.save_as(paths[0])
    assert refusal(tmp_path / "mpeg") == "SYNTAX_UNSUPPORTED"
    save(plane(0, BitsAllocated=12), tmp_path / "packed", chest_values(1)[0])
    assert refusal(tmp_path / "packed") == "BITS_UNSUPPORTED"
    ds = plane(0, Rows=60000, Columns=60000, PixelData=b"\0\0")
    ds["PixelData"].VR = "OW"
    save(ds, tmp_path / "large", None)
    assert refusal(tmp_path / "large") == "IMAGE_TOO_LARGE"


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


def test_no_warning_and_no_log_names_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """pydicom warns of a cut encapsulated file by its path, in which a name may stand."""
    caplog.set_level("DEBUG")
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
    assert str(tmp_path) not in caplog.text


def test_a_file_without_preamble_is_found(tmp_path: Path) -> None:
    for path in write_series(tmp_path, 3):
        ds = dcmread(path)
        ds.file_meta, ds.preamble = FileMetaDataset(), None
        ds.save_as(path, implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_series(tmp_path).array, chest_values(3).astype(int) - 1024)


def test_compact_loses_nothing() -> None:
    assert compact(np.array([1.0, 2.0])).dtype == np.int16
    assert compact(np.array([1.5, 2.0])).dtype == np.float32
    assert compact(np.array([70000])).dtype == np.float32
    assert compact(np.array([(1 << 24) + 1])).tolist() == [(1 << 24) + 1]
    assert compact(np.array([1 << 40])).dtype == np.float32


def test_display_greys_do_not_look_like_hu() -> None:
    assert not looks_like_hu(np.arange(256).repeat(10))
    assert looks_like_hu(np.array([-1000] * 5 + [40] * 5))
