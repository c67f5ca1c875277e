"""Sound files of each kind that is read, and ways to damage them; the same for the same seed."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from benchmarks.series import SERIES, legacy_converted, write
from covidx.ingest.nifti import write_nifti
from covidx.ingest.quiet import quiet
from covidx.phantom import generate_cohort
from covidx.volume import Volume

Mutation = Callable[[bytearray, random.Random], bytearray]
SEED = 2026


NEWER = ("gzip.nrrd", "text.nrrd", "volume.mha")
"""Every tenth damaged file is one of these, so that the damage of the others stays as it was."""
NRRD = """NRRD0004
type: short
dimension: 3
space: left-posterior-superior
sizes: 20 24 4
space directions: (0.7,0,0) (0,0.7,0) (0,0,5)
space origin: (-10,-20,100)
encoding: *
endian: little

"""
META = """ObjectType = Image
NDims = 3
BinaryDataByteOrderMSB = False
CompressedData = True
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = -10 -20 100
ElementSpacing = 0.7 0.7 5
DimSize = 20 24 4
ElementType = MET_SHORT
ElementDataFile = LOCAL
"""


def corpus(folder: Path) -> dict[str, bytes]:
    """Sound files by name: one of each kind that is read, made here and always the same."""
    files: dict[str, bytes] = {}
    for name, series in SERIES.items():
        if name.startswith("syntax-") or name in ("signed-12-bits", "negative-slope"):
            first = min(write(series, folder / name).iterdir())
            files[f"{name}.dcm"] = first.read_bytes()
    for modality in ("ct", "cxr"):
        root = generate_cohort(folder / modality, 1, SEED, modality=modality, workers=1)
        paths = sorted(p for p in (root / "dicom").rglob("*") if p.is_file())
        files[f"phantom-{modality}.dcm"] = paths[len(paths) // 2].read_bytes()
    enhanced = legacy_converted(folder / "syntax-explicit", folder / "enhanced")
    files["enhanced.dcm"] = next(enhanced.iterdir()).read_bytes()
    voxels = np.arange(4 * 24 * 20, dtype=np.int16).reshape(4, 24, 20)
    volume = Volume(voxels, "CT", "hu", "proven", np.diag([0.7, 0.7, 5.0, 1.0]))
    write_nifti(volume, folder / "volume.nii.gz")
    files["volume.nii.gz"] = (folder / "volume.nii.gz").read_bytes()
    text = " ".join(map(str, voxels.ravel())).encode()
    nrrd, meta = NRRD.encode(), META.encode()
    files["gzip.nrrd"] = nrrd.replace(b"*", b"gzip") + gzip.compress(voxels.tobytes(), mtime=0)
    files["text.nrrd"] = nrrd.replace(b"*", b"text") + text
    files["volume.mha"] = meta + zlib.compress(voxels.tobytes())
    for kind in ("png", "jpeg"):
        stream = io.BytesIO()
        Image.fromarray((voxels[0] % 256).astype(np.uint8)).save(stream, kind)
        files[f"picture.{kind}"] = stream.getvalue()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        for name in ("syntax-explicit.dcm", "picture.png"):
            members.writestr(zipfile.ZipInfo(f"a/{name}"), files[name])
    files["archive.zip"] = archive.getvalue()
    return files


def _flip(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return data


def _flip_early(data: bytearray, chance: random.Random) -> bytearray:
    """In the headers, where a byte says more than among the pixels."""
    for _ in range(chance.choice((1, 2, 4, 16))):
        data[chance.randrange(min(len(data), 2048))] = chance.randrange(256)
    return data


def _cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(1, len(data))]


def _drop(data: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 2, 4, 100, 1000))]
    return data or bytearray(1)


def _insert(data: bytearray, chance: random.Random) -> bytearray:
    place = chance.randrange(len(data))
    data[place:place] = chance.randbytes(chance.choice((1, 2, 4, 100, 5000)))
    return data


def _swap(data: bytearray, chance: random.Random) -> bytearray:
    size = chance.choice((2, 8, 64, 512))
    a, b = (chance.randrange(max(1, len(data) - size)) for _ in range(2))
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return data


def _claim(data: bytearray, chance: random.Random) -> bytearray:
    """A length or size of up to 4 GB, wherever it falls."""
    claimed = chance.choice((0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFFFFF, 0x80000000, 0xFFFF, 0x10000))
    place = chance.randrange(max(1, min(len(data), 4096) - 4))
    data[place : place + 4] = struct.pack(chance.choice(("<I", ">I")), claimed)
    return data


SIZES = ("Rows", "Columns", "NumberOfFrames", "BitsAllocated", "BitsStored", "HighBit")
SIZES += ("SamplesPerPixel", "PixelRepresentation", "PlanarConfiguration")


def _resize(data: bytearray, chance: random.Random) -> bytearray:
    """A DICOM whose header claims another size or depth: terabytes, nothing, or odd bits."""
    ds = _parsed(data)
    if ds is None:
        return _claim(data, chance)
    for name in chance.sample(SIZES, chance.choice((1, 1, 2))):
        value = chance.choice((0, 1, 3, 7, 12, 16, 17, 32, 64, 255, 65535))
        many = name == "NumberOfFrames" and value > 64
        ds.add_new(name, dictionary_VR(name), 2**31 - 1 if many else value)  # the old one unread
    return _written(ds, data)


def _odd(data: bytearray, chance: random.Random) -> bytearray:
    """A DICOM with an attribute of place or rescale that is empty, short or no number."""
    ds = _parsed(data)
    if ds is None:
        return _flip_early(data, chance)
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
    names += ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "RescaleType")
    element = ds.get_item(name := chance.choice(names))
    values = (
        b"",
        b"0 ",
        b"nan ",
        b"inf\\inf ",
        b"1e308\\1e308\\1e308 ",
        b"-1\\",
        b"1\\0\\0\\x\\1\\0 ",
    )
    if element is None or not hasattr(element, "_replace"):
        ds.add_new(name, dictionary_VR(name), None)
    else:
        ds[element.tag] = element._replace(value=chance.choice(values))
    return _written(ds, data)


def _nest(data: bytearray, chance: random.Random) -> bytearray:
    """A sequence in a sequence, thousands deep, of undefined length, behind the meta header."""
    start = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    place = _behind_meta(data)
    data[place:place] = start * chance.choice((10, 500, 5000))
    return data


def _behind_meta(data: bytearray) -> int:
    if data[128:132] != b"DICM" or len(data) < 144:
        return 0
    return 144 + int(struct.unpack("<I", data[140:144])[0])


def _parsed(data: bytearray) -> Dataset | None:
    try:
        with quiet():
            return dcmread(io.BytesIO(data)) if data[128:132] == b"DICM" else None
    except Exception:
        return None


def _written(ds: Dataset, data: bytearray) -> bytearray:
    stream = io.BytesIO()
    try:
        with quiet():
            ds.save_as(stream)
    except Exception:  # pydicom does not write everything
        return data[: len(data) // 2]
    return bytearray(stream.getvalue())


MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _flip_early,
    _cut,
    _drop,
    _insert,
    _swap,
    _claim,
    _resize,
    _odd,
    _nest,
)


def mutated(files: dict[str, bytes], count: int, seed: int = SEED) -> Iterator[tuple[str, bytes]]:
    """Damaged files by name, the same for the same seed; the name says from what and how."""
    older, newer = (
        sorted(name for name in files if (name in NEWER) is new) for new in (False, True)
    )
    for index in range(count):
        chance = random.Random(f"{seed}-{index}")  # noqa: S311 (damage, no secrets)
        name = chance.choice(newer if newer and index % 10 == 9 else older or newer)
        data = bytearray(files[name])
        for mutation in chance.sample(MUTATIONS, chance.choice((1, 1, 1, 2, 3))):
            data = mutation(data, chance)
        # The name's extension misleads now and then.
        shown = name if chance.random() < 0.8 else name.partition(".")[0]
        yield f"{index:05d}-{shown}", bytes(data)
