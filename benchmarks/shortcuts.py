"""Does a model of DarkCovidNet read the lungs? The audit of shortcuts on one run's test images.

The lungs are found by a network that learnt from radiographs of covid-chestxray of other patients:
DarkCovidNet's COVID-19 images are from there. Runs that are there already are taken.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from benchmarks.darkcovidnet import CHANGES, SET
from benchmarks.results import RESULTS, Result, record, result_of
from benchmarks.segmentation import finished_run
from covidx.audit.shortcuts import Asked, ShortcutAudit, audit_shortcuts, write_shortcuts
from covidx.cards import load_card
from covidx.config import load_config
from covidx.files import read_json
from covidx.pipelines.config import TRAIN_CXR, TrainCXR
from covidx.pipelines.remembered import found_store
from covidx.pipelines.segmentation_config import TRAIN_SEGMENTATION, TrainSegmentation
from covidx.pipelines.sources import Source, find_card
from covidx.pipelines.train_image import train_image
from covidx.pipelines.train_segmentation import train_segmentation

__all__ = ["other_patients", "results_of", "shortcuts"]

COMMAND = "python -m benchmarks darkcovidnet-shortcuts"
FILMS = "covid-chestxray"
FROM_FILMS = "cohen-"
"""How DarkCovidNet's table names a patient of covid-chestxray."""
CONDITIONS = ("lungs_out", "lungs_only", "border_only", "border_trained", "low_pass")


def shortcuts(data: Path, work: Path, runs: Path, results: Path = RESULTS) -> ShortcutAudit:
    """Train what is not there, audit, record an AUROC a condition.

    Parameters
    ----------
    data : Path
        The public data.
    work, runs : Path
        As for training.
    results : Path
    """
    run = finished_run(runs, SET, "train_cxr")
    if run is None:
        config = load_config(TRAIN_CXR, TrainCXR, CHANGES)
        source = Source(data / SET, None, find_card(data / SET))
        run = train_image(config, source, work=work, runs=runs).folder
    segmenter = finished_run(runs, FILMS)
    if segmenter is None or not _others(segmenter, data):
        films = other_patients(data, work / "benchmarks" / "other-patients")
        source = Source(films, None, load_card(Path(FILMS)))
        how = load_config(TRAIN_SEGMENTATION, TrainSegmentation)
        segmenter = train_segmentation(how, source, work=work, runs=runs).folder
    store = found_store(read_json(run / "run.json"), work)
    assert store is not None
    asked = Asked(
        run / "bundle",
        run / "manifest.parquet",
        store,
        run / "splits.parquet",
        segmenter=segmenter / "bundle",
    )
    found = audit_shortcuts(asked)
    print(f"report   {write_shortcuts(run / 'audit' / 'shortcuts', found)}")
    record(results_of(found), results)
    return found


def other_patients(data: Path, out: Path) -> Path:
    """A copy of covid-chestxray without the patients of whom DarkCovidNet has an image."""
    table = pd.read_csv(data / FILMS / "metadata.csv", dtype=str)
    stems = table["filename"].map(lambda name: Path(str(name)).stem)
    ids, files = _shared(data)
    shared = set(table.loc[table["patientid"].isin(ids) | stems.isin(files), "patientid"])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    table[~table["patientid"].isin(shared)].to_csv(out / "metadata.csv", index=False)
    for name in ("images", "lung_masks_v7labs"):
        shutil.copytree(data / FILMS / name, out / name)
    return out


def _shared(data: Path) -> tuple[set[str], set[str]]:
    """Patients of covid-chestxray, and names of files, that DarkCovidNet has."""
    table = pd.read_csv(data / SET / "images.csv", dtype=str)
    patients = table.loc[table["patient_id"].str.startswith(FROM_FILMS), "patient_id"]
    return set(patients.str.removeprefix(FROM_FILMS)), {
        Path(name).stem for name in table["original_file"]
    }


def _others(segmenter: Path, data: Path) -> bool:
    """Whether a run saw none of these patients."""
    seen = pd.read_parquet(segmenter / "manifest.parquet")["patient_id"].astype(str)
    return not set(seen) & _shared(data)[0]


def results_of(found: ShortcutAudit) -> dict[str, Result]:
    """An AUROC a condition, COVID-19 against the rest."""
    by_name = {finding.name: finding for finding in found.findings}
    whole, results = by_name["whole_image"].estimate, {}
    for name in CONDITIONS:
        finding = by_name[name]
        if finding.estimate is not None:
            against = f"{finding.title.lower()}: {finding.verdict}; the whole images {whole}; "
            against += "one run's test images, lungs by a network of other patients"
            results[f"{SET}_{name}_auroc"] = result_of(finding.estimate, against, COMMAND)
    return results
