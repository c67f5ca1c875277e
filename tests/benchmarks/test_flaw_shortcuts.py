"""Cohorts drawn from scored patients: a marker in the border is found, and nothing without one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.flaw_cohorts import PATIENTS
from benchmarks.flaw_shortcuts import FILM_SEED, FRESH, FreshFilms, drawn, faults_of
from covidx.audit.shortcuts.conditions import CONDITIONS
from covidx.audit.shortcuts.scoring import Scored
from covidx.phantom import draw_patient


def scored(marked: bool) -> Scored:
    """Noise for scores and border; of positives one place of the border is bright, if marked."""
    rng = np.random.default_rng(0)
    patients = [draw_patient(FILM_SEED, place) for place in range(FRESH)]
    truth = np.array([patient.label == "covid-19" for patient in patients])
    names = [patient.patient_id for patient in patients]
    rows = pd.DataFrame({"patient_id": names, "group_id": names, "truth": truth})
    for column in ("dataset", "site", "manufacturer", "view"):
        rows[column] = "one"
    rows = rows.assign(prepared="", masked="", text=False)
    for name in CONDITIONS:
        rows[name] = rng.random(FRESH)
    border = rng.random((FRESH, 6))
    border[:, 0] += 5.0 * (truth & marked)
    return Scored(rows, rng.random((FRESH, 4)), border, {})


def test_a_marker_is_found_if_enough_have_it() -> None:
    films = FreshFilms(scored(marked=False), scored(marked=True), False, "covid-19")
    assert films.found(0, 1.0) and not films.found(0, 0.01)


def test_nothing_is_found_in_noise() -> None:
    some = drawn(scored(marked=False), np.arange(PATIENTS))
    assert len(some.rows) == len(some.border) == PATIENTS
    assert faults_of(some, "covid-19", masker=False) == set()
