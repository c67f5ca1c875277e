"""Simulated patients with known truth: they prove plumbing, never skill."""

from __future__ import annotations

from covidx.phantom.beam import DETECTORS, FILM, VIEWS, beam_digest
from covidx.phantom.clinical import (
    CLINICAL_COLUMNS,
    MEI_COLUMNS,
    PRESENTATION_COLUMNS,
    SYMPTOM_COLUMNS,
)
from covidx.phantom.cohort import clinical_table, generate_cohort
from covidx.phantom.effects import CLASSES, EFFECTS, GENERATOR_VERSION, effects_digest
from covidx.phantom.patient import Patient, PhantomScan, draw_patient, render
from covidx.phantom.radiograph import PhantomRadiograph, render_radiograph
from covidx.phantom.scanners import SCANNERS

__all__ = [
    "CLASSES",
    "CLINICAL_COLUMNS",
    "DETECTORS",
    "EFFECTS",
    "FILM",
    "GENERATOR_VERSION",
    "MEI_COLUMNS",
    "PRESENTATION_COLUMNS",
    "SCANNERS",
    "SYMPTOM_COLUMNS",
    "VIEWS",
    "Patient",
    "PhantomRadiograph",
    "PhantomScan",
    "beam_digest",
    "clinical_table",
    "draw_patient",
    "effects_digest",
    "generate_cohort",
    "render",
    "render_radiograph",
]
