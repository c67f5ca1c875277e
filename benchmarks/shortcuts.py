"""Do models of DarkCovidNet and of COVID-CT read the lungs? The audit of shortcuts on test images.

On radiographs lungs are found by a network that learnt from those of covid-chestxray of other
patients: DarkCovidNet's COVID-19 images are from there. In COVID-CT's slices, pictures of unknown
window, they are what is dark inside of the body. Runs that are there already are taken.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from benchmarks.covid_ct import SET as SLICES
from benchmarks.darkcovidnet import CHANGES, SET
from benchmarks.results import RESULTS, Result, record, result_of
from benchmarks.segmentation import finished_run
from covidx.audit.shortcuts import ShortcutAudit, ShortcutSource, audit_shortcuts, write_shortcuts
from covidx.cards import load_card
from covidx.config import load_config
from covidx.pipelines.image.config import TRAIN_CT, TRAIN_CXR, TrainCT, TrainCXR
from covidx.pipelines.image.train import train_image
from covidx.pipelines.segmentation.config import TRAIN_SEGMENTATION, TrainSegmentation
from covidx.pipelines.segmentation.train import train_segmentation
from covidx.pipelines.source import Source, find_card
from covidx.pipelines.source_record import store_of
from covidx.runs import read_record

COMMAND = "python -m benchmarks {}-shortcuts"
FILMS = "covid-chestxray"
FROM_FILMS = "cohen-"
"""How DarkCovidNet's table names a patient of covid-chestxray."""
LUNGS = {SET: "lungs by a network of other patients", SLICES: "lungs by their greys"}
CONDITIONS = ("lungs_out", "lungs_only", "border_only", "border_trained", "low_pass")


def darkcovidnet(data: Path, work: Path, runs: Path, results: Path = RESULTS) -> ShortcutAudit:
    """Train what is not there, audit, record an AUROC a condition.

    Parameters
    ----------
    data : Path
        The public data.
    work, runs : Path
        As for training.
    results : Path
    """
    config = load_config(TRAIN_CXR, TrainCXR, CHANGES)
    run = _classifier(config, SET, data, work, runs)
    segmenter = finished_run(runs, FILMS)
    if segmenter is None or not _others(segmenter, data):
        films = other_patients(data, work / "benchmarks" / "other-patients")
        source = Source(films, None, load_card(Path(FILMS)))
        how = load_config(TRAIN_SEGMENTATION, TrainSegmentation)
        segmenter = train_segmentation(how, source, work=work, runs=runs).folder
    return _audit(run, segmenter / "bundle", SET, work, results)


def covid_ct(data: Path, work: Path, runs: Path, results: Path = RESULTS) -> ShortcutAudit:
    """The same for COVID-CT, divided by `source_run`; lungs by their greys."""
    run = _classifier(load_config(TRAIN_CT, TrainCT), SLICES, data, work, runs)
    return _audit(run, None, SLICES, work, results)


def _classifier(config: TrainCT | TrainCXR, name: str, data: Path, work: Path, runs: Path) -> Path:
    """The folder of the newest run on a set, or of a new one."""
    found = finished_run(runs, name, config.pipeline)
    if found is not None:
        return found
    source = Source(data / name, None, find_card(data / name))
    return train_image(config, source, work=work, runs=runs).folder


def _audit(
    run: Path, segmenter: Path | None, name: str, work: Path, results: Path
) -> ShortcutAudit:
    store = store_of(read_record(run), work)
    assert store is not None
    splits, manifest = run / "splits.parquet", run / "manifest.parquet"
    asked = ShortcutSource(run / "bundle", manifest, store, splits, segmenter=segmenter)
    found = audit_shortcuts(asked)
    print(f"report   {write_shortcuts(run / 'audit' / 'shortcuts', found)}")
    record(results_of(found, name), results)
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


def results_of(found: ShortcutAudit, name: str) -> dict[str, Result]:
    """An AUROC a condition, COVID-19 against the rest."""
    by_name = {finding.name: finding for finding in found.findings}
    whole, lungs = by_name["whole_image"].estimate, by_name["lungs_found"].found.rstrip(".")
    results = {}
    for condition in CONDITIONS:
        finding = by_name[condition]
        if finding.estimate is not None:
            against = f"{finding.title.lower()}: {finding.verdict}; the whole images {whole}; "
            against += f"one run's test images, {LUNGS[name]}: {lungs[:1].lower()}{lungs[1:]}"
            key = f"{name.replace('-', '_')}_{condition}_auroc"
            results[key] = result_of(finding.estimate, against, COMMAND.format(name))
    return results
