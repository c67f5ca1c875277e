"""Thousands of damaged files: none may end the process, hang it, or be lost from the account."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from benchmarks.results import Result, commit_now
from benchmarks.series import SERIES, legacy_converted, write
from covidx.files import make_folder
from covidx.ingest import Identities, ingest, read_images
from covidx.ingest.nifti import write_nifti
from covidx.ingest.quiet import quiet
from covidx.phantom import generate_cohort
from covidx.volume import Volume

COMMAND = "python -m benchmarks fuzz"
FILES = 20_000
SEED = 2026
SECONDS = 10
"""A file may take; the alarm then ends the process."""
LIMIT_MIB = 2048
BATCH = 500
"""Files a process."""

READ_EACH = [sys.executable, "-m", "benchmarks.fuzz"]

Mutation = Callable[[bytearray, random.Random], bytearray]
Fault = tuple[str, str]
"""Name of a file, and what went wrong with it."""


def corpus(folder: Path) -> dict[str, bytes]:
    """Sound files by name: one of each kind that is read, made here and always the same."""
    found: dict[str, bytes] = {}
    for name, series in SERIES.items():
        if name.startswith("syntax-") or name in ("signed-12-bits", "negative-slope"):
            first = min(write(series, folder / name).iterdir())
            found[f"{name}.dcm"] = first.read_bytes()
    for modality in ("ct", "cxr"):
        root = generate_cohort(folder / modality, 1, SEED, modality=modality, workers=1)
        paths = sorted(p for p in (root / "dicom").rglob("*") if p.is_file())
        found[f"phantom-{modality}.dcm"] = paths[len(paths) // 2].read_bytes()
    enhanced = legacy_converted(folder / "syntax-explicit", folder / "enhanced")
    found["enhanced.dcm"] = next(enhanced.iterdir()).read_bytes()
    voxels = np.arange(4 * 24 * 20, dtype=np.int16).reshape(4, 24, 20)
    volume = Volume(voxels, "CT", "hu", "proven", np.diag([0.7, 0.7, 5.0, 1.0]))
    write_nifti(volume, folder / "volume.nii.gz")
    found["volume.nii.gz"] = (folder / "volume.nii.gz").read_bytes()
    for kind in ("png", "jpeg"):
        stream = io.BytesIO()
        Image.fromarray((voxels[0] % 256).astype(np.uint8)).save(stream, kind)
        found[f"picture.{kind}"] = stream.getvalue()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        for name in ("syntax-explicit.dcm", "picture.png"):
            members.writestr(zipfile.ZipInfo(f"a/{name}"), found[name])
    found["archive.zip"] = archive.getvalue()
    return found


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
    names = sorted(files)
    for index in range(count):
        chance = random.Random(f"{seed}-{index}")  # noqa: S311 (damage, no secrets)
        name = chance.choice(names)
        data = bytearray(files[name])
        how = chance.sample(MUTATIONS, chance.choice((1, 1, 1, 2, 3)))
        for mutation in how:
            data = mutation(data, chance)
        # The name's extension misleads now and then.
        told = name if chance.random() < 0.8 else name.partition(".")[0]
        yield f"{index:05d}-{told}", bytes(data)


def fuzz(count: int = FILES, seed: int = SEED, keep: Path | None = None) -> dict[str, Result]:
    """Damage files, read each in a process that an alarm ends, and ingest them all.

    Parameters
    ----------
    count, seed : int
    keep : Path, optional
        Where files that did harm are left.

    Returns
    -------
    dict
        ``fuzz_files`` and ``fuzz_failures``: files that ended the process, took more than 10 s or
        2 GiB, or that the account of `read_images` or `ingest` lacks.
    """
    begun = time.perf_counter()
    faults: list[Fault] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = corpus(place / "sound")
        kinds: Counter[str] = Counter()
        batch: list[tuple[str, bytes]] = []
        todo = mutated(files, count, seed)
        while batch := [one for one, _ in zip(todo, range(BATCH), strict=False)]:
            damaged = place / "damaged"
            damaged.mkdir()
            for name, data in batch:
                (damaged / name).write_bytes(data)
            for name, why in _one_by_one(damaged, kinds):
                print(f"{name}: {why}", flush=True)
                faults.append((name, why))
                if keep is not None:
                    shutil.copy(damaged / name, make_folder(keep))
                (damaged / name).unlink()
            faults += _together(damaged, place / "store")
            shutil.rmtree(damaged)
            shutil.rmtree(place / "store", ignore_errors=True)
            print(f"{sum(kinds.values())} of {count}", flush=True)
    minutes = (time.perf_counter() - begun) / 60
    bad = len({name for name, _ in faults})
    told = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
    command, commit = COMMAND, commit_now()
    ran = f"{len(files)} sound files, {len(MUTATIONS)} kinds of damage, seed {seed}"
    return {
        "fuzz_files": Result(
            value=count, low=count, high=count, n=count, command=command, commit=commit,
            against=f"20,000; {ran}; {minutes:.0f} minutes; {told}",
        ),
        "fuzz_failures": Result(
            value=bad, low=bad, high=bad, n=count, command=command, commit=commit,
            against=f"0; ended the process, over {SECONDS} s, over {LIMIT_MIB} MiB, or not in the"
            " account",
        ),
    }  # fmt: skip


def _one_by_one(folder: Path, kinds: Counter[str]) -> Iterator[Fault]:
    """Read every file by itself; a process that ends is started again behind the file at fault."""
    todo = sorted(path.name for path in folder.iterdir())
    while todo:
        process = subprocess.run(
            [*READ_EACH, str(folder), todo[0]], capture_output=True, text=True, check=False
        )
        told = [line.split("\t") for line in process.stdout.splitlines()]
        for name, kind in told:
            kinds[kind.partition(" ")[0]] += 1
            if kind.startswith("fault"):
                yield name, kind
        todo = todo[len(told) :]
        if process.returncode != 0 and todo:
            name, *todo = todo
            kinds["ended"] += 1
            yield name, f"ended the process ({process.returncode}): {process.stderr[-200:].strip()}"


def _read_each(folder: Path, first: str) -> None:
    """In a process of its own: one line a file."""
    peak = 0
    for path in sorted(path for path in folder.iterdir() if path.name >= first):
        signal.alarm(SECONDS)  # what it does by default is to end the process
        kind = _kind(path)
        signal.alarm(0)
        now = _peak_mib()
        if now > LIMIT_MIB and now > peak:
            kind = f"fault {now} MiB"
        peak = max(peak, now)
        print(path.name, kind, sep="\t", flush=True)


def _peak_mib() -> int:
    """Peak resident memory of this process; getrusage's counts what its parent held at the fork."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) // 1024


def _kind(path: Path) -> str:
    try:
        reader = read_images(path, identities=Identities.public())
        read = len(list(reader))
    except Exception as error:
        return f"fault {type(error).__name__}: {error}"
    kinds = set(reader.quarantine["kind"])
    if not read and not kinds:
        return "fault not in the account"
    return "read" if read else min(kinds)


def _together(folder: Path, store: Path) -> Iterator[Fault]:
    """Ingest the batch as one folder, as a hospital's export: `ingest` checks its account."""
    key = {"COVIDX_KEY": str(folder.parent / "key" / "key")}
    try:
        with mock.patch.dict(os.environ, key):
            ingest(folder, store, workers=1)
    except Exception as error:
        yield min(p.name for p in folder.iterdir()), f"the batch: {type(error).__name__}: {error}"
        return


if __name__ == "__main__":
    _read_each(Path(sys.argv[1]), sys.argv[2])
