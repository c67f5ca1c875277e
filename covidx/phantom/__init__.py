"""Simulated patients with known truth: they prove plumbing, never skill."""

from __future__ import annotations

from covidx.phantom.clinical import CLINICAL_COLUMNS
from covidx.phantom.cohort import generate_cohort
from covidx.phantom.effects import CLASSES, EFFECTS, GENERATOR_VERSION, effects_digest
from covidx.phantom.patient import Patient, PhantomScan, draw_patient, render
from covidx.phantom.scanners import SCANNERS

__all__ = [
    "CLASSES",
    "CLINICAL_COLUMNS",
    "EFFECTS",
    "GENERATOR_VERSION",
    "SCANNERS",
    "Patient",
    "PhantomScan",
    "draw_patient",
    "effects_digest",
    "generate_cohort",
    "render",
]
