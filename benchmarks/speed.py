"""How long ingestion takes, and how much memory: beside dcm2niix, dicom2nifti and bare pydicom."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from scipy import ndimage

from benchmarks.results import Result, commit_now, result_of_runs
from covidx.ingest.find.scan import find_files, scan_files
from covidx.ingest.find.search import SCAN_CHUNK
from covidx.ingest.pool import team_of
from covidx.phantom import draw_patient, render

COMMAND = "python -m benchmarks speed"
SLICES, SIDE = 400, 512
RUNS = 5
FILES = 10_000
ATTRIBUTES = 120
"""Of a file; the CT of the shared data have 90 to 220."""
NEEDED = (
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "Modality",
    "Rows",
    "Columns",
    "InstanceNumber",
    "PixelSpacing",
    "ImagePositionPatient",
    "ImageOrientationPatient",
)
"""The least that grouping and ordering need; the scan reads forty."""
LARGER = 1.05
"""How much larger than dcm2niix's our file may be."""

ROOT_UID = "1.2.826.0.1.3680043.8.498.400"


def write_large_series(folder: Path, slices: int = SLICES, side: int = SIDE) -> Path:
    """A chest CT of 512 x 512 x 400 with a scanner's noise, from the phantom; uncompressed."""
    scan = render(draw_patient(3, 0)).hu.astype(np.float32)
    zoom = np.array((slices, side, side)) / scan.shape
    noise = np.random.default_rng(0).normal(0, 60, (slices, side, side)).astype(np.float32)
    hu = ndimage.zoom(scan, zoom, order=1) + ndimage.gaussian_filter(noise, (0.5, 0.8, 0.8))
    stored = (np.clip(np.rint(hu), -1024, 3071) + 1024).astype("<u2")
    folder.mkdir(parents=True)
    ds = _template(side)
    for index, plane in enumerate(stored):
        _number(ds, "2", index, [-179, -179, -160 + 0.8 * index])
        ds.PixelData = plane.tobytes()
        ds.save_as(folder / f"{index:04d}.dcm", enforce_file_format=True)
    return folder


def join_series(series: Path, folder: Path, times: int) -> Path:
    """The slices of a series `times` over, there and back, so that a scan goes on and on."""
    folder.mkdir(parents=True)
    there = sorted(series.iterdir())
    paths = [path for turn in range(times) for path in there[:: 1 - 2 * (turn % 2)]]
    for index, path in enumerate(paths):
        ds = dcmread(path)
        _number(ds, "4", index, [-179, -179, -160 + 0.8 * index])
        ds.save_as(folder / f"{index:05d}.dcm")
    return folder


def _number(ds: Dataset, series: str, index: int, position: list[float]) -> None:
    """Make it the slice `index` of a series, from 0."""
    ds.SOPInstanceUID = f"{ROOT_UID}.{series}.{index + 1}"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.InstanceNumber, ds.ImagePositionPatient = index + 1, position


def _template(side: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT_UID}.1", f"{ROOT_UID}.2"
    ds.FrameOfReferenceUID = f"{ROOT_UID}.3"
    ds.PatientName, ds.PatientID = "SPEED^MADE", "SPEED"
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Manufacturer, ds.ConvolutionKernel, ds.SeriesNumber = "SIEMENS", "B40f", 2
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20200301"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "101010"
    ds.Rows = ds.Columns = side
    ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], 0.8
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = -600, 1500
    return ds


def series_speed(runs: int = RUNS, slices: int = SLICES, side: int = SIDE) -> dict[str, Result]:
    """One large series to ``.nii.gz``, the start of the process included, in turn by each tool.

    How many times as fast as dcm2niix, and as dicom2nifti, covidx is; tools that are not installed
    are left out.
    """
    ours, other = (Path(sys.executable).with_name(name) for name in ("covidx", "dicom2nifti"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        series, out = write_large_series(place / "series", slices, side), place / "out"
        commands = {
            "covidx": [ours, "ingest", series, "--out", out],
            "dcm2niix": ["dcm2niix", "-z", "y", "-o", out, series],
            "dicom2nifti": [other, series, out],
        }
        commands = {name: c for name, c in commands.items() if shutil.which(str(c[0]))}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        sizes: dict[str, int] = {}
        with mock.patch.dict(os.environ, {"COVIDX_KEY": str(place / "key" / "key")}):
            for name in [*commands] * (runs + 1):
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                start = time.perf_counter()
                subprocess.run([*map(str, commands[name])], check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - start)
                [made] = out.rglob("*.nii.gz")
                sizes[name] = made.stat().st_size
    found = {}
    for name, limit in (("dcm2niix", 1.5), ("dicom2nifti", 4.0)):
        if name not in commands:
            print(f"ingest_speed_vs_{name} skipped: {name} is not installed")
            continue
        # The first of each fills the disk cache, and is not counted.
        mine, theirs = (statistics.median(seconds[tool][1:]) for tool in ("covidx", name))
        against = f"at least {limit:g}; {mine:.1f} s, {name} {theirs:.1f} s; "
        against += f"the file {sizes['covidx'] / sizes[name]:.3f} of its size"
        if name == "dcm2niix":
            against += f" (at most {LARGER})"
        pairs = zip(seconds["covidx"][1:], seconds[name][1:], strict=True)
        found[f"ingest_speed_vs_{name}"] = _ratio([t / m for m, t in pairs], against)
    return found


def _ratio(ratios: Sequence[float], against: str) -> Result:
    against = f"{against}; {os.cpu_count()} cores; median and range of pairs of runs"
    return result_of_runs(ratios, against, COMMAND, digits=3)


def scan_speed(files: int = FILES, runs: int = RUNS) -> dict[str, Result]:
    """Headers read of many files: how many times as fast as a pydicom loop on all cores.

    The loop takes the attributes that grouping and ordering need, and no more.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        ds = _template(side=8)
        ds.PixelData = bytes(128)
        block = ds.private_block(0x0029, "COVIDX BENCHMARK", create=True)
        for index in range(ATTRIBUTES - len(ds)):
            block.add_new(index, *(("DS", ["0.5", "1"]) if index % 2 else ("LO", "a private text")))
        for index in range(files):
            _number(ds, "4", index, [0, 0, index])
            ds.save_as(place / f"{index:05d}", enforce_file_format=True)
        ratios = []
        for _ in range(runs + 1):
            mine, theirs = _seconds(lambda: _ours(place)), _seconds(lambda: _bare(place))
            ratios.append(theirs / mine)
    against = f"at least 1; {files} files of {ATTRIBUTES} attributes, "
    against += f"the last run {mine:.1f} s, pydicom {theirs:.1f} s"
    return {"scan_speed_vs_pydicom": _ratio(ratios[1:], against)}


def _ours(folder: Path) -> None:
    paths = find_files(folder)
    parts = [paths[i : i + SCAN_CHUNK] for i in range(0, len(paths), SCAN_CHUNK)]
    with team_of(None, len(paths)) as team:
        found = [one for part in team(scan_files, parts) for one in part]
    assert all(one.headers for one in found)


def _bare(folder: Path) -> None:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_header, paths, chunksize=SCAN_CHUNK))
    assert all(found)


def _header(path: Path) -> tuple[str, ...]:
    ds = dcmread(path, stop_before_pixels=True)
    return tuple(str(ds.get(name)) for name in NEEDED)


def _seconds(what: Callable[[], None]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


PEAK = """
import sys
from pathlib import Path
import covidx.ingest.store
from covidx.ingest import ingest
def mib():  # getrusage would tell of the process that started this one
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
before = mib()
ingest(Path(sys.argv[1]), Path(sys.argv[2]), workers=1)
print(mib() - before)
"""


def peak_memory(slices: int = SLICES, side: int = SIDE) -> dict[str, Result]:
    """Peak of the resident memory while a series is ingested, beside that of its int16 volume."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        series = write_large_series(place / "series", slices, side)
        with mock.patch.dict(os.environ, {"COVIDX_KEY": str(place / "key" / "key")}):
            printed = subprocess.run(
                [sys.executable, "-c", PEAK, str(series), str(place / "out")],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
    volume_mib = slices * side * side * 2 / 2**20
    ratio = round(float(printed) / volume_mib, 3)
    against = f"at most 2; {float(printed):.0f} MiB beyond the imports, the volume {volume_mib:.0f}"
    result = Result(
        value=ratio, low=ratio, high=ratio, n=1, against=f"{against}; one process",
        command=COMMAND, commit=commit_now(),
    )  # fmt: skip
    return {"ingest_peak_memory_ratio": result}
