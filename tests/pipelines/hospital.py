"""A cohort as a hospital exports it: renamed, scattered, with names in every header."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pydicom

SECRET = "GEHEIM"
"""Stands in every planted name, folder, file and free text."""
NAMES = (
    *("Quercus", "王小明", "Иванова", "Παπαδοπούλου", "محمد", "יעקב", "สมชาย", "राजेश"),
    *("김철수", "タナカ", "Müller-Šimić"),
)
"""In ten scripts of writing; each stands in headers, a folder and a file of some patients."""
ODD_IDS = ("000042", "^7^", "00^13", "A 9/2")


def hospital_id(index: int) -> str:
    """Ids as they come: leading zeros, carets, a slash."""
    return ODD_IDS[index] if index < len(ODD_IDS) else f"000{7000 + index}"


def export(phantom: Path, out: Path, patients: int) -> pd.DataFrame:
    """Write the first patients' studies as a hospital would; returns patient_id, path, label."""
    chance = random.Random(3)
    labels = pd.read_csv(phantom / "labels.csv").head(patients)
    files = _files_of(phantom / "dicom", set(labels["patient_id"]))
    rows = []
    for index, (patient, label) in enumerate(labels.itertuples(index=False)):
        name = NAMES[index % len(NAMES)]
        places = (f"{SECRET}, Anna {index}", f"a/b/{index}/CT", f"{name} {index:08d}")
        folder = out / places[index % len(places)]
        folder.mkdir(parents=True)
        for path in files[patient]:
            suffix = chance.choice(["", ".dcm", ".IMA", ".1.2.3", ".tmp"])
            file = f"{name} {chance.getrandbits(48):012x}{suffix}"
            _renamed(path, index).save_as(folder / file)
        place = folder.relative_to(out).as_posix()
        row = {"patient_id": hospital_id(index), "path": place, "label": label, "name": name}
        rows.append(row | {"remark": f"{name} {index}"})
    _scatter(out)
    return pd.DataFrame(rows)


def _files_of(dicom: Path, patients: set[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in sorted(dicom.iterdir()):
        files = sorted(folder.iterdir())
        patient = pydicom.dcmread(files[0], stop_before_pixels=True).PatientID
        if patient in patients:
            found[patient] = files
    return found


def _renamed(path: Path, index: int) -> pydicom.Dataset:
    dataset = pydicom.dcmread(path)
    name = NAMES[index % len(NAMES)]
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID = hospital_id(index)
    dataset.PatientName = f"{SECRET}^Anna{index}={name}^{name}"
    dataset.ConvolutionKernel = f"B30f {name}"
    dataset.StationName = name[:16]
    dataset.PatientComments = f"{name} was here"
    dataset.InstitutionName = f"{SECRET} Klinik"
    dataset.ReferringPhysicianName = f"{SECRET}^Doctor"
    dataset.AccessionNumber = f"{SECRET}{index}"
    dataset.StudyDescription = f"Thorax {SECRET}"
    dataset.SeriesDescription = f"{SECRET} {name} lung"
    dataset.Manufacturer = f"ACME {name}"
    return dataset


def _scatter(out: Path) -> None:
    """What else lies in such a folder."""
    (out / f"notes {SECRET}.txt").write_text(f"{SECRET} was here")
    (out / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 50)
    (out / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\2\0\0\0UL\4\0")
    (out / "empty.dcm").write_bytes(b"")
    whole = next(p for p in sorted(out.rglob("*")) if p.is_file() and p.stat().st_size > 20_000)
    (out / f"{SECRET} cut.dcm").write_bytes(whole.read_bytes()[:10_000])
