"""DICOM files whose wrapping is not as PS3.10 has it, and which other readers read all the same."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from covidx.errors import CovidxError
from covidx.ingest import deidentify, read_series

from .conftest import chest_values, write_series

EXPECTED = chest_values(8).astype(int) - 1024
DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"


def rewrite(folder: Path, change: Callable[[bytes], bytes]) -> None:
    for path in folder.iterdir():
        path.write_bytes(change(path.read_bytes()))


LARGE = np.kron(EXPECTED, np.ones((1, 4, 4), int))
"""JPEG 2000 has a least size."""


def compress(folder: Path, syntax: str) -> None:
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        pixels = np.kron(ds.pixel_array, np.ones((4, 4), np.uint16))
        ds.Rows, ds.Columns, ds.PixelData = *pixels.shape, pixels.tobytes()
        ds.compress(syntax, generate_instance_uid=False)
        ds.save_as(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[128:],  # begins with DICM
        lambda data: data[132:],  # begins with its meta information
        gzip.compress,
        bz2.compress,
    ],
)
def test_the_same_pixels_without_preamble_or_compressed(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    write_series(tmp_path / "in")
    rewrite(tmp_path / "in", change)
    np.testing.assert_array_equal(read_series(tmp_path / "in").array, EXPECTED)


def test_the_four_letters_by_chance(tmp_path: Path) -> None:
    """A bare data set in implicit VR whose ImageType has DICM at byte 128."""
    for path in write_series(tmp_path / "in"):
        ds = pydicom.dcmread(path)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "Q" * 130]
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        ds.save_as(path, implicit_vr=True, little_endian=True)
        whole = path.read_bytes()
        bare = whole[144 + int.from_bytes(whole[140:144], "little") :]
        before = 128 - bare.index(b"QQQQ")
        bare = bare.replace(b"Q" * 130, (b"Q" * before + b"DICM").ljust(130, b"Q"))
        assert bare[128:132] == b"DICM"
        path.write_bytes(bare)
    np.testing.assert_array_equal(read_series(tmp_path / "in").array, EXPECTED)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_pixels_without_the_delimiter_at_their_end(tmp_path: Path, syntax: str) -> None:
    """Whole but for the last eight bytes; a byte of the stream less, and they are damaged."""
    write_series(tmp_path / "in")
    compress(tmp_path / "in", syntax)
    rewrite(tmp_path / "in", lambda data: data.removesuffix(DELIMITER))
    np.testing.assert_array_equal(read_series(tmp_path / "in").array, LARGE)
    rewrite(tmp_path / "in", lambda data: data[:-20])
    with pytest.raises(CovidxError) as caught:
        read_series(tmp_path / "in")
    assert caught.value.code == "PIXELS_UNREADABLE"


@pytest.mark.parametrize("label", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_encapsulated_pixels_under_a_native_label(tmp_path: Path, syntax: str, label: str) -> None:
    """The stream says what it is; a copy without identity names it rightly."""
    write_series(tmp_path / "in")
    compress(tmp_path / "in", syntax)
    old, new = (str(uid).encode() + b"\0" * (len(uid) % 2) for uid in (syntax, label))
    head = b"\x02\x00\x10\x00UI"

    def relabel(data: bytes) -> bytes:
        data = data.replace(*(head + len(u).to_bytes(2, "little") + u for u in (old, new)))
        length = int.from_bytes(data[140:144], "little") + len(new) - len(old)
        return data[:140] + length.to_bytes(4, "little") + data[144:]

    rewrite(tmp_path / "in", relabel)
    assert pydicom.dcmread(next((tmp_path / "in").iterdir())).file_meta.TransferSyntaxUID == label
    np.testing.assert_array_equal(read_series(tmp_path / "in").array, LARGE)
    deidentify(tmp_path / "in", tmp_path / "copies")
    copy = pydicom.dcmread(next((tmp_path / "copies").rglob("*.dcm")))
    assert copy.file_meta.TransferSyntaxUID == syntax


def test_a_second_group_of_meta_information(tmp_path: Path) -> None:
    """It names another syntax than the first, whose pixels they are."""
    write_series(tmp_path / "in")
    compress(tmp_path / "in", JPEGLSLossless)
    named = b"1.2.840.10008.1.2.1\0"
    element = b"\x02\x00\x10\x00UI" + len(named).to_bytes(2, "little") + named
    group = b"\x02\x00\x00\x00UL\x04\x00" + len(element).to_bytes(4, "little") + element

    def doubled(data: bytes) -> bytes:
        end = 144 + int.from_bytes(data[140:144], "little")
        return data[:end] + group + data[end:]

    rewrite(tmp_path / "in", doubled)
    np.testing.assert_array_equal(read_series(tmp_path / "in").array, LARGE)
