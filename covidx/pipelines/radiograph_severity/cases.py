"""A page a scored radiograph: what readers gave it beside what a model without its patient says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from covidx.ingest import load_image
from covidx.pipelines.case import case_level, known_image, write_plain_case
from covidx.pipelines.progress import Bar
from covidx.pipelines.run import TrainingRun
from covidx.report import CaseRow
from covidx.report.viewer import Images, Section


def severity_cases(
    run: TrainingRun,
    store: Path,
    rows: pd.DataFrame,
    predictions: pd.DataFrame,
    limits: Mapping[str, float],
    *,
    simulated: bool,
    images: Images,
    bar: Bar,
) -> list[CaseRow]:
    """Write the pages of scored radiographs.

    Parameters
    ----------
    run : TrainingRun
        Whose folder takes ``cases/``.
    store : Path
        Of the images.
    rows : DataFrame
        Manifest rows.
    predictions : DataFrame
        As predictions.csv: of each row the readers' scores, and those predicted out of fold.
    limits : mapping of str to float
        Score -> its highest value.
    simulated : bool
        Whether the patients are.
    images : {"all", "thumbnails", "none"}
        What the pages show of the images.
    bar : callable
        Progress.

    Returns
    -------
    list of CaseRow
        The agreement of a case is 1 less its largest error as a share of that score's range.
    """
    level = case_level(rows)
    scored = predictions.set_index("image_id").to_dict("index")
    cases = []
    for done, record in enumerate(rows.to_dict("records"), 1):
        row = {str(name): value for name, value in record.items()}
        own = {str(name): value for name, value in scored[row["image_id"]].items()}
        stored = load_image(store, row)
        known = known_image(store, row, level, stored, simulated=simulated)
        known = replace(known, sections=[_section(own, limits)])
        folder = run.path / "cases" / f"{done:03d}"
        case_row = write_plain_case(
            known, stored.canonical(), folder, run=run.run_id, images=images
        )
        errors = [abs(own[f"{name}_predicted"] - own[name]) / high for name, high in limits.items()]
        cases.append(replace(case_row, agreement=1 - max(errors)))
        bar(done, len(rows))
    return cases


def _section(own: Mapping[str, float], limits: Mapping[str, float]) -> Section:
    facts = [
        (name, f"predicted {own[f'{name}_predicted']:.1f}; readers {own[name]:g}; of {high:g}")
        for name, high in limits.items()
    ]
    return Section("Severity scores", facts, ["By models that had not seen this patient."])
