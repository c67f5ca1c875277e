"""Flaws planted in a cohort, to try audits on what they must find.

A flaw has a strength from 0 to 1: the share, or the chance, of patients that it strikes. At 0 the
cohort is the clean one, byte for byte; a greater strength strikes the same patients and more.
Whether a patient is struck is drawn from a stream of its own for each flaw. "Positive" is COVID-19.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from covidx.errors import InvalidInputError
from covidx.phantom.anatomy import draw_anatomy
from covidx.phantom.effects import CLASSES
from covidx.phantom.patient import FLAWS_FROM, ROLE, SHAPE, Patient, stream
from covidx.phantom.scanners import SCANNERS

FLAWS = {
    "scanner-label": "the scanner is the label's own: A COVID-19, B other pneumonia, C normal",
    "corner-marker": "a positive's images have ED burnt into their upper left corner",
    "age": "a positive is 65 to 90 years old, in header, clinical row and anatomy",
    "patient-overlap": "a patient has a second exam, which plays another role in splits.csv",
    "duplicates": "a patient's images are there again under another patient, cropped",
    "label-noise": "a patient's images are there again, cropped, with a label that contradicts",
    "drift": "a positive was examined 120 days later",
}
"""Name -> what happens to the patients struck. Each has the stream of its place in this table."""

POSITIVE = CLASSES[0]
POSITIVES_ALONE = ("corner-marker", "age", "drift")
ADDED = {"duplicates": 1, "label-noise": 2, "patient-overlap": 3}
"""Flaws that add an exam -> its number."""
OLD_YEARS = (65, 90)
LATE_DAYS, FOLLOW_UP_DAYS = 120, 7
"""The clean cohort's exams lie within 120 days."""
ROLES = ("train", "train", "train", "validation", "test")
"""Alike likely, so that 60, 20 and 20 % have them."""
ANOTHER_DRAW = 1_000_000
"""Added to a patient's number where nature is to draw anew: pose, vessels, foci, noise."""


@dataclass(frozen=True)
class Exam:
    """One exam as it is written.

    Parameters
    ----------
    patient : Patient
        As in the header and the rows; `Patient.exam` counts.
    label : str
        As in labels.csv; the truth is `patient.label`.
    role : str
        In splits.csv, which is written where patients overlap.
    flaws : tuple of str
        Those that struck it.
    """

    patient: Patient
    label: str
    role: str
    flaws: tuple[str, ...] = ()

    @property
    def copied(self) -> bool:
        """Whether its pixels are those of the first exam."""
        return self.patient.exam in (ADDED["duplicates"], ADDED["label-noise"])


def parse_flaws(texts: Sequence[str]) -> dict[str, float]:
    """Read flaws from `texts`, ``NAME`` (strength 1) or ``NAME=STRENGTH``; see `check_flaws`.

    >>> parse_flaws(["age", "drift=0.5"])
    {'age': 1.0, 'drift': 0.5}
    """
    flaws: dict[str, float] = {}
    for text in texts:
        name, equals, strength = text.partition("=")
        try:
            flaws[name] = float(strength) if equals else 1.0
        except ValueError:
            flaws[name] = np.nan
    return check_flaws(flaws)


def check_flaws(flaws: Mapping[str, float]) -> dict[str, float]:
    """The `flaws`, name -> strength, in the order of `FLAWS`, without those of strength 0.

    Raises
    ------
    InvalidInputError
        ``FLAW_UNKNOWN`` or ``FLAW_STRENGTH``.
    """
    for name, strength in flaws.items():
        if name not in FLAWS:
            raise InvalidInputError(
                "FLAW_UNKNOWN",
                "There is no such flaw.",
                expected=", ".join(FLAWS),
                actual=name or "no name",
                hint="Write --flaw NAME or --flaw NAME=STRENGTH.",
            )
        if not 0 <= strength <= 1:
            raise InvalidInputError(
                "FLAW_STRENGTH",
                "The strength of a flaw must lie between 0 and 1.",
                expected=f"{name}=0 to {name}=1",
                actual="not a number" if np.isnan(strength) else strength,
                hint=f"Write --flaw {name}=STRENGTH with a number in this range.",
            )
    return {name: float(flaws[name]) for name in FLAWS if flaws.get(name)}


def exams(patient: Patient, flaws: Mapping[str, float]) -> list[Exam]:
    """The exams of a drawn patient: one, and another for each flaw that adds one.

    Parameters
    ----------
    patient : Patient
        As `draw_patient` gives it.
    flaws : mapping of str to float
        As `check_flaws` gives it.
    """
    struck = tuple(name for name in flaws if _strikes(patient, name, flaws[name]))
    label, role = patient.label, _role(patient)
    if "scanner-label" in struck:
        scanner = dict(zip(CLASSES, sorted(SCANNERS), strict=True))[label]
        patient = replace(patient, scanner=scanner)
    if "age" in struck:
        patient = _older(patient)
    if "drift" in struck:
        patient = _later(patient, LATE_DAYS)
    once = tuple(name for name in struck if name not in ADDED)
    written = [Exam(patient, label, role, once)]
    for name, number in ADDED.items():
        if name in struck:
            again = replace(patient, exam=number)
            written.append(_ADDED[name](Exam(again, label, role, (*once, name))))
    return written


def _strikes(patient: Patient, name: str, strength: float) -> bool:
    if name in POSITIVES_ALONE and patient.label != POSITIVE:
        return False
    return bool(_stream(patient, name).random() < strength)


def _stream(patient: Patient, name: str) -> np.random.Generator:
    return stream(patient.seed, patient.index, FLAWS_FROM + list(FLAWS).index(name))


def _role(patient: Patient) -> str:
    return ROLES[int(stream(patient.seed, patient.index, ROLE).integers(len(ROLES)))]


def _older(patient: Patient) -> Patient:
    """The same random numbers at another age: bone and aorta age with the patient."""
    rng = _stream(patient, "age")
    rng.random()  # has said whether
    first, last = OLD_YEARS
    age = int(rng.integers(first, last + 1))
    anatomy = draw_anatomy(stream(patient.seed, patient.index, SHAPE), patient.sex, age)
    clinical = {**patient.clinical, "age_years": age}
    return replace(patient, age=age, anatomy=anatomy, clinical=clinical)


def _later(patient: Patient, days: int) -> Patient:
    day = np.datetime64(patient.study_date_iso) + days
    return replace(patient, study_date=str(day).replace("-", ""))


def _other_patient(exam: Exam) -> Exam:
    patient = exam.patient
    twin = f"PD{patient.seed:04d}-{patient.index:05d}"
    return replace(exam, patient=replace(patient, patient_id=twin))


def _other_label(exam: Exam) -> Exam:
    """Of one exposure one label is wrong for certain: no patient has recovered in between."""
    return replace(exam, label=CLASSES[-1] if exam.label == POSITIVE else POSITIVE)


def _other_role(exam: Exam) -> Exam:
    """A new exposure, a week later: build, disease and clinical row stay the patient's."""
    again = replace(exam.patient, index=exam.patient.index + ANOTHER_DRAW)
    role = "train" if exam.role == "test" else "test"
    return replace(exam, patient=_later(again, FOLLOW_UP_DAYS), role=role)


_ADDED = {
    "duplicates": _other_patient,
    "label-noise": _other_label,
    "patient-overlap": _other_role,
}
