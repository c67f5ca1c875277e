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
{key}
"""
LPS = {
    "type": "short",
    "space": "left-posterior-superior",
    "directions": "(0.75,0,0) (0,0.5,0) (0,0,5)",
    "origin": "(-10,-20,100)",
    "encoding": "raw",
    "endian": "little",
    "key": "content: a volume",
    "rest": "",
}
META = """ObjectType = Image
NDims = 3
BinaryData = {binary}
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
    path.write_bytes((NRRD.format(**(LPS | changes)) + changes.get("rest", "\n")).encode() + data)
    return path


def meta(path: Path, data: bytes, **changes: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    usual = {"binary": "True", "big": "False", "compressed": "False", "file": "LOCAL"}
    header = META.format(**(usual | changes))
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


def test_numbers_as_text_and_in_hex(tmp_path: Path) -> None:
    text = " ".join(map(str, HU.flatten())).encode()
    for name in ("txt", "TEXT", "ascii"):
        check(nrrd(tmp_path / "a.nrrd", text, encoding=name))
    check(meta(tmp_path / "a.mha", text, binary="False"))
    digits = "\n".join(HU[k].tobytes().hex() for k in range(4)).encode()
    check(nrrd(tmp_path / "a.nrrd", digits, encoding="hex"))
    with pytest.raises(CovidxError, match="ITK_UNREADABLE"):  # 40000 is no short
        read_itk(nrrd(tmp_path / "a.nrrd", text.replace(b"99", b"40000"), encoding="text"))


def test_bytes_and_lines_before_the_voxels(tmp_path: Path) -> None:
    """Lines are skipped in the file, bytes once it is unpacked (NRRD's format, byte skip)."""
    data = HU.tobytes()
    check(
        nrrd(
            tmp_path / "a.nrrd", b"one\ntwo\nxyz" + data, encoding="raw\nline skip: 2\nbyteskip: 3"
        )
    )
    packed = b"one\n" + gzip.compress(b"xyz" + data)
    check(nrrd(tmp_path / "a.nrrd", packed, encoding="gzip\nlineskip: 1\nbyte skip: 3"))
    check(nrrd(tmp_path / "a.nrrd", b"of any length" + data, encoding="raw\nbyte skip: -1"))
    (tmp_path / "a.raw").write_bytes(b"head" + data)
    for size in ("4", "-1"):
        check(meta(tmp_path / "a.mhd", b"", file="a.raw", big=f"False\nHeaderSize = {size}"))


def test_voxels_in_several_files(tmp_path: Path) -> None:
    """By a list, or by a name with numbers, in a folder beside the header; packed one by one."""
    source = tmp_path / "in"
    (source / "raw").mkdir(parents=True)
    for k in range(4):
        (source / f"raw/s {3 * k + 2:02d}.raw").write_bytes(HU[k].tobytes())
        (source / f"{k}.gz").write_bytes(gzip.compress(HU[k].tobytes()))
        (source / f"{k}.z").write_bytes(zlib.compress(HU[k].tobytes()))
    names = "".join(f"raw/s {3 * k + 2:02d}.raw\n" for k in range(4)).encode()
    check(meta(source / "list.mhd", names, file="LIST"))
    check(meta(source / "list2.mhd", names, file="LIST 2"))
    check(meta(source / "numbered.mhd", b"", file="raw/s %02d.raw 2 11 3"))
    check(meta(source / "packed.mhd", b"", file="%d.z 0 3 1", compressed="True"))
    last = "data file: LIST"
    check(nrrd(source / "list.nhdr", b"", key=last, rest=names.decode()))
    check(nrrd(source / "numbered.nhdr", b"", key="data file: raw/s %02d.raw 2 11 3 2"))
    packed = nrrd(source / "packed.nhdr", b"", key="datafile: %d.gz 0 3 1", encoding="gzip")
    check(packed)
    back = nrrd(source / "back.nhdr", b"", key="data file: raw/s %02d.raw 11 2 -3")
    np.testing.assert_array_equal(read_itk(back)[0].array, HU[::-1])
    assert [file.name for file in read_itk(packed)[2]] == [
        "packed.nhdr",
        *(f"{k}.gz" for k in range(4)),
    ]
    for path in source.glob("*.[mn]hd*"):
        if path.name != "list.mhd":
            path.unlink()
    result = ingest(source, tmp_path / "out")
    assert (result.files_seen, result.accepted_files, result.quarantined) == (13, 5, 0)


def test_a_header_may_end_its_lines_as_windows_does_and_begin_with_any_tag(tmp_path: Path) -> None:
    header = META.format(big="false", compressed="F", file="LOCAL", binary="true")
    lines = header.splitlines()
    path = tmp_path / "a.mha"
    path.write_bytes("\r\n".join(["Comment = made", *lines[1:], ""]).encode() + HU.tobytes())
    check(path)
    assert ingest(path, tmp_path / "out").accepted_files == 1
    windows = nrrd(tmp_path / "a.nrrd", b"")
    windows.write_bytes(windows.read_bytes().replace(b"\n", b"\r\n") + HU.tobytes())
    check(windows)


def test_a_file_in_gzip_is_read_and_one_that_is_packed_twice_is_not(tmp_path: Path) -> None:
    whole = meta(tmp_path / "a.mha", HU.tobytes()).read_bytes()
    packed = tmp_path / "in" / "a.mha.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(whole))
    check(packed)
    assert ingest(packed, tmp_path / "out").manifest["source_format"].tolist() == ["metaimage"]
    twice = nrrd(tmp_path / "a.nrrd", gzip.compress(HU.tobytes()), encoding="gzip").read_bytes()
    packed.write_bytes(gzip.compress(twice))
    with pytest.raises(CovidxError, match="ITK_UNSUPPORTED"):
        read_itk(packed)


def test_units_of_length(tmp_path: Path) -> None:
    """0.075 cm are 750 µm are 0.75 mm; a place in an unknown unit is none."""
    for unit, factor in (("cm", 0.1), ("um", 1000.0), ("mm", 1.0)):
        ways = " ".join(
            f"({x * factor:g},{y * factor:g},{z * factor:g})"
            for x, y, z in ((0.75, 0, 0), (0, 0.5, 0), (0, 0, 5))
        )
        origin = f"({-10 * factor:g},{-20 * factor:g},{100 * factor:g})"
        named = f'space units: "{unit}" "{unit}" "{unit}"'
        path = nrrd(tmp_path / "a.nrrd", HU.tobytes(), directions=ways, origin=origin, key=named)
        volume, how, _ = read_itk(path)
        np.testing.assert_allclose(volume.affine, AFFINE, rtol=1e-6)
        assert ("in a unit of" in how) is (unit != "mm")
    path = nrrd(tmp_path / "a.nrrd", HU.tobytes(), key='space units: "px" "px" "px"')
    volume, how, _ = read_itk(path)
    assert volume.geometry == "none" and how.endswith("its unit of length is not known")
    path = meta(tmp_path / "a.mha", HU.tobytes(), big="False\nDistanceUnits = um")
    assert read_itk(path)[0].spacing_mm == pytest.approx((0.005, 0.0005, 0.00075))


def test_one_slice_and_one_of_several_time_points(tmp_path: Path) -> None:
    """NRRD's axis of time may be any (kinds: list), as 3D Slicer has it first; MetaImage's last."""
    slice_ = meta(tmp_path / "s.mha", HU[3].tobytes())
    text = slice_.read_bytes().replace(b"5 3 4", b"5 3").replace(b"0.75 0.5 5", b"0.75 0.5")
    slice_.write_bytes(
        text.replace(b"1 0 0 0 1 0 0 0 1", b"1 0 0 1").replace(b"NDims = 3", b"NDims = 2")
    )
    volume, how, _ = read_itk(slice_)
    np.testing.assert_array_equal(volume.array, HU[3:])
    assert (volume.geometry, volume.spacing_mm) == ("spacing_only", (1, 0.5, 0.75))
    assert how.endswith("its depth of 1 mm is a convention")

    times = np.stack([HU, HU + 1, HU + 2])  # (times, slices, rows, columns)
    source = tmp_path / "in"
    made = nrrd(source / "first.nrrd", times.transpose(1, 2, 3, 0).tobytes(),
                directions="none (0.75,0,0) (0,0.5,0) (0,0,5)",
                key="kinds: list domain domain domain")  # fmt: skip
    made.write_bytes(
        made.read_bytes().replace(b"sizes: 5", b"sizes: 3 5").replace(b"ion: 3", b"ion: 4")
    )
    last = meta(source / "last.mha", times.tobytes())
    changes = ((b"5 3 4", b"5 3 4 3"), (b"NDims = 3", b"NDims = 4"), (b"0.5 5", b"0.5 5 1"),
               (b"-20 100", b"-20 100 0"),
               (b"1 0 0 0 1 0 0 0 1", b"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"))  # fmt: skip
    for change in changes:
        last.write_bytes(last.read_bytes().replace(*change))
    for path in (made, last):
        with pytest.raises(CovidxError) as caught:
            read_itk(path)
        assert caught.value.code == "TIME_SERIES"
        assert "3 time points; covidx ingest --time-point N" in caught.value.message
        with pytest.raises(CovidxError, match="TIME_POINT_ABSENT"):
            read_itk(path, 4)
        volume, how, _ = read_itk(path, 2)
        np.testing.assert_array_equal(volume.array, HU + 1)
        np.testing.assert_array_equal(volume.affine, AFFINE)
        assert how.endswith("time point 2 of 3")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", ["mha", "mhd", "nrrd", "nhdr"])
def test_as_simpleitk_reads_what_it_wrote(tmp_path: Path, suffix: str, packed: bool) -> None:
    """Oblique axes, types of every size; ITK's LPS+ against RAS+."""
    sitk = pytest.importorskip("SimpleITK")
    chance = np.random.default_rng(0)
    for dtype in ("u1", "i2", "u2", "i4", "f4", "f8"):
        image = sitk.GetImageFromArray(chance.integers(0, 200, (4, 3, 5)).astype(dtype))
        image.SetSpacing((0.7, 0.5, 5))
        image.SetOrigin((10, -20, 30))
        image.SetDirection(np.linalg.qr(chance.normal(size=(3, 3)))[0].flatten())
        sitk.WriteImage(image, str(tmp_path / f"a.{suffix}"), packed)
        volume, _, files = read_itk(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
        corner = (4, 2, 3)
        assert volume.affine is not None
        place = volume.affine @ (*corner, 1)
        lps = image.TransformIndexToPhysicalPoint(corner)
        np.testing.assert_allclose(place[:3] * (-1, -1, 1), lps, atol=1e-4)
        assert len(files) == (2 if suffix in ("mhd", "nhdr") else 1)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("detached", [False, True])
def test_as_pynrrd_reads_what_it_wrote(tmp_path: Path, encoding: str, detached: bool) -> None:
    library = pytest.importorskip("nrrd")
    path = tmp_path / ("a.nhdr" if detached else "a.nrrd")
    header = {
        "encoding": encoding,
        "space": "left-posterior-superior",
        "space directions": np.diag([0.75, 0.5, 5]),
        "space origin": [-10, -20, 100],
    }
    library.write(str(path), HU.transpose(2, 1, 0), header, detached_header=detached)
    check(path)


def test_spaces_of_nrrd(tmp_path: Path) -> None:
    """The same places, said in RAS+."""
    changes = {"space": "RAS", "directions": "(-0.75,0,0) (0,-0.5,0) (0,0,5)"}
    check(nrrd(tmp_path / "a.nrrd", HU.tobytes(), **changes, origin="(10,20,100)"))
    changes = {"space": "LAS", "directions": "(0.75,0,0) (0,-0.5,0) (0,0,5)"}
    check(nrrd(tmp_path / "a.nrrd", HU.tobytes(), **changes, origin="(-10,20,100)"))
    scanner = nrrd(tmp_path / "a.nrrd", HU.tobytes(), space="scanner-xyz")
    volume = read_itk(scanner)[0]  # where the patient lies in it, nobody says
    assert (volume.geometry, volume.spacing_mm) == ("spacing_only", (5, 0.5, 0.75))


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
        ((b"DimSize = 5 3 4", b"DimSize = 5 3 4 2"), "ITK_UNREADABLE"),  # and NDims = 3
        ((b"NDims = 3", b"ElementNumberOfChannels = 3"), "ITK_UNSUPPORTED"),
        ((b"NDims = 3", b"ElementToIntensityFunctionSlope = 2"), "ITK_UNSUPPORTED"),
        ((b"Image\n", b"Tube\n"), "ITK_UNSUPPORTED"),
        ((b"DimSize = 5 3 4", b"DimSize = 5 3 0"), "ITK_UNSUPPORTED"),
        ((b"DimSize = 5 3 4", b"DimSize = 50000 30000 40000"), "ITK_UNSUPPORTED"),
        ((b"DimSize = 5 3 4", b"DimSize = 5 3 5"), "ITK_UNREADABLE"),
        ((b"DimSize", b"Remark"), "ITK_UNREADABLE"),
        ((b"MET_SHORT", b"MET_STRING"), "ITK_UNREADABLE"),
        ((b"LOCAL", b"../in.raw"), "ITK_VOXELS_MISSING"),
        ((b"LOCAL", b"gone.raw"), "ITK_VOXELS_MISSING"),
        ((b"LOCAL", b"a%03d.raw 1 7 1"), "ITK_UNREADABLE"),  # 60 voxels in 7 files
        ((b"LOCAL", b"a%03d.raw 1 999999999 1"), "ITK_UNREADABLE"),
        ((b"ElementDataFile", b"Remark"), "ITK_UNREADABLE"),
        ((b"BinaryData = True", b"BinaryData = False"), "ITK_UNREADABLE"),
        ((b"NDims = 3", b"HeaderSize = -7"), "ITK_UNREADABLE"),
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
    "changes",
    [
        {"encoding": "zstd"},
        {"encoding": "gzip\nbyte skip: -1"},
        {"encoding": "raw\nkinds: domain domain RGB-color", "directions": "(1,0,0) (0,1,0) none"},
    ],
    ids=["encoding", "skip", "channels"],
)
def test_nrrd_that_is_not_read_is_named_with_what_to_do(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    with pytest.raises(CovidxError) as caught:
        read_itk(nrrd(tmp_path / "a.nrrd", HU.tobytes(), **changes))
    assert caught.value.code == "ITK_UNSUPPORTED"
    assert "save it as NIfTI" in caught.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"encoding": "raw\nline skip: -2"},
        {"encoding": "raw\nbyte skip: -5"},
        {"encoding": "raw\nline skip: 99"},
        {"encoding": "text"},
        {"endian": "middle"},
        {"type": "short"},
        {"directions": "(1,0,0) (0,1,0)"},
    ],
)
def test_nrrd_that_makes_no_sense(tmp_path: Path, changes: dict[str, str]) -> None:
    data = b"1 2 3 word" if "text" in changes.values() else HU.tobytes()[:100]
    with pytest.raises(CovidxError) as caught:
        read_itk(nrrd(tmp_path / "a.nrrd", data, **changes))
    assert caught.value.code == "ITK_UNREADABLE"


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = nrrd(tmp_path / "a.nrrd", gzip.compress(HU.tobytes()), encoding="gzip").read_bytes()
    for end in range(8, len(whole) - 12, 17):
        (tmp_path / "b.nrrd").write_bytes(whole[:end])
        with pytest.raises(CovidxError) as caught:
            read_series(tmp_path / "b.nrrd")
        assert caught.value.code == "ITK_UNREADABLE"
