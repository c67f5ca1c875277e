"""Measure again what results.json holds: ``make benchmark`` (``python -m benchmarks NAME...``)."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import RESULTS, commit_now, read_results, record
from benchmarks.table import write_document
from covidx.errors import CovidxError

NAMES = (
    "timing",
    "dcm2niix",
    "dciodvfy",
    "lungs",
    "severity",
    "segmentation",
    "segment-speed",
    "detection",
    "evaluate",
    "coverage",
    "einstein",
    "israel",
    "speed",
    "duplicates",
    "kill",
    "fuzz",
    "flaws",
    "phantom",
    "phantom-cxr",
    "fusion",
    "reproduce",
    "audit-100k",
    "covid-ct",
    "covid-ct-image",
    "covid-ct-shortcuts",
    "darkcovidnet",
    "darkcovidnet-image",
    "darkcovidnet-shortcuts",
)
"""In order: what is quick comes first."""
EXTRA = ("covid-ct-controls", "darkcovidnet-controls")
"""Part of another one."""


@dataclass(frozen=True)
class Places:
    """Where things lie."""

    data: Path
    runs: Path
    work: Path
    results: Path


def _timing(at: Places) -> None:
    from benchmarks.timing import cli_help_seconds, train_ct_minutes

    found = {"cli_help_seconds": cli_help_seconds()}
    minutes = train_ct_minutes(at.runs)
    if minutes is None:
        print("train_ct_minutes skipped: no finished run from nothing (make clean train-ct)")
    else:
        found["train_ct_minutes"] = minutes
    record(found, at.results)


def _dcm2niix(at: Places) -> None:
    from benchmarks.dcm2niix_report import measure

    measure(at.data, at.results)


def _dciodvfy(at: Places) -> None:
    from benchmarks.dciodvfy import dciodvfy_errors

    record(dciodvfy_errors(), at.results)


def _lungs(at: Places) -> None:
    from benchmarks.lungs import lungs
    from benchmarks.picture_lungs import picture_lungs

    lungs(at.data, at.results)
    picture_lungs(at.data, at.results)


def _severity(at: Places) -> None:
    from benchmarks.severity import severity

    severity(at.data, at.work, at.results)


def _segmentation(at: Places) -> None:
    from benchmarks.segmentation import segmentation

    segmentation(at.data, at.runs, at.results)


def _segment_speed(at: Places) -> None:
    from benchmarks.segment_speed import segment_speed
    from benchmarks.segmentation import finished_run

    run = finished_run(at.runs, "phantom")
    if run is not None:
        segment_speed(run / "bundle", at.results)


def _detection(at: Places) -> None:
    from benchmarks.detection import detection

    detection(at.runs, at.results)


def _evaluate(at: Places) -> None:
    from benchmarks.evaluate import evaluate_200k

    record(evaluate_200k(), at.results)


def _coverage(at: Places) -> None:
    from benchmarks.coverage_report import coverage

    coverage(at.results)


def _clinical(at: Places, name: str) -> None:
    from benchmarks import clinical

    if not (at.data / "clinical").is_dir():
        print(f"skipped: the clinical tables are not at {at.data / 'clinical'}")
        return
    {"israel": clinical.israel, "einstein": clinical.einstein}[name](at.data, at.results)


def _bundle(at: Places, pipeline: str) -> Path | None:
    """The bundle of the last run, or a line that there is none."""
    bundle = at.runs / pipeline / "latest" / "bundle"
    if bundle.is_dir():
        return bundle
    print(f"skipped: no bundle at {bundle} (make {pipeline.replace('_', '-')})")
    return None


def _kill(at: Places) -> None:
    from benchmarks.kill import kill_points_survived

    record(kill_points_survived(), at.results)


def _speed(at: Places) -> None:
    from benchmarks.speed import peak_memory, scan_speed, series_speed

    for measure in (peak_memory, series_speed, scan_speed):
        record(measure(), at.results)


def _fuzz(at: Places) -> None:
    from benchmarks.fuzz import fuzz

    record(fuzz(keep=at.work / "benchmarks" / "fuzz"), at.results)


def _flaws(at: Places) -> None:
    from benchmarks.flaw_shortcuts import shortcut_alarms
    from benchmarks.flaws import flaws

    flaws(at.work, at.runs, at.results)
    shortcut_alarms(at.runs, at.work, at.results)


def _duplicates(at: Places) -> None:
    from benchmarks.duplicates import cross_set, planted

    sets = ("darkcovidnet", "covid-chestxray", "hannover")
    missing = [name for name in sets if not (at.data / name).is_dir()]
    if missing:
        print(f"skipped: {', '.join(missing)} not at {at.data}")
        return
    planted(at.data, at.results)
    cross_set(at.data, at.results)


def _audit_100k(at: Places) -> None:
    from benchmarks.duplicates import audit_100k

    audit_100k(at.results)


def _phantom(at: Places) -> None:
    from benchmarks.phantom import PATIENTS, SEED, phantom, record_controls
    from benchmarks.phantom_controls import render_controls

    bundle = _bundle(at, "train_ct")
    if bundle is not None:
        phantom(bundle, at.results)
    else:  # the controls need none
        record_controls(render_controls(PATIENTS, SEED), at.results)


def _fusion(at: Places) -> None:
    from benchmarks.fusion import fusion

    bundle = _bundle(at, "train_fusion")
    if bundle is not None:
        fusion(bundle.parent, at.work, at.results)


def _reproduce(at: Places) -> None:
    from benchmarks.reproduce import reproduce

    bundle = _bundle(at, "train_ct")
    if bundle is not None:
        reproduce(bundle.parent, at.work, at.results)


def _phantom_cxr(at: Places) -> None:
    from benchmarks.phantom_cxr import phantom_cxr

    bundle = _bundle(at, "train_cxr")
    if bundle is not None:
        phantom_cxr(bundle, at.results)


def _shortcuts(at: Places, name: str) -> None:
    from benchmarks import shortcuts

    needs, measure = {
        "covid-ct-shortcuts": (("covid-ct",), shortcuts.covid_ct),
        "darkcovidnet-shortcuts": (("darkcovidnet", "covid-chestxray"), shortcuts.darkcovidnet),
    }[name]
    missing = [folder for folder in needs if not (at.data / folder).is_dir()]
    if missing:
        print(f"skipped: {', '.join(missing)} not at {at.data}")
        return
    measure(at.data, at.work, at.runs, at.results)


def _public_set(at: Places, name: str) -> None:
    """``<set>`` by group, ``<set>-image`` with the leak, or ``<set>-controls``."""
    from benchmarks import covid_ct, darkcovidnet

    base = name.removesuffix("-image").removesuffix("-controls")
    data = at.data / base
    if not data.is_dir():
        print(f"skipped: {base} is not at {data}")
        return
    module = {"covid-ct": covid_ct, "darkcovidnet": darkcovidnet}[base]
    study = module.prepared(data, at.work, leaky=name.endswith("-image"))
    if name == base:
        module.by_group(study, at.work, at.results)
    elif name.endswith("-image"):
        module.by_image(study, at.work, at.results)
    else:
        module.controls(study, at.results)


def main() -> None:
    """Run the benchmarks that were named, or all; one that fails does not stop the others."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*NAMES, *EXTRA)))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--work", type=Path, default=Path("data"), help="stores, caches, folds")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = vars(parser.parse_args())
    names = given.pop("names") or list(NAMES)
    unknown = sorted(set(names) - {*NAMES, *EXTRA})
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join((*NAMES, *EXTRA))}")
    at = Places(**given)
    commit_now()
    failed: list[str] = []
    for name in names:
        print(f"== {name}", flush=True)
        start = time.perf_counter()
        try:
            _measure(name, at)
        except CovidxError as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - start:.0f} s", flush=True)
        if at.results == RESULTS:
            write_document(read_results())
    sys.exit(1 if failed else 0)


def _measure(name: str, at: Places) -> None:
    if name in MEASURED:
        MEASURED[name](at)
    elif name in ("israel", "einstein"):
        _clinical(at, name)
    elif name.endswith("-shortcuts"):
        _shortcuts(at, name)
    else:
        _public_set(at, name)


MEASURED: dict[str, Callable[[Places], None]] = {
    "timing": _timing,
    "dcm2niix": _dcm2niix,
    "dciodvfy": _dciodvfy,
    "lungs": _lungs,
    "severity": _severity,
    "segmentation": _segmentation,
    "segment-speed": _segment_speed,
    "detection": _detection,
    "evaluate": _evaluate,
    "coverage": _coverage,
    "speed": _speed,
    "kill": _kill,
    "fuzz": _fuzz,
    "flaws": _flaws,
    "duplicates": _duplicates,
    "audit-100k": _audit_100k,
    "phantom": _phantom,
    "phantom-cxr": _phantom_cxr,
    "fusion": _fusion,
    "reproduce": _reproduce,
}


if __name__ == "__main__":
    main()
