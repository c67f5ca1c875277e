"""The audit of data on planted flaws, and on clean cohorts.

Of clean cohorts, how often does it raise any alarm (a verdict of ``fail``)? Of cohorts with one
flaw, how often does the finding that is meant for it say ``fail``, at each strength? Cohorts are
those of `flaw_cohorts`. A corner marker is in no table: the audit of shortcuts must find it
(`flaw_shortcuts`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.flaw_cohorts import COPY_FLAWS, PATIENTS, Pool, render_pool, write_cohort
from benchmarks.flaw_shortcuts import MARKER, fresh_films
from benchmarks.results import RESULTS, record, result_of
from covidx.audit.data import audit_data
from covidx.evaluate import wilson_estimate
from covidx.phantom import FLAWS, GENERATOR_VERSION, beam_digest, effects_digest
from covidx.report.canvas import CLASS_COLOURS, DPI, save

COMMAND = "python -m benchmarks flaws"
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "flaws.png"
FOUND_BY = {
    "scanner-label": "label_by_manufacturer",
    "age": "label_by_age",
    "drift": "label_by_date",
    "patient-overlap": "patient_across_roles",
    "duplicates": "copies_across_patients",
    "label-noise": "copies_across_labels",
}
"""Flaw -> the finding that must say ``fail``."""
DEFAULT = 1.0
"""Strength that ``--flaw NAME`` has."""
STRENGTHS = (0.01, 0.05, 0.2, 0.5, DEFAULT)
CLEAN, PLANTED, PLANTED_COPIES = 100, 20, 10
"""Cohorts: clean ones, and those of each flaw at each strength; fewer where pictures are read."""
FILMS = 140
"""Of the pool; a cohort takes `PATIENTS` of them."""
CLEAN_SEED, PLANTED_SEED = 10_000, 20_000
"""Of the first cohort; no limit of the audit was set on these."""


def flaws(work: Path, runs: Path, results: Path = RESULTS, figure: Path = FIGURE) -> pd.DataFrame:
    """Measure both; record ``clean_alarm_rate`` and ``planted_flaws_found``, draw the power.

    Parameters
    ----------
    work : Path
        Keeps the rendered films.
    runs : Path
        With no run of `train_cxr` on the phantom, corner markers are left out.
    results, figure : Path

    Returns
    -------
    DataFrame
        A row a flaw and strength: found, cohorts.
    """
    films = f"films-{GENERATOR_VERSION}-{effects_digest()[:8]}-{beam_digest()[:8]}"
    pool = render_pool(work / "benchmarks" / "flaws" / films, FILMS)
    _clean(pool, results)
    rows = [
        {"flaw": flaw, "strength": strength, **_found(pool, flaw, strength)}
        for flaw in FOUND_BY
        for strength in STRENGTHS
    ]
    films_scored = fresh_films(runs, work)
    if films_scored is not None:
        rows += [
            {
                "flaw": MARKER,
                "strength": strength,
                "found": sum(films_scored.found(n, strength) for n in range(PLANTED)),
                "cohorts": PLANTED,
            }
            for strength in STRENGTHS
        ]
    power = pd.DataFrame(rows)
    print(power.to_string(index=False))
    save(draw_power(power), figure)
    _record_power(power, results)
    return power


def faults(pool: Pool, seed: int, planted: Mapping[str, float], *, pictures: bool) -> set[str]:
    """Names of the findings that say ``fail`` of one cohort."""
    with tempfile.TemporaryDirectory() as folder:
        table, splits = write_cohort(Path(folder), pool, seed, planted, pictures=pictures)
        found = audit_data([table], splits)
    return {one.name for one in found.findings if one.verdict == "fail"}


def _clean(pool: Pool, results: Path) -> None:
    alarms: list[str] = []
    cohorts = 0
    for cohort in range(CLEAN):
        raised = faults(pool, CLEAN_SEED + cohort, {}, pictures=True)
        alarms += sorted(raised)
        cohorts += bool(raised)
        if cohort % 10 == 9:
            print(f"{cohort + 1} of {CLEAN} clean cohorts, {cohorts} with an alarm", flush=True)
    said = ", ".join(f"{name} {n}" for name, n in pd.Series(alarms).value_counts().items())
    estimate = wilson_estimate(cohorts, CLEAN, "no cohorts")
    against = (
        f"at most 0.05; cohorts of {PATIENTS} with any alarm, tables drawn anew, pictures from "
        f"{pool.films} rendered films; alarms: {said or 'none'}"
    )
    record({"clean_alarm_rate": result_of(estimate, against, COMMAND)}, results)


def _found(pool: Pool, flaw: str, strength: float) -> dict[str, int]:
    """On how many cohorts the flaw's own finding raises an alarm, and of how many."""
    first = PLANTED_SEED + 1000 * list(FLAWS).index(flaw)
    pictures = flaw in COPY_FLAWS
    cohorts = PLANTED_COPIES if pictures else PLANTED
    found = sum(
        FOUND_BY[flaw] in faults(pool, seed, {flaw: strength}, pictures=pictures)
        for seed in range(first, first + cohorts)
    )
    print(f"{flaw} at {strength:g}: found on {found} of {cohorts}", flush=True)
    return {"found": found, "cohorts": cohorts}


def _record_power(power: pd.DataFrame, results: Path) -> None:
    """A flaw counts as found if it is on every cohort at its default strength."""
    default = power[power["strength"] == DEFAULT]
    found = default[default["found"] == default["cohorts"]]["flaw"].tolist()
    asked = set(power["flaw"])
    missed, left_out = sorted(asked - set(found)), sorted(set(FLAWS) - asked)
    against = (
        f"1; flaws of --flaw NAME found by their own finding on each of {PLANTED} cohorts of "
        f"{PATIENTS} patients ({PLANTED_COPIES} for copies); missed: "
        f"{', '.join(missed) or 'none'}; left out: {', '.join(left_out) or 'none'}"
    )
    estimate = wilson_estimate(len(found), len(asked), "no flaws")
    record({"planted_flaws_found": result_of(estimate, against, COMMAND)}, results)


def draw_power(power: pd.DataFrame) -> Figure:
    """Share of cohorts on which each flaw is found, against its strength, Wilson intervals.

    Parameters
    ----------
    power : DataFrame
        Columns flaw, strength, found, cohorts.
    """
    figure = Figure(figsize=(7.6, 4.6), layout="constrained", dpi=DPI)
    panels = figure.subplots(2, 4, sharex=True, sharey=True).ravel()
    groups = list(power.groupby("flaw", sort=False))
    for axes in panels[len(groups) :]:
        axes.remove()
    for axes, (flaw, rows) in zip(panels, groups, strict=False):
        shares = [
            wilson_estimate(found, n, "no cohorts")
            for found, n in zip(rows["found"], rows["cohorts"], strict=True)
        ]
        value = [one.value for one in shares]
        around = [[one.value - one.low for one in shares], [one.high - one.value for one in shares]]
        axes.errorbar(
            rows["strength"], value, around, color=CLASS_COLOURS[0], marker="o", capsize=2
        )
        axes.set_title(flaw, fontsize=9)
        axes.set_xscale("log")
        axes.set_xticks(STRENGTHS, [f"{100 * s:g}" for s in STRENGTHS])
        axes.minorticks_off()
        axes.tick_params(labelsize=8, labelbottom=True)
        axes.set_ylim(-0.05, 1.05)
        axes.grid(alpha=0.3)
    figure.supxlabel(f"strength: chance in % that a patient is struck, of {PATIENTS}", fontsize=9)
    figure.supylabel("cohorts on which it is found", fontsize=9)
    return figure
