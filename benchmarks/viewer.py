"""How long a page takes: from a study's DICOM files to it, and a report of 500 patients to open."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from benchmarks.results import RESULTS, Result, record, result_of_runs
from benchmarks.speed import write_large_series
from benchmarks.verb import measured
from covidx.evaluate import OperatingPoint, evaluate
from covidx.phantom import draw_patient, render
from covidx.report import CaseRow, write_report
from covidx.report.viewer import Result as Score
from covidx.report.viewer import ViewerCase, write_case_page
from covidx.report.viewer.case import CT_WINDOWS
from covidx.report.viewer.case_page import THUMBNAIL
from covidx.volume import Volume
from tests.browser import CHROMIUM, browser

COMMAND = "python -m benchmarks viewer"
SLICES, SIDE = 300, 512
PATIENTS = 500
RUNS = 3
POSITIVE, LABELS = "covid-19", ("covid-19", "normal")
THRESHOLD = 0.5


def viewer(
    bundle: Path, segmenter: Path, results: Path = RESULTS, *, runs: int = RUNS
) -> dict[str, Result]:
    """Seconds to write the page of one study, and to open a report of `PATIENTS` patients.

    Parameters
    ----------
    bundle : Path
        Of ``make train-ct`` on the phantom.
    segmenter : Path
        Bundle of ``make train-segmentation`` on the phantom.
    results : Path
    runs : int
        Of each.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = study_pages(bundle, segmenter, Path(folder), runs)
        if CHROMIUM is None:
            print("report_open_seconds skipped: there is no Chromium here")
        else:
            made |= report_opens(Path(folder) / "run", Path(folder) / "profile", runs)
    record(made, results)
    return made


def study_pages(bundle: Path, segmenter: Path, place: Path, runs: int) -> dict[str, Result]:
    """``covidx report STUDY``: ingest, lungs, P1, heatmaps with exam, opacities, burden, page.

    Parameters
    ----------
    bundle, segmenter : Path
    place : Path
        For the study, and for pages.
    runs : int
    """
    series = write_large_series(place / "series", SLICES, SIDE)
    found = []
    with mock.patch.dict(os.environ, {"COVIDX_KEY": str(place / "key" / "key")}):
        for number in range(runs):
            pages = place / f"pages{number}"
            models = ("--bundle", str(bundle), "--segmenter", str(segmenter))
            found.append(measured("report", str(series), "--out", str(pages), *models))
    size = sum(path.stat().st_size for path in pages.rglob("*") if path.is_file()) / 1e6
    against = (
        f"at most 90; {SLICES} slices of {SIDE} x {SIDE}, from DICOM to the page with heatmap, "
    )
    against += f"lungs, opacities and their burden, {size:.1f} MB"
    against += f"; peak {max(gib for _, gib in found):.2f} GiB, under 4; {os.cpu_count()} cores"
    seconds = [one for one, _ in found]
    return {"study_to_report_seconds": result_of_runs(seconds, against, COMMAND, digits=1)}


def report_opens(run: Path, profile: Path, runs: int) -> dict[str, Result]:
    """Open ``report.html`` from disk in a headless Chromium, each time in a new one.

    Parameters
    ----------
    run : Path
        Folder of the report, made here.
    profile : Path
        Of the browser.
    runs : int
    """
    rows = _cases(run)
    scores = np.array([row.result.score for row in rows if row.result is not None])
    units = [row.unit_id for row in rows]
    table = pd.DataFrame(
        {
            "run_id": "r", "arm": "p1", "unit_id": units, "level": "patient",
            "patient_id": units, "group_id": units, "fold": 0, "role": "test",
            "split_sha256": None, "bundle_sha256": None, "arms_used": "p1",
            "label": [row.result.label for row in rows if row.result is not None],
            "prob_normal": 1 - scores, f"prob_{POSITIVE}": scores,
        }
    )  # fmt: skip
    point = OperatingPoint(THRESHOLD, "youden", "validation, n = 500 (250 positive)")
    metrics = evaluate(table, POSITIVE, point, resamples=200)
    write_report(
        run / "report.html", "500 patients", [], metrics, rows, figures=[], warnings=[], run="r"
    )
    seconds = []
    for number in range(runs):
        with browser(profile / str(number)) as tab:
            tab.open((run / "report.html").as_uri())
            tab.until("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
            shown = tab.value("performance.getEntriesByType('navigation')[0].loadEventEnd")
            pictures = [url for url in tab.requests if url.endswith(THUMBNAIL)]
            loaded = [run / url.partition("/run/")[2] for url in tab.requests if "/run/" in url]
            seconds.append(float(shown) / 1000)
            assert not tab.faults, tab.faults
    size = sum(path.stat().st_size for path in loaded) / 1e6
    against = f"under 2; {PATIENTS} patients, loaded from disk; {size:.1f} MB at first, under 5, "
    against += f"{len(pictures)} of {PATIENTS} thumbnails among them; without figures"
    return {"report_open_seconds": result_of_runs(seconds, against, COMMAND, digits=2)}


def _cases(run: Path) -> list[CaseRow]:
    """A phantom patient's case, and its thumbnail for each of the others."""
    scan = render(draw_patient(3, 0))
    volume = Volume(scan.hu, "CT", "hu", "proven", scan.affine).canonical()
    rng, folder = np.random.default_rng(0), run / "cases" / "001"
    case = ViewerCase(name="P1", unit_id="P1", image=volume, windows=CT_WINDOWS)
    row = write_case_page(case, folder, run="r")
    rows = []
    for number, score in enumerate(rng.uniform(0.02, 0.98, PATIENTS), 1):
        place = folder.with_name(f"{number:03d}")
        place.mkdir(exist_ok=True)
        if place != folder:
            shutil.copy(folder / THUMBNAIL, place)
        label = LABELS[int(rng.uniform() > score)]
        result = Score(POSITIVE, float(score), THRESHOLD, label)
        name = f"P{number}"
        rows.append(replace(row, name=name, unit_id=name, folder=place.name, result=result))
    return rows
