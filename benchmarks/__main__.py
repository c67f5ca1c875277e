"""Measure again what results.json holds: ``make benchmark`` (``python -m benchmarks NAME...``)."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.results import RESULTS, commit_now, read_results, record
from benchmarks.table import write_document
from covidx.errors import CovidxError

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

    measured = {"cli_help_seconds": cli_help_seconds()}
    minutes = train_ct_minutes(at.runs)
    if minutes is None:
        print("train_ct_minutes skipped: no finished run from nothing (make clean train-ct)")
    else:
        measured["train_ct_minutes"] = minutes
    record(measured, at.results)


def _busy(at: Places) -> None:
    from benchmarks.busy import busy_training_slowdown

    record({"busy_training_slowdown": busy_training_slowdown()}, at.results)


def _call(at: Places, *calls: str) -> None:
    """Call functions of this package, each ``module.function place place``.

    One that is not given the place of the results returns what is to be recorded there.
    """
    for call in calls:
        name, *places = call.split()
        module, _, function = name.rpartition(".")
        values = [getattr(at, place) for place in places]
        measured = getattr(import_module(f"benchmarks.{module}"), function)(*values)
        if "results" not in places:
            record(measured, at.results)


def _segment_speed(at: Places) -> None:
    from benchmarks.segment_speed import segment_speed
    from benchmarks.segmentation import finished_run

    run = finished_run(at.runs, "phantom")
    if run is not None:
        segment_speed(run / "bundle", at.results)


def _viewer(at: Places) -> None:
    from benchmarks.segmentation import finished_run
    from benchmarks.viewer import viewer

    bundle, segmenter = _bundle(at, "train_ct"), finished_run(at.runs, "phantom")
    if bundle is not None and segmenter is not None:
        viewer(bundle, segmenter / "bundle", at.results)


def _present(at: Places, *folders: str) -> bool:
    """Whether all these data are here; a line if not."""
    missing = [folder for folder in folders if not (at.data / folder).is_dir()]
    if missing:
        print(f"skipped: {', '.join(missing)} not at {at.data}")
    return not missing


def _bundle(at: Places, pipeline: str) -> Path | None:
    """The bundle of the last run, or a line that there is none."""
    bundle = at.runs / pipeline / "latest" / "bundle"
    if bundle.is_dir():
        return bundle
    print(f"skipped: no bundle at {bundle} (make {pipeline.replace('_', '-')})")
    return None


def _fuzz(at: Places) -> None:
    from benchmarks.fuzz import fuzz

    record(fuzz(keep=at.work / "benchmarks" / "fuzz"), at.results)


def _table_fuzz(at: Places) -> None:
    from benchmarks.table_fuzz import table_fuzz

    record(table_fuzz(work=at.work / "benchmarks"), at.results)


def _duplicates(at: Places) -> None:
    if _present(at, "darkcovidnet", "covid-chestxray", "hannover"):
        _call(at, "duplicates.planted data results", "duplicates.cross_set data results")


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


def _public_set(at: Places, name: str) -> None:
    """``<set>`` by group, ``<set>-image`` with the leak, or ``<set>-controls``."""
    from benchmarks import covid_ct, darkcovidnet

    base = name.removesuffix("-image").removesuffix("-controls")
    if not _present(at, base):
        return
    data, leaky = at.data / base, name.endswith("-image")
    if base == "covid-ct" and not leaky:
        studies = [covid_ct.prepared(data, at.work, seed=seed) for seed in covid_ct.SEEDS]
        if name == base:
            covid_ct.by_group(studies, at.work, at.results)
        else:
            covid_ct.controls(studies, at.results)
        return
    module = {"covid-ct": covid_ct, "darkcovidnet": darkcovidnet}[base]
    study = module.prepared(data, at.work, leaky=leaky)
    if leaky:
        module.by_image(study, at.work, at.results)
    elif name == base:
        darkcovidnet.by_group(study, at.work, at.results)
    else:
        darkcovidnet.controls(study, at.results)


def main() -> None:
    """Run the benchmarks that were named, or all; one that fails does not stop the others."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--work", type=Path, default=Path("data"), help="stores, caches, folds")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = vars(parser.parse_args())
    names = given.pop("names") or NAMES
    unknown = sorted(set(names) - set(MEASURES))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(MEASURES)}")
    at = Places(**given)
    commit_now()
    failed: list[str] = []
    for name in names:
        print(f"== {name}", flush=True)
        start = time.perf_counter()
        try:
            MEASURES[name](at)
        except CovidxError as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - start:.0f} s", flush=True)
        if at.results == RESULTS:
            write_document(read_results())
    sys.exit(1 if failed else 0)


def _calls(*calls: str) -> Callable[[Places], None]:
    return lambda at: _call(at, *calls)


def _calls_with(folders: tuple[str, ...], *calls: str) -> Callable[[Places], None]:
    return lambda at: _call(at, *calls) if _present(at, *folders) else None


def _of_bundle(pipeline: str, name: str) -> Callable[[Places], None]:
    """The function `name` of the module of that name, called with the last bundle and results."""

    def measure(at: Places) -> None:
        bundle = _bundle(at, pipeline)
        if bundle is not None:
            getattr(import_module(f"benchmarks.{name}"), name)(bundle, at.results)

    return measure


MEASURES: dict[str, Callable[[Places], None]] = {
    "timing": _timing,
    "busy": _busy,
    "dcm2niix": _calls("dcm2niix_report.measure data results"),
    "dciodvfy": _calls("dciodvfy.dciodvfy_errors"),
    "lungs": _calls("lungs.lungs data results", "picture_lungs.picture_lungs data results"),
    "chest": _calls_with(
        ("darkcovidnet", "covid-chestxray", "hannover", "dicom"), "chest.chest data results"
    ),
    "predict-rows": _calls("predict_rows.predict_rows"),
    "severity": _calls("severity.severity data work results"),
    "segmentation": _calls("segmentation.segmentation data runs results"),
    "segment-speed": _segment_speed,
    "detection": _calls("detection.detection runs results"),
    "evaluate": _calls("evaluate.evaluate_200k"),
    "coverage": _calls("coverage_report.coverage results"),
    "einstein": _calls_with(("clinical",), "clinical.einstein data results"),
    "israel": _calls_with(("clinical",), "clinical.israel data results"),
    "speed": _calls("speed.peak_memory", "speed.series_speed", "speed.scan_speed"),
    "duplicates": _duplicates,
    "kill": _calls("kill.kill_points_survived"),
    "fuzz": _fuzz,
    "table-fuzz": _table_fuzz,
    "flaws": _calls(
        "flaws.flaws work runs results", "flaw_shortcuts.shortcut_alarms runs work results"
    ),
    "phantom": _phantom,
    "explain": _of_bundle("train_ct", "explain"),
    "marker-exam": _calls("marker_exam.marker_exam work results"),
    "viewer": _viewer,
    "phantom-cxr": _of_bundle("train_cxr", "phantom_cxr"),
    "fusion": _fusion,
    "reproduce": _reproduce,
    "audit-100k": _calls("duplicates.audit_100k results"),
    "covid-ct": lambda at: _public_set(at, "covid-ct"),
    "covid-ct-image": lambda at: _public_set(at, "covid-ct-image"),
    "covid-ct-shortcuts": _calls_with(("covid-ct",), "shortcuts.covid_ct data work runs results"),
    "darkcovidnet": lambda at: _public_set(at, "darkcovidnet"),
    "darkcovidnet-image": lambda at: _public_set(at, "darkcovidnet-image"),
    "darkcovidnet-shortcuts": _calls_with(
        ("darkcovidnet", "covid-chestxray"), "shortcuts.darkcovidnet data work runs results"
    ),
    "covid-ct-controls": lambda at: _public_set(at, "covid-ct-controls"),
    "darkcovidnet-controls": lambda at: _public_set(at, "darkcovidnet-controls"),
}
"""In order: what is quick comes first."""
NAMES = [name for name in MEASURES if name not in EXTRA]


if __name__ == "__main__":
    main()
