"""NRRD and MetaImage: the same voxels at the same places, by affines worked out by hand."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from covidx.errors import CovidxError
from covidx.ingest import ingest, load_image, read_series
from covidx.ingest.itk import read_itk

HU = np.full((4, 3, 5), -1000, dtype=np.int16)  # (slices, rows, columns)
HU[1:3, 1:] = 40
HU[3, 2, 4] = 99

# LPS+: 0.75 mm a column, 0.5 mm a row, 5 mm a slice; the origin is turned to RAS+ with the axes.
AFFINE = np.array([[-0.75, 0, 0, 10], [0, -0.5, 0, 20], [0, 0, 5, 100], [0, 0, 0, 1.0]])

NRRD = """NRRD0004
# a remark
type: {type}
dimension: 3
space: {space}
sizes: 5 3 4
space directions: {directions}
space origin: {origin}
encoding: {encoding}
endian: {endian}
key:=value

"""
LPS = {
    "type": "short",
    "space": "left-posterior-superior",
    "directions": "(0.75,0,0) (0,0.5,0) (0,0,5)",
    "origin": "(-10,-20,100)",
    "encoding": "raw",
    "endian": "little",
}
META = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = {big}
CompressedData = {compressed}
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = -10 -20 100
CenterOfRotation = 0 0 0
ElementSpacing = 0.75 0.5 5
DimSize = 5 3 4
ElementType = MET_SHORT
ElementDataFile = {file}
"""


def nrrd(path: Path, data: bytes, **changes: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(NRRD.format(**(LPS | changes)).encode() + data)
    return path


def meta(path: Path, data: bytes, **changes: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    header = META.format(**({"big": "False", "compressed": "False", "file": "LOCAL"} | changes))
    path.write_bytes(header.encode() + data)
    return path


def check(path: Path) -> None:
    volume, how, _ = read_itk(path)
    np.testing.assert_array_equal(volume.array, HU)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert (volume.modality, volume.units, volume.geometry) == ("CT", "hu", "proven")
    assert how.endswith("affine from the header")


def test_encodings_of_nrrd(tmp_path: Path) -> None:
    data = HU.tobytes()
    for encoding, packed in (
        ("raw", data),
        ("gzip", gzip.compress(data)),
        ("bzip2", bz2.compress(data)),
    ):
        check(nrrd(tmp_path / "a.nrrd", packed, encoding=encoding))
    check(nrrd(tmp_path / "a.nrrd", HU.astype(">i2").tobytes(), endian="big"))
    check(nrrd(tmp_path / "a.nrrd", HU.astype("<f4").tobytes(), type="float"))


def test_spaces_of_nrrd(tmp_path: Path) -> None:
    """The same places, said in RAS+."""
    changes = {"space": "RAS", "directions": "(-0.75,0,0) (0,-0.5,0) (0,0,5)"}
    check(nrrd(tmp_path / "a.nrrd", HU.tobytes(), **changes, origin="(10,20,100)"))


def test_metaimage_in_one_file_and_in_two(tmp_path: Path) -> None:
    data = HU.tobytes()
    check(meta(tmp_path / "a.mha", data))
    check(meta(tmp_path / "a.mha", zlib.compress(data), compressed="True"))
    check(meta(tmp_path / "a.mha", HU.astype(">i2").tobytes(), big="True"))
    source = tmp_path / "in"
    check_path = source / "a.mhd"
    source.mkdir()
    (source / "a.raw").write_bytes(data)
    check(meta(check_path, b"", file="a.raw"))
    result = ingest(source, tmp_path / "out")
    assert (result.files_seen, result.accepted_files) == (2, 2)
    row = result.manifest.iloc[0]
    assert (row["source_format"], row["n_files"]) == ("metaimage", 2)
    stored = load_image(tmp_path / "out", row.to_dict())
    np.testing.assert_array_equal(stored.array, HU)
    np.testing.assert_array_equal(stored.affine, AFFINE)


def test_a_direction_turns_the_axes(tmp_path: Path) -> None:
    """Three numbers a direction (MetaIO): columns run to the back, rows to the patient's right."""
    path = meta(tmp_path / "a.mha", HU.tobytes())
    path.write_bytes(path.read_bytes().replace(b"1 0 0 0 1 0 0 0 1", b"0 1 0 -1 0 0 0 0 1"))
    affine = read_itk(path)[0].affine
    assert affine is not None
    np.testing.assert_array_equal(affine[:3, :3], [[0, 0.5, 0], [-0.75, 0, 0], [0, 0, 5]])


def test_without_directions_only_the_spacing_is_known(tmp_path: Path) -> None:
    path = meta(tmp_path / "a.mha", HU.tobytes())
    path.write_bytes(path.read_bytes().replace(b"TransformMatrix", b"Remark"))
    volume, how, _ = read_itk(path)
    assert (volume.geometry, volume.spacing_mm) == ("spacing_only", (5, 0.5, 0.75))
    assert how.endswith("spacing alone, no orientation")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"DimSize = 5 3 4", b"DimSize = 5 3 4 2"), "ITK_UNSUPPORTED"),
        ((b"DimSize = 5 3 4", b"DimSize = 5 3 0"), "ITK_UNSUPPORTED"),
        ((b"DimSize = 5 3 4", b"DimSize = 50000 30000 40000"), "ITK_UNSUPPORTED"),
        ((b"DimSize = 5 3 4", b"DimSize = 5 3 5"), "ITK_UNREADABLE"),
        ((b"DimSize", b"Remark"), "ITK_UNREADABLE"),
        ((b"MET_SHORT", b"MET_STRING"), "ITK_UNREADABLE"),
        ((b"LOCAL", b"../in.raw"), "ITK_UNREADABLE"),
        ((b"LOCAL", b"gone.raw"), "ITK_UNREADABLE"),
        ((b"ElementDataFile", b"Remark"), "ITK_UNREADABLE"),
        ((b"BinaryData = True", b"BinaryData = False"), "ITK_UNSUPPORTED"),
        ((b"NDims = 3", b"HeaderSize = 12"), "ITK_UNSUPPORTED"),
        ((b"1 0 0 0 1 0 0 0 1", b"1 0 0 1 0 0 0 0 1"), "NIFTI_AFFINE"),
    ],
)
def test_refusals(tmp_path: Path, change: tuple[bytes, bytes], code: str) -> None:
    path = meta(tmp_path / "in" / "a.mha", HU.tobytes())
    (tmp_path / "in.raw").write_bytes(HU.tobytes())  # outside of the source
    path.write_bytes(path.read_bytes().replace(*change))
    with pytest.raises(CovidxError) as caught:
        read_series(tmp_path / "in")
    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes", [{"encoding": "hex"}, {"encoding": "raw\nbyte skip: 5"}], ids=["hex", "skip"]
)
def test_nrrd_that_is_not_read(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(CovidxError) as caught:
        read_itk(nrrd(tmp_path / "a.nrrd", HU.tobytes(), **changes))
    assert caught.value.code == "ITK_UNSUPPORTED"


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = nrrd(tmp_path / "a.nrrd", gzip.compress(HU.tobytes()), encoding="gzip").read_bytes()
    for end in range(8, len(whole) - 12, 17):
        (tmp_path / "b.nrrd").write_bytes(whole[:end])
        with pytest.raises(CovidxError) as caught:
            read_series(tmp_path / "b.nrrd")
        assert caught.value.code == "ITK_UNREADABLE"
