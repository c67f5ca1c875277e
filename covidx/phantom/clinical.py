"""The clinical row: the twelve variables of Mei et al. (Nat Med 2020;26:1224), symptoms that the
formula of Menni et al. (Nat Med 2020;26:1037) needs beyond them, and what no model gets."""

from __future__ import annotations

import numpy as np

from covidx.phantom.effects import EFFECTS
from covidx.phantom.lesions import sample
from covidx.phantom.patterns import Disease

MEI_COLUMNS = (
    "sex",
    "age_years",
    "exposure",
    "fever",
    "cough",
    "sputum",
    "temperature_c",
    "wbc_10e9_l",
    "neutrophils_10e9_l",
    "neutrophils_share",
    "lymphocytes_10e9_l",
    "lymphocytes_share",
)
"""Sex M or F; yes/no as 1/0; counts in 10^9 per litre; shares of white cells between 0 and 1."""

SYMPTOM_COLUMNS = ("loss_of_smell_or_taste", "fatigue", "skipped_meals")
"""Yes/no as 1/0."""

PRESENTATION_COLUMNS = ("days_since_onset", "ct_normal")
"""Whole days from the first symptom to admission; 1 where the CT was read as normal, 0 where not.
For strata: the card names neither as a feature."""

CLINICAL_COLUMNS = (*MEI_COLUMNS, *SYMPTOM_COLUMNS, *PRESENTATION_COLUMNS)

GROUPS = {
    "exposure": ("exposure",),
    "symptoms": ("fever", "cough", "sputum"),
    "temperature": ("temperature_c",),
    "blood": MEI_COLUMNS[7:],
}
"""What goes missing together."""


def draw_clinical(
    rng: np.random.Generator, label: str, sex: str, age: int
) -> dict[str, str | float | int | None]:
    """Draw the twelve variables of a patient; None is unknown.

    It depends on the class alone, not on the lesions: PCR-positives with a normal CT look no
    less like COVID-19 here than the others.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    label : str
        One of `CLASSES`.
    sex : str
        M or F.
    age : int
        Years.

    Returns
    -------
    dict
        Column of `MEI_COLUMNS` -> value.
    """
    effects = EFFECTS.clinical[label]
    fever = rng.random() < effects.fever
    # Fever is history; the temperature is measured on admission, after a drug perhaps.
    temperature = sample(rng, effects.temperature_c) + (0.25 if fever else -0.35)
    wbc = sample(rng, effects.wbc_10e9_l)
    lymphocytes = min(sample(rng, effects.lymphocytes_10e9_l), 0.6 * wbc)
    # The rest (monocytes, eosinophils, basophils) is at least 2 % of the white cells.
    neutrophils = min(sample(rng, effects.neutrophils_share), 0.98 - lymphocytes / wbc)
    row: dict[str, str | float | int | None] = {
        "sex": sex,
        "age_years": age,
        "exposure": int(rng.random() < effects.exposure),
        "fever": int(fever),
        "cough": int(rng.random() < effects.cough),
        "sputum": int(rng.random() < effects.sputum),
        "temperature_c": round(min(max(temperature, 35.5), 41.0), 1),
        "wbc_10e9_l": round(wbc, 2),
        "neutrophils_10e9_l": round(neutrophils * wbc, 2),
        "neutrophils_share": round(neutrophils, 3),
        "lymphocytes_10e9_l": round(lymphocytes, 2),
        "lymphocytes_share": round(lymphocytes / wbc, 3),
    }
    for group, share in EFFECTS.missing:
        if rng.random() < share:
            row.update(dict.fromkeys(GROUPS[group]))
    return row


def draw_symptoms(rng: np.random.Generator, label: str) -> dict[str, str | float | int | None]:
    """Draw from `rng` the symptoms of a patient of class `label`; None is unknown.

    They are independent of each other within the class.
    Their random stream is their own, so that rows drawn without them stay what they were.
    """
    effects = EFFECTS.symptoms[label]
    row: dict[str, str | float | int | None] = {
        name: int(rng.random() < getattr(effects, name)) for name in SYMPTOM_COLUMNS
    }
    if rng.random() < EFFECTS.symptoms_missing:
        row = dict.fromkeys(SYMPTOM_COLUMNS)
    return row


def draw_presentation(
    rng: np.random.Generator, label: str, disease: Disease
) -> dict[str, str | float | int | None]:
    """Draw when a patient came, and say what the CT shows; unknown days are None.

    The days are those of the disease, which its lesions follow; PCR-positives with a normal CT have
    early ones of their own. The random stream is this function's alone.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    label : str
        One of `CLASSES`.
    disease : Disease
        Of the patient.

    Returns
    -------
    dict
        Column of `PRESENTATION_COLUMNS` -> value.
    """
    effects, normal = EFFECTS.presentation, not disease.pattern
    known = rng.random() >= effects.days_unknown
    days = round(disease.days)
    if normal and label == "covid-19":
        bands = effects.normal_ct_days
        first, last, _ = bands[rng.choice(len(bands), p=[share for *_, share in bands])]
        days = int(rng.integers(first, last + 1))
    return {"days_since_onset": days if known else None, "ct_normal": int(normal)}
