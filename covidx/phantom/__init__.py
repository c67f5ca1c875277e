"""Simulated patients with known truth: they prove plumbing, never skill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.phantom.beam import DETECTORS, RADIOGRAPHY, VIEWS, beam_digest
    from covidx.phantom.clinical import (
        CLINICAL_COLUMNS,
        MEI_COLUMNS,
        PRESENTATION_COLUMNS,
        SYMPTOM_COLUMNS,
    )
    from covidx.phantom.cohort import clinical_table, generate_cohort
    from covidx.phantom.effects import CLASSES, EFFECTS, GENERATOR_VERSION, effects_digest
    from covidx.phantom.flaws import FLAWS, Exam, check_flaws, exams, parse_flaws
    from covidx.phantom.patient import Patient, PhantomScan, draw_patient, render
    from covidx.phantom.radiograph import PhantomRadiograph, render_radiograph
    from covidx.phantom.scanners import SCANNERS
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "CLASSES",
    "CLINICAL_COLUMNS",
    "DETECTORS",
    "EFFECTS",
    "FLAWS",
    "GENERATOR_VERSION",
    "MEI_COLUMNS",
    "PRESENTATION_COLUMNS",
    "RADIOGRAPHY",
    "SCANNERS",
    "SYMPTOM_COLUMNS",
    "VIEWS",
    "Exam",
    "Patient",
    "PhantomRadiograph",
    "PhantomScan",
    "beam_digest",
    "check_flaws",
    "clinical_table",
    "draw_patient",
    "effects_digest",
    "exams",
    "generate_cohort",
    "parse_flaws",
    "render",
    "render_radiograph",
]
