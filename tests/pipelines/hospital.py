"""A cohort as a hospital exports it: renamed, scattered, with names in every header."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pydicom

SECRET = "GEHEIM"
"""Stands in every planted name, folder, file and free text."""
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
        places = (f"{SECRET}, Anna {index}", f"a/b/{index}/CT", f"{index:08d}")
        folder = out / places[index % len(places)]
        folder.mkdir(parents=True)
        for path in files[patient]:
            suffix = chance.choice(["", ".dcm", ".IMA", ".1.2.3", ".tmp"])
            _renamed(path, index).save_as(folder / f"{chance.getrandbits(48):012x}{suffix}")
        place = folder.relative_to(out).as_posix()
        rows.append({"patient_id": hospital_id(index), "path": place, "label": label})
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
    dataset.PatientID = hospital_id(index)
    dataset.PatientName = f"{SECRET}^Anna{index}"
    dataset.InstitutionName = f"{SECRET} Klinik"
    dataset.ReferringPhysicianName = f"{SECRET}^Doctor"
    dataset.AccessionNumber = f"{SECRET}{index}"
    dataset.StudyDescription = f"Thorax {SECRET}"
    dataset.SeriesDescription = f"{SECRET} lung"
    dataset.Manufacturer = "ACME"
    return dataset


def _scatter(out: Path) -> None:
    """What else lies in such a folder."""
    (out / f"notes {SECRET}.txt").write_text(f"{SECRET} was here")
    (out / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 50)
    (out / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\2\0\0\0UL\4\0")
    (out / "empty.dcm").write_bytes(b"")
    whole = next(p for p in sorted(out.rglob("*")) if p.is_file() and p.stat().st_size > 20_000)
    (out / f"{SECRET} cut.dcm").write_bytes(whole.read_bytes()[:10_000])
