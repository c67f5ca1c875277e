"""Radiographs as a viewer shows them: LUTs, windows, polarity, padding and colour, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DigitalXRayImageStorageForProcessing,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from covidx.errors import CovidxError
from covidx.ingest import Identities, read_images, read_series
from covidx.volume import Volume

from .conftest import plane, save


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


def test_a_secondary_capture_in_colour_is_set_aside_however_grey(tmp_path: Path) -> None:
    with pytest.raises(CovidxError) as caught:
        coloured(
            tmp_path,
            np.zeros((3, 4, 3), dtype=np.uint8),
            PhotometricInterpretation="RGB",
            PlanarConfiguration=0,
            SOPClassUID=SecondaryCaptureImageStorage,
        )
    assert caught.value.code == "SECONDARY_CAPTURE"


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


@pytest.mark.parametrize("implicit", [False, True])
def test_the_first_value_of_a_voi_lut_below_0(tmp_path: Path, implicit: bool) -> None:
    """After an intercept of -2048 the table begins there; implicit VR does not keep the sign."""
    table = Dataset()
    table.add_new("LUTDescriptor", "SS", [4096, -2048, 16])
    table.add_new("LUTData", "OW", (np.arange(4096) * 16).astype("<u2").tobytes())
    values = np.array([[0, 1024], [2048, 4095]], dtype=np.uint16)
    rescale = {"RescaleSlope": 1, "RescaleIntercept": -2048}
    radiograph(tmp_path, values, rescale, VOILUTSequence=[table])
    if implicit:
        ds = dcmread(tmp_path / "f")
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        ds.save_as(tmp_path / "f", implicit_vr=True, little_endian=True)
    greys = read_series(tmp_path).array[0]
    np.testing.assert_allclose(greys, values * (16 * 255 / 65535), atol=0.01)


@pytest.mark.parametrize(
    "wish",
    [
        {"WindowCenter": 60000, "WindowWidth": 10},  # all black
        {"WindowCenter": -500, "WindowWidth": 10},  # all white
        {"VOILUTSequence": [900, 900]},
    ],
)
def test_a_window_that_shows_nothing_is_not_used(tmp_path: Path, wish: dict[str, Any]) -> None:
    """The greys run from the least to the greatest value, and the receipt says so."""
    if "VOILUTSequence" in wish:
        wish = {"VOILUTSequence": voi_lut(wish["VOILUTSequence"], 10)}
    values = np.array([[0, 1000], [2000, 4000]], dtype=np.uint16)
    radiograph(tmp_path, values, **wish)
    [image] = read_images(tmp_path, identities=Identities.public())
    np.testing.assert_allclose(image.volume.array[0], [[0, 63.75], [127.5, 255]])
    assert image.receipt.notes == ("its window or VOI LUT shows nothing, and was not used",)


@pytest.mark.parametrize("bits", [8, 12])
def test_a_radiograph_of_one_grey_is_blank(tmp_path: Path, bits: int) -> None:
    values = np.full((4, 5), 77, dtype=np.uint16)
    with pytest.raises(CovidxError) as caught:
        radiograph(tmp_path, values, BitsStored=bits, HighBit=bits - 1)
    assert caught.value.code == "IMAGE_BLANK"


def test_a_coloured_radiograph_of_one_grey_is_blank(tmp_path: Path) -> None:
    rgb = np.full((3, 4, 3), 9, dtype=np.uint8)
    with pytest.raises(CovidxError) as caught:
        coloured(tmp_path, rgb, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    assert caught.value.code == "IMAGE_BLANK"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"PresentationIntentType": "FOR PROCESSING"}, "FOR PROCESSING"),
        ({"SOPClassUID": DigitalXRayImageStorageForProcessing}, "FOR PROCESSING"),
        ({"PixelAspectRatio": [2, 1], "PixelSpacing": None}, "its pixels are 2 high and 1 wide"),
        ({"PresentationIntentType": "FOR PRESENTATION", "PixelAspectRatio": [1, 1]}, None),
    ],
)
def test_what_a_radiograph_was_made_for(
    tmp_path: Path, changes: dict[str, Any], note: str | None
) -> None:
    values = np.array([[0, 1000], [2000, 4000]], dtype=np.uint16)
    radiograph(tmp_path, values, **changes)
    [image] = read_images(tmp_path, identities=Identities.public())
    assert [n.split(":")[0].split(",")[0] for n in image.receipt.notes] == [note] * bool(note)
