"""Rescale, padding, units, transfer syntaxes and radiographs, with values worked out by hand."""

from __future__ import annotations

import warnings
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
    JPEGLSLossless,
    RLELossless,
)

from covidx.errors import CovidxError
from covidx.ingest import Identities, read_images, read_series
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


def voi_lut(entries: list[int], bits: int, first: int = 0) -> list[Dataset]:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    table.add_new("LUTData", "US", entries)
    return [table]


def test_a_voi_lut_stands_before_the_window(tmp_path: Path) -> None:
    values = np.array([[0, 1], [2, 3]], dtype=np.uint16)
    lut = voi_lut([255, 170, 85, 0], 8)  # a negative
    volume = radiograph(tmp_path, values, VOILUTSequence=lut, WindowCenter=2, WindowWidth=4)
    np.testing.assert_allclose(volume.array[0], [[255, 170], [85, 0]])


def test_a_voi_lut_of_8_bits_for_deeper_pixels(tmp_path: Path) -> None:
    """600 lies in the table's 301st place: an index of 8 bits would find the 45th."""
    lut = voi_lut([place // 2 for place in range(500)], 8, first=300)
    values = np.array([[0, 300], [600, 4000]], dtype=np.uint16)
    volume = radiograph(tmp_path, values, VOILUTSequence=lut)
    np.testing.assert_allclose(volume.array[0], [[0, 0], [150, 249]])


def test_a_modality_lut_of_12_bits_goes_before_the_voi_lut(tmp_path: Path) -> None:
    values = np.array([[0, 1], [2, 3]], dtype=np.uint16)
    modality = voi_lut([10, 11, 12, 13], 12)
    volume = radiograph(
        tmp_path,
        values,
        ModalityLUTSequence=modality,
        VOILUTSequence=voi_lut([0, 255], 8, first=11),
    )
    np.testing.assert_allclose(volume.array[0], [[0, 0], [255, 255]])


def test_a_lut_that_is_too_short_is_refused(tmp_path: Path) -> None:
    lut = voi_lut([0, 1, 2], 8)
    lut[0].LUTDescriptor = [9, 0, 8]
    with pytest.raises(CovidxError) as caught:
        radiograph(tmp_path, np.array([[0, 1], [2, 3]], dtype=np.uint16), VOILUTSequence=lut)
    assert caught.value.code == "PIXELS_UNREADABLE"


@pytest.mark.parametrize(
    ("function", "greys"),
    [
        # Centre 2000, width 1000; PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1.
        ("LINEAR", [0, 255 * (1 / 2 - 249.5 / 999), 255 * (0.5 / 999 + 1 / 2), 255]),
        ("LINEAR_EXACT", [0, 255 / 4, 255 / 2, 255]),
        ("SIGMOID", [255 / (1 + np.e**4), 255 / (1 + np.e), 255 / 2, 255 / (1 + np.e**-4)]),
    ],
)
def test_functions_of_a_window(tmp_path: Path, function: str, greys: list[float]) -> None:
    values = np.array([[1000, 1750], [2000, 3000]], dtype=np.uint16)
    volume = radiograph(
        tmp_path, values, WindowCenter=2000, WindowWidth=1000, VOILUTFunction=function
    )
    np.testing.assert_allclose(volume.array[0].ravel(), greys, atol=0.01)


def test_greys_lie_where_the_window_puts_them(tmp_path: Path) -> None:
    """An image within its window reaches neither black nor white, nor does it in a viewer."""
    values = np.array([[1000, 2000], [2000, 3000]], dtype=np.uint16)
    window = {"WindowCenter": 2000, "WindowWidth": 4000, "VOILUTFunction": "LINEAR_EXACT"}
    volume = radiograph(tmp_path / "a", values, **window)
    np.testing.assert_allclose(volume.array[0], [[63.75, 127.5], [127.5, 191.25]], atol=0.01)
    turned = radiograph(
        tmp_path / "b", values, {"RescaleSlope": -1, "RescaleIntercept": 4000}, **window
    )
    np.testing.assert_allclose(turned.array[0], [[191.25, 127.5], [127.5, 63.75]], atol=0.01)


def test_a_window_without_width_is_told(tmp_path: Path) -> None:
    values = np.array([[0, 1000], [2000, 4000]], dtype=np.uint16)
    radiograph(tmp_path, values, WindowCenter=0, WindowWidth=0)
    [image] = read_images(tmp_path, identities=Identities.public())
    np.testing.assert_allclose(image.volume.array[0], [[0, 63.75], [127.5, 255]])
    assert image.receipt.notes == ("the window cannot be used",)


def test_padding_of_a_radiograph_is_black(tmp_path: Path) -> None:
    """And stretches no greys, though it is the greatest value of a MONOCHROME1 image."""
    values = np.array([[1000, 2000], [3000, 4095]], dtype=np.uint16)
    volume = radiograph(
        tmp_path, values, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=4095
    )
    np.testing.assert_allclose(volume.array[0], [[255, 127.5], [0, 0]])


def test_a_shape_that_contradicts_the_photometric_interpretation(tmp_path: Path) -> None:
    values = np.array([[0, 1000], [2000, 4000]], dtype=np.uint16)
    radiograph(tmp_path, values, PresentationLUTShape="INVERSE")
    [image] = read_images(tmp_path, identities=Identities.public())
    assert image.volume.array[0, 0, 0] == 0
    assert image.receipt.notes[0].startswith("PresentationLUTShape contradicts")


def coloured(folder: Path, values: np.ndarray, **changes: Any) -> Volume:
    return radiograph(
        folder, values, BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3, **changes
    )


def test_a_grey_radiograph_in_rgb_is_read(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    rgb = np.repeat(grey[:, :, None], 3, axis=2)
    rgb[0, 0, 0] += 4  # as JPEG may leave it
    changes = {"PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    volume = coloured(tmp_path / "a", rgb, **changes)
    np.testing.assert_array_equal(volume.array[0], grey)
    assert volume.array.dtype == np.uint8
    rgb[0, 0, 0] += 1
    with pytest.raises(CovidxError) as caught:
        coloured(tmp_path / "b", rgb, **changes)
    assert caught.value.code == "NOT_GREYSCALE"


def test_a_grey_radiograph_in_ybr_is_read(tmp_path: Path) -> None:
    """Chroma of 128 is none (PS3.3 C.7.6.3.1.2)."""
    ybr = np.full((3, 4, 3), 128, dtype=np.uint8)
    ybr[..., 0] = np.arange(12).reshape(3, 4) * 20
    volume = coloured(tmp_path, ybr, PhotometricInterpretation="YBR_FULL", PlanarConfiguration=0)
    np.testing.assert_allclose(volume.array[0], ybr[..., 0], atol=1)


def test_a_palette_of_greys_is_read(tmp_path: Path) -> None:
    entries = np.array([0, 65535, 257 * 100], dtype="<u2").tobytes()
    palette = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [3, 0, 16]), ("Data", entries))
    }
    values = np.array([[0, 1], [2, 0]], dtype=np.uint16)
    volume = radiograph(tmp_path, values, PhotometricInterpretation="PALETTE COLOR", **palette)
    np.testing.assert_allclose(volume.array[0], [[0, 255], [100, 0]])


def test_compact_loses_nothing() -> None:
    assert compact(np.array([1.0, 2.0])).dtype == np.int16
    assert compact(np.array([1.5, 2.0])).dtype == np.float32
    assert compact(np.array([70000])).dtype == np.float32
    assert compact(np.array([(1 << 24) + 1])).tolist() == [(1 << 24) + 1]
    assert compact(np.array([1 << 40])).dtype == np.float32


def test_display_greys_do_not_look_like_hu() -> None:
    assert not looks_like_hu(np.arange(256).repeat(10))
    assert looks_like_hu(np.array([-1000] * 5 + [40] * 5))
