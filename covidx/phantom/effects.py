"""The one table of effect sizes: how the simulated classes differ, with unit and source.

Frozen before any model is trained. A test pins `effects_digest()`; whoever changes a number
here changes the pin and writes the reason into the changelog.

Sources
-------
AWULACHEW  Awulachew et al., Radiol Res Pract 2020;2020:1023506 (meta-analysis, 5,041 patients).
BAI        Bai et al., Radiology 2020;296:E46-E54 (219 COVID-19, 205 other viral pneumonia).
BERNHEIM   Bernheim et al., Radiology 2020;295:200463 (121 patients by days since onset).
GUAN       Guan et al., N Engl J Med 2020;382:1708-1720 (1,099 patients).
KARIMIAN   Karimian and Azami, Pol J Radiol 2021;86 (meta-analysis, 4,598 patients).
MEI        Mei et al., Nat Med 2020;26:1224-1228 (905 patients; clinical variables).
MENNI      Menni et al., Nat Med 2020;26:1037-1040 (18,401 tested users of a symptom app).
QCT        "Lung involvement in patients with COVID-19: a retrospective study based on
           quantitative CT findings", 2020 (52 patients; abstract).
SALEHI     Salehi et al., AJR 2020;215:87-93 (review, 919 patients).
SUSPECTS   "Differential diagnosis for suspected cases of coronavirus disease 2019: a
           retrospective study", BMC Infect Dis 2020, doi 10.1186/s12879-020-05383-y,
           table 2 (17 confirmed, 51 negative).
VILAR      Vilar et al., Eur J Radiol 2004;51:102-113 (radiology of bacterial pneumonia).
ZHOU       Zhou et al., Front Cell Infect Microbiol 2020;10:322 (304 COVID-19, 138 other CAP).
"Modelling choice" marks a number that is ours, not the literature's.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from covidx.files import sha256_json

GENERATOR_VERSION = 3
"""Raised when the same seed no longer gives the same bytes."""

CLASSES = ("covid-19", "other-pneumonia", "normal")


@dataclass(frozen=True)
class Mix:
    """How many of each class, and how many PCR-positives look normal."""

    per_block: tuple[int, int, int] = (9, 6, 5)
    """Patients of each class in every 20 (45, 30 and 25 %). MEI: 419 of 905 (46 %) were positive;
    the split of the rest is a modelling choice."""
    covid_normal_ct: float = 0.10
    """Share of PCR-positives with a normal CT. KARIMIAN: 94.5 % positive CT; BERNHEIM: 56 % normal
    on days 0-2; MEI: 25 PCR-positives of the test set read as normal. The issue asks for 10 %."""


@dataclass(frozen=True)
class Spread:
    """A distribution clipped to a range: normal, or log-normal if `log`."""

    centre: float
    sd: float
    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Extent:
    """How much lung is ill and how dense: ONE distribution for both diseases, by design.

    That volumes and densities match is a modelling choice: it leaves place and pattern as the
    only difference that an image model can use, so that a histogram cannot tell them apart.
    """

    days_since_onset: Spread = Spread(6.0, 0.6, 1.0, 20.0, log=True)
    """Days, drawn in every class: how old the disease is, and so what is said on admission, but see
    `Presentation`. BERNHEIM: early 0-2, intermediate 3-5, late 6-12; the spread, and that it is one
    for all classes, are modelling choices."""
    lung_share: Spread = Spread(0.065, 0.75, 0.01, 0.30, log=True)
    """Ill share of lung volume. QCT: mean 4 % (early), 7 % (days 4-6), 5 % (late); the spread is a
    modelling choice that reaches severe cases."""
    ground_glass_hu: Spread = Spread(-610.0, 45.0, -720.0, -480.0)
    """HU. QCT: density peak between -700 and -500 HU."""
    consolidation_hu: Spread = Spread(-30.0, 35.0, -110.0, 40.0)
    """HU of airless lung with some air left; Modelling choice around soft tissue (20-60 HU)."""
    consolidation_share_early: float = 0.15
    consolidation_share_late: float = 0.32
    """Share of lesion volume, days 1 and >= 10, linear between. Chosen so that mean lesion density
    follows QCT (-462 HU early, -430 HU late) and its rise follows BERNHEIM."""
    consolidation_share_sd: float = 0.10
    """Modelling choice."""


@dataclass(frozen=True)
class CovidPlace:
    """Where COVID-19 lies."""

    bilateral: float = 0.80
    """KARIMIAN 79.1 %, AWULACHEW 80 %, SUSPECTS 82.4 %, SALEHI 87.5 %."""
    peripheral: float = 0.80
    """BAI 80 % (against 57 %), SALEHI 76 %, KARIMIAN 70.0 %; the others are mixed."""
    posterior: float = 0.80
    """SALEHI 80.4 %."""
    lower_lobe_weight: float = 3.0
    """Odds of a focus in a lower against an upper or middle lobe, per volume. Modelling choice for
    the predominance in KARIMIAN (right lower lobe 86.5 % involved)."""
    foci: tuple[int, int] = (5, 14)
    """Number of foci; multifocal in SALEHI (multilobar 78.8 %). Range is a modelling choice."""
    focus_radius_mm: tuple[float, float] = (14.0, 34.0)
    """mm, modelling choice."""
    effusion: float = 0.04
    """BAI 4 %."""


@dataclass(frozen=True)
class PneumoniaPlace:
    """Where other pneumonia lies."""

    patterns: tuple[tuple[str, float], ...] = (
        ("lobar", 0.45),
        ("central", 0.20),
        ("nodular", 0.35),
    )
    """VILAR: one lobe or segment is the usual community-acquired pattern; shares are a modelling
    choice."""
    bilateral: tuple[tuple[str, float], ...] = (
        ("lobar", 0.04),
        ("central", 0.40),
        ("nodular", 0.30),
    )
    """Modelling choice; 20 % in all. SUSPECTS: 15.7 % of COVID-negative suspects."""
    lower_lobe: float = 0.55
    """Share of lobar ones in a lower lobe. Modelling choice near the lobes' share of volume."""
    nodules: tuple[int, int] = (40, 110)
    """Number of nodules a side. Modelling choice."""
    nodule_radius_mm: tuple[float, float] = (3.5, 9.0)
    """mm. Modelling choice: centrilobular nodules (to 10 mm) that coalesce."""
    effusion: float = 0.30
    """BAI 39 % in viral, in patients admitted; lower here, a modelling choice."""
    effusion_ml: tuple[float, float] = (60.0, 400.0)
    """ml a side. Modelling choice: small to moderate."""


@dataclass(frozen=True)
class Habitus:
    """Who the patients are, the same in every class (a modelling choice: no shortcut by age)."""

    male: float = 0.55
    """GUAN: 58.1 % male."""
    age_years: Spread = Spread(50.0, 16.0, 18.0, 90.0)
    """Years. GUAN: median 47, IQR 35-58."""
    emphysema: float = 0.10
    dependent_atelectasis: float = 0.35
    """Shares of patients, any class. Modelling choices (distractors)."""


@dataclass(frozen=True)
class ClinicalEffects:
    """The twelve variables of MEI for one class; sex and age come from `Habitus`."""

    exposure: float
    fever: float
    cough: float
    sputum: float
    temperature_c: Spread
    wbc_10e9_l: Spread
    lymphocytes_10e9_l: Spread
    neutrophils_share: Spread


def _clinical() -> dict[str, ClinicalEffects]:
    # exposure: GUAN 72.3 % of those not living in Wuhan had contact with its residents; suspects
    # are tested BECAUSE of exposure, so the negatives' share is high as well (modelling choice).
    # fever: GUAN 43.8 % on admission, 88.7 % in hospital; ZHOU: more in COVID-19 than other CAP.
    # cough 67.8 %, sputum 33.7 %, temperature 37.3 C (36.7-38.0): GUAN.
    # WBC and lymphocytes, mean (SD): SUSPECTS 5.27 (2.08) and 1.35 (0.83) positive, 6.73 (1.94) and
    # 1.63 (0.81) negative; GUAN medians 4.7 and 1.0. Log-normal sd, other pneumonia's numbers and
    # the neutrophil shares are modelling choices, set so that the twelve alone reach about the
    # 0.80 that MEI report for their clinical model.
    return {
        "covid-19": ClinicalEffects(
            exposure=0.62,
            fever=0.74,
            cough=0.68,
            sputum=0.34,
            temperature_c=Spread(37.4, 0.85, 35.8, 40.5),
            wbc_10e9_l=Spread(5.2, 0.36, 1.5, 25.0, log=True),
            lymphocytes_10e9_l=Spread(1.15, 0.42, 0.2, 5.0, log=True),
            neutrophils_share=Spread(0.66, 0.10, 0.35, 0.93),
        ),
        "other-pneumonia": ClinicalEffects(
            exposure=0.36,
            fever=0.66,
            cough=0.74,
            sputum=0.50,
            temperature_c=Spread(37.4, 0.9, 35.8, 40.5),
            wbc_10e9_l=Spread(7.6, 0.42, 1.5, 30.0, log=True),
            lymphocytes_10e9_l=Spread(1.35, 0.42, 0.2, 5.0, log=True),
            neutrophils_share=Spread(0.70, 0.10, 0.35, 0.95),
        ),
        "normal": ClinicalEffects(
            exposure=0.40,
            fever=0.52,
            cough=0.58,
            sputum=0.34,
            temperature_c=Spread(37.0, 0.7, 35.8, 40.0),
            wbc_10e9_l=Spread(6.5, 0.30, 2.0, 20.0, log=True),
            lymphocytes_10e9_l=Spread(1.55, 0.42, 0.3, 5.0, log=True),
            neutrophils_share=Spread(0.63, 0.09, 0.35, 0.90),
        ),
    }


@dataclass(frozen=True)
class SymptomEffects:
    """What the formula of MENNI asks for beyond the twelve variables, for one class: shares."""

    loss_of_smell_or_taste: float
    fatigue: float
    skipped_meals: float


def _symptoms() -> dict[str, SymptomEffects]:
    # loss of smell or taste: MENNI 65.03 % of those tested positive, 21.71 % of the negative.
    # fatigue: GUAN 38.1 % in COVID-19. Skipped meals in COVID-19: modelling choice. Their shares in
    # the rest are modelling choices too, set so that the odds ratios are near the exponentials of
    # MENNI's coefficients (0.49 and 0.39); other pneumonia and normal are alike in all three.
    rest = SymptomEffects(loss_of_smell_or_taste=0.2171, fatigue=0.27, skipped_meals=0.31)
    return {
        "covid-19": SymptomEffects(
            loss_of_smell_or_taste=0.6503, fatigue=0.381, skipped_meals=0.40
        ),
        "other-pneumonia": rest,
        "normal": rest,
    }


@dataclass(frozen=True)
class Presentation:
    """When patients come: PCR-positives with a normal CT early, all others by `Extent`."""

    normal_ct_days: tuple[tuple[int, int, float], ...] = (
        (0, 2, 0.85),
        (3, 5, 0.10),
        (6, 12, 0.05),
    )
    """(first day, last day, share) of PCR-positives with a normal CT, days of a band alike. The
    bands are BERNHEIM's; the shares are a modelling choice, set so that of all PCR-positives who
    come on days 0-2 about 56 % have a normal CT (BERNHEIM: 20 of 36)."""
    days_unknown: float = 0.06
    """Share who cannot say, at random. Modelling choice."""


@dataclass(frozen=True)
class Effects:
    """All of it."""

    mix: Mix = field(default_factory=Mix)
    extent: Extent = field(default_factory=Extent)
    covid: CovidPlace = field(default_factory=CovidPlace)
    pneumonia: PneumoniaPlace = field(default_factory=PneumoniaPlace)
    habitus: Habitus = field(default_factory=Habitus)
    clinical: dict[str, ClinicalEffects] = field(default_factory=_clinical)
    missing: tuple[tuple[str, float], ...] = (
        ("exposure", 0.08),
        ("symptoms", 0.03),
        ("temperature", 0.05),
        ("blood", 0.07),
    )
    """Shares missing completely at random; blood counts are missing together. Modelling choice."""
    symptoms: dict[str, SymptomEffects] = field(default_factory=_symptoms)
    symptoms_missing: float = 0.03
    """Share without answers to the symptoms of MENNI, at random. Modelling choice."""
    presentation: Presentation = field(default_factory=Presentation)


EFFECTS = Effects()


def effects_digest() -> str:
    """SHA-256 of the table's canonical JSON."""
    return sha256_json(dataclasses.asdict(EFFECTS))
