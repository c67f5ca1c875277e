"""One patient: drawn from a seed and an index, rendered by a scanner."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from covidx.phantom.anatomy import Anatomy, draw_anatomy, find_lungs, paint_lungs
from covidx.phantom.clinical import draw_clinical, draw_presentation, draw_symptoms
from covidx.phantom.distractors import move, paint_distractors
from covidx.phantom.effects import CLASSES, EFFECTS
from covidx.phantom.fields import Array, Grid, smooth_field
from covidx.phantom.lesions import EFFUSION, draw_disease, paint_lesions, sample
from covidx.phantom.organs import paint_airways, paint_body, paint_landmark
from covidx.phantom.patterns import Disease
from covidx.phantom.scanners import SCANNERS, acquire, plan_grid
from covidx.phantom.vessels import grow_tree, paint_bronchi, paint_vessels

# Streams of one patient's randomness: what is drawn in one cannot shift another.
PERSON, SHAPE, DISEASE, BLOOD, SCAN, TEXTURE, LESION, NOISE, POSE, VIEW = range(10)
MARKER, QUANTUM, LATERAL, SYMPTOMS, PRESENTATION = range(10, 15)
DISTRACT, MOTION, ROLE = range(15, 18)
FLAWS_FROM = 100  # that of a flaw is this and its place in `flaws.FLAWS`


@dataclass(frozen=True)
class Patient:
    """A simulated patient, before any pixel.

    Attributes
    ----------
    seed, index : int
        Of the cohort, and the patient's number in it.
    patient_id : str
        PatientID.
    label : str
        The true class, one of `CLASSES`.
    sex : str
        M or F.
    age : int
        Years.
    scanner : str
        Key of `SCANNERS`, and of `DETECTORS`.
    anatomy : Anatomy
        The patient's shape.
    disease : Disease
        What the lungs show.
    clinical : dict
        Column of `CLINICAL_COLUMNS` -> value; None is unknown.
    study_date : str
        YYYYMMDD.
    exam : int
        0, the first; others are written where a flaw adds them.
    """

    seed: int
    index: int
    patient_id: str
    label: str
    sex: str
    age: int
    scanner: str
    anatomy: Anatomy
    disease: Disease
    clinical: dict[str, str | float | int | None]
    study_date: str
    exam: int = 0

    @property
    def exam_id(self) -> str:
        """What UIDs and file names are made of: the patient's id, for the first exam."""
        return f"{self.patient_id}-{self.exam}" if self.exam else self.patient_id

    @property
    def visit(self) -> int:
        """A number of the exam: the patient's, for the first one."""
        return self.index + 1_000_000 * self.exam

    @property
    def study_date_iso(self) -> str:
        """YYYY-MM-DD."""
        return f"{self.study_date[:4]}-{self.study_date[4:6]}-{self.study_date[6:]}"

    @property
    def normal_ct(self) -> bool:
        """Whether the CT shows no lesion."""
        return not self.disease.pattern


@dataclass(frozen=True)
class PhantomScan:
    """A rendered scan.

    Attributes
    ----------
    hu : ndarray of int16
        (slices, rows, columns), slices by increasing position along the normal row x column.
    lung : ndarray of uint8
        1 right, 2 left lung by the patient's anatomy; ill lung included, effusion not.
    lesion : ndarray of uint8
        1 ground glass, 2 consolidation, 3 effusion.
    lobe : ndarray of uint8
        1-3 right upper, middle, lower; 4-5 left upper, lower.
    cage_mm : ndarray of float32
        mm inside the rib cage: how peripheral a voxel is.
    grid : Grid
        Geometry.
    burnt : ndarray of bool, optional
        (rows, columns): pixels of an annotation, which `hu` shows in every slice.
    """

    hu: Array
    lung: Array
    lesion: Array
    lobe: Array
    cage_mm: Array
    grid: Grid
    burnt: Array | None = None

    @property
    def affine(self) -> Array:
        """(4, 4): (column, row, slice) index to RAS mm."""
        return self.grid.affine


def stream(seed: int, index: int, number: int) -> np.random.Generator:
    """The generator of one of a patient's streams.

    Parameters
    ----------
    seed, index : int
        Of the cohort, and the patient's number in it.
    number : int
        Of the stream.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, index, number]))


@lru_cache(maxsize=64)
def _block(seed: int, block: int) -> tuple[tuple[str, str], ...]:
    """(class, scanner) of 20 patients: exact class mix, scanners balanced within each class."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, block, 0xB10C]))
    cells: list[tuple[str, str]] = []
    for label, count in zip(CLASSES, EFFECTS.mix.per_block, strict=True):
        # Start at another scanner each block: what does not divide by three evens out.
        keys = [sorted(SCANNERS)[(i + block) % 3] for i in range(count)]
        cells += [(label, key) for key in keys]
    order = rng.permutation(len(cells))
    return tuple(cells[i] for i in order)


def draw_patient(seed: int, index: int) -> Patient:
    """Draw one patient of the cohort of a seed.

    Parameters
    ----------
    seed, index : int
        Of the cohort, and the patient's number in it; not negative. The same pair
        gives the same patient whatever the size of the cohort.
    """
    size = sum(EFFECTS.mix.per_block)
    label, scanner = _block(seed, index // size)[index % size]
    rng = stream(seed, index, PERSON)
    sex = "M" if rng.random() < EFFECTS.habitus.male else "F"
    age = round(sample(rng, EFFECTS.habitus.age_years))
    day = np.datetime64("2020-02-01") + int(rng.integers(0, 120))
    disease = draw_disease(stream(seed, index, DISEASE), label)
    return Patient(
        seed=seed,
        index=index,
        patient_id=f"PH{seed:04d}-{index:05d}",
        label=label,
        sex=sex,
        age=age,
        scanner=scanner,
        anatomy=draw_anatomy(stream(seed, index, SHAPE), sex, age),
        disease=disease,
        clinical={
            **draw_clinical(stream(seed, index, BLOOD), label, sex, age),
            **draw_symptoms(stream(seed, index, SYMPTOMS), label),
            **draw_presentation(stream(seed, index, PRESENTATION), label, disease),
        },
        study_date=str(day).replace("-", ""),
    )


def render(patient: Patient, *, distractors: bool = False) -> PhantomScan:
    """Render a patient's CT with its truth, without writing anything.

    Parameters
    ----------
    patient : Patient
        As `draw_patient` gives it.
    distractors : bool
        Add nodules, plates of atelectasis and motion, which are no lesion in the truth. Anatomy,
        disease and truth stay those of the patient.
    """
    scanner, anatomy = SCANNERS[patient.scanner], patient.anatomy
    grid = plan_grid(scanner, anatomy, stream(patient.seed, patient.index, SCAN))
    rng = stream(patient.seed, patient.index, TEXTURE)
    lungs = find_lungs(anatomy, grid)
    fine, coarse = smooth_field(rng, grid, 9.0), smooth_field(rng, grid, 30.0)
    image = np.full(grid.shape, -1000.0, np.float32)
    paint_body(image, anatomy, grid, lungs)
    paint_lungs(image, anatomy, grid, lungs, (fine, coarse))
    branches = grow_tree(rng, anatomy, grid, lungs)
    own = stream(patient.seed, patient.index, LESION)
    lesion = paint_lesions(image, grid, lungs, patient.disease, (fine, coarse), own)
    paint_vessels(image, grid, lungs, branches)
    paint_bronchi(image, grid, lungs, branches)
    if distractors:
        paint_distractors(image, grid, lungs, stream(patient.seed, patient.index, DISTRACT))
    paint_airways(image, anatomy, grid)
    paint_landmark(image, anatomy, grid)
    if distractors:
        image = move(image, grid, stream(patient.seed, patient.index, MOTION))
    hu = acquire(image, scanner, stream(patient.seed, patient.index, NOISE))
    lung = np.where(lesion == EFFUSION, 0, lungs.side).astype(np.uint8)
    return PhantomScan(hu, lung, lesion, lungs.lobe, lungs.cage, grid)
