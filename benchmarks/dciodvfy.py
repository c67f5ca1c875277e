"""What dciodvfy (dicom3tools) finds wrong with the DICOM that covidx derives.

python -m benchmarks dciodvfy
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from highdicom.base import SOPClass

from benchmarks import series
from benchmarks.results import Result, commit_now
from covidx.errors import InvalidInputError
from covidx.export import (
    Algorithm,
    Measure,
    Mode,
    SourceSeries,
    binary_segmentation,
    fractional_segmentation,
    measurement_report,
    parametric_map,
    read_mask,
    read_source,
    save,
)
from covidx.ingest import Identities
from covidx.phantom import generate_cohort

PATIENTS, SEED = 3, 0
"""One patient of each simulated scanner."""
MADE = ("axial", "axial-backwards", "coronal", "sagittal-mr", "double-oblique", "tilt-minus-20")
TRUTH = Algorithm("phantom truth", "3", "manual")
NETWORK = Algorithm("made-up network", "0.1")
NAMES = {1: "right-lung", 2: "left-lung"}
LESIONS = {1: "ground-glass", 2: "consolidation", 3: "effusion"}


def faults(path: Path) -> list[str]:
    """The errors that dciodvfy has of a file.

    Raises
    ------
    InvalidInputError
        ``PROGRAM_MISSING``.
    """
    program = shutil.which("dciodvfy")
    if program is None:
        raise InvalidInputError("PROGRAM_MISSING", "dciodvfy (dicom3tools) is not installed.")
    done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    found = [line for line in lines if line.startswith("Error")]
    if done.returncode and not found:
        found = [f"Error - exit code {done.returncode}"]
    return found


def derived(cohort: Path, patient: str, source: SourceSeries) -> Iterator[tuple[str, SOPClass]]:
    """Every kind of object of a phantom patient, by a name."""
    lung = read_mask(cohort / "masks" / f"{patient}_lung.nii.gz")
    lesion = read_mask(cohort / "masks" / f"{patient}_lesion.nii.gz")
    likely = replace(lesion, array=np.where(lesion.array > 0, 0.75, 0.0).astype(np.float32))
    lungs = binary_segmentation(lung, NAMES, source, TRUTH)
    yield "lungs", lungs
    yield "lesions", binary_segmentation(lesion, LESIONS, source, NETWORK)
    yield "fractional", fractional_segmentation(likely, "opacity", source, NETWORK)
    yield "map", parametric_map(likely, "opacity", source, NETWORK)
    share, score = Measure("share", 12.5, "left-lung"), Measure("ct-severity-score", 7)
    yield "report", measurement_report(lungs, [share, score])


def _of_series(folder: Path, mode: Mode, ids: Identities) -> Iterator[tuple[str, SOPClass]]:
    """Of a small series with few attributes, a block in a corner."""
    source = read_source(folder, mode, identities=ids)
    block = np.zeros(source.own.shape, np.uint8)
    block[1:3, 2:9, 3:7] = 1
    seg = binary_segmentation(block, {1: "opacity"}, source, NETWORK)
    yield "block", seg
    yield "map", parametric_map(block, "opacity", source, NETWORK)
    yield "report", measurement_report(seg)


def _objects(work: Path) -> Iterator[SOPClass]:
    ids = Identities.keyed(work / "key")
    cohort = generate_cohort(work / "phantom", PATIENTS, SEED, workers=1)
    modes: tuple[Mode, ...] = ("original", "pseudonymous")
    for folder in sorted((cohort / "dicom").iterdir()):
        patient = str(read_source(folder, "original").images[0].PatientID)
        for mode in modes:
            source = read_source(folder, mode, identities=ids)
            yield from (made for _, made in derived(cohort, patient, source))
    folders = [series.write(series.SERIES[name], work / name) for name in MADE]
    folders.append(series.legacy_converted(folders[0], work / "enhanced"))
    for folder in folders:
        for mode in modes:
            yield from (made for _, made in _of_series(folder, mode, ids))


def dciodvfy_errors() -> dict[str, Result]:
    """Count the errors of all objects; each is printed."""
    errors = checked = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object.dcm"
        for made in _objects(Path(folder)):
            found = faults(save(made, path))
            checked += 1
            errors += len(found)
            for line in found:
                print(f"{made.SOPClassUID.name}: {line}")
    result = Result(
        value=errors,
        low=errors,
        high=errors,
        n=checked,
        against="0; SEG (binary, fractional), SR and Parametric Map in both modes: phantom CTs of "
        "three scanners, series of six orientations (CT and MR, one tilted), an enhanced CT",
        command="python -m benchmarks dciodvfy",
        commit=commit_now(),
    )
    return {"dciodvfy_errors": result}
