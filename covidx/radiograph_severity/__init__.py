"""Scores that readers give a radiograph (extent, opacity), learned from a table of them."""

from __future__ import annotations

from covidx.radiograph_severity.bundle import FilmScore, SeverityBundle, load_bundle, save_bundle
from covidx.radiograph_severity.features import RadiographNetwork, picture_of
from covidx.radiograph_severity.linear import Choice, OutOfFold, choose, leave_one_out
from covidx.radiograph_severity.lungs import MIN_RADIOGRAPHS, LungFinder, box_of_mask, fit_finder
from covidx.radiograph_severity.predict import Graded, Grader, grade_path
from covidx.radiograph_severity.table import join_scores, read_scores

__all__ = [
    "MIN_RADIOGRAPHS",
    "Choice",
    "FilmScore",
    "Graded",
    "Grader",
    "LungFinder",
    "OutOfFold",
    "RadiographNetwork",
    "SeverityBundle",
    "box_of_mask",
    "choose",
    "fit_finder",
    "grade_path",
    "join_scores",
    "leave_one_out",
    "load_bundle",
    "picture_of",
    "read_scores",
    "save_bundle",
]
