"""Draws a cohort and writes it: DICOM studies, tables, masks."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from covidx.errors import InvalidInputError
from covidx.files import read_json, replacing_folder, write_json
from covidx.kinds import resolve
from covidx.phantom.clinical import CLINICAL_COLUMNS
from covidx.phantom.effects import CLASSES, GENERATOR_VERSION, effects_digest
from covidx.phantom.flaws import check_flaws, exams
from covidx.phantom.patient import draw_patient
from covidx.workers import Workers

if TYPE_CHECKING:
    from covidx.phantom.ct_cohort import Row, Rows

Modality = Literal["ct", "cxr"]

Progress = Callable[[int, int], None]

MODALITIES = {
    "ct": "covidx.phantom.ct_cohort:write_ct_exam",
    "cxr": "covidx.phantom.cxr_cohort:write_cxr_exam",
}
"""Modality -> what writes an exam, imported when it is used."""


def _write_csv(path: Path, rows: Iterable[Row], columns: Iterable[str] | None = None) -> None:
    rows = list(rows)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns or rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_all(
    job: Callable[[int], list[Rows]], patients: int, workers: int
) -> Iterator[list[Rows]]:
    """Write the patients, in order of their number whoever writes them."""
    if workers == 1:
        yield from map(job, range(patients))
        return
    with Workers(workers) as pool:
        yield from pool.map(job, range(patients), chunksize=2)


def _is_there(out: Path, description: Row) -> bool:
    """Whether `out` holds this cohort already; refuses anything else that is not empty."""
    if not out.exists():
        return False
    if not out.is_dir():
        raise InvalidInputError(
            "OUTPUT_NOT_A_FOLDER",
            "The output is not a folder.",
            path=out,
            hint="Choose another folder, or remove this file.",
        )
    if (out / "phantom.json").exists() and read_json(out / "phantom.json") == description:
        return True
    if any(out.iterdir()):
        raise InvalidInputError(
            "OUTPUT_NOT_EMPTY",
            "The output folder holds something other than this phantom cohort.",
            path=out,
            expected=f"an empty folder, or {_in_words(description)}",
            hint="Choose another folder, or remove this one.",
        )
    return False


def _in_words(description: Row) -> str:
    """A cohort in words."""
    kind = "radiographs" if "modality" in description else "CTs"
    count, seed = description["patients"], description["seed"]
    flaws = "".join(f", {name}={share}" for name, share in description.get("flaws", {}).items())
    return f"a cohort of {count} patients with {kind} and seed {seed}{flaws}"


@dataclass(frozen=True)
class _Plan:
    """The contents of a cohort."""

    patients: int
    seed: int
    modality: Modality = "ct"
    distractors: bool = False
    flaws: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unfit = self.modality not in MODALITIES or (self.distractors and self.modality != "ct")
        if self.patients < 1 or self.seed < 0 or unfit:
            raise InvalidInputError(
                "PHANTOM_ARGUMENT",
                "A phantom cohort needs at least one patient and a seed that is not negative.",
                expected=f"modality {' or '.join(MODALITIES)}; distractors with ct alone",
                actual=f"patients={self.patients}, seed={self.seed}, modality={self.modality}, "
                f"distractors={self.distractors}",
            )

    @property
    def description(self) -> Row:
        """The content of phantom.json; keys that plain CTs do not need are left out."""
        radiographs: Row = {}
        if self.modality != "ct":
            from covidx.phantom.beam import beam_digest

            radiographs = {"modality": self.modality, "beam_sha256": beam_digest()}
        return {
            "kind": "covidx phantom cohort, simulated: no real patient",
            "patients": self.patients,
            "seed": self.seed,
            "generator_version": GENERATOR_VERSION,
            "effects_sha256": effects_digest(),
            "classes": list(CLASSES),
            **radiographs,
            **({"distractors": True} if self.distractors else {}),
            **({"flaws": dict(self.flaws)} if self.flaws else {}),
        }

    def write(self, folder: Path, index: int) -> list[Rows]:
        """Write all exams of the patient with a number."""
        drawn = exams(draw_patient(self.seed, index), self.flaws)
        write_exam = resolve(MODALITIES[self.modality])
        more = {"distractors": True} if self.distractors else {}
        return [write_exam(folder, exam, **more) for exam in drawn]


def generate_cohort(
    out: Path,
    patients: int,
    seed: int,
    *,
    modality: Modality = "ct",
    distractors: bool = False,
    flaws: Mapping[str, float] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a cohort of simulated patients; the same seed gives the same bytes.

    labels.csv and clinical.csv hold what `flaws` made of the patients; truth.csv has a row an exam,
    with the true label and the flaws that struck it. Where patients overlap, splits.csv gives each
    study its role; where labels contradict, labels.csv names the study of each.

    Parameters
    ----------
    out : Path
        The folder to make. It appears whole, or not at all.
    patients : int
        How many, at least one.
    seed : int
        Not negative. Patient i of a seed is the same in cohorts of any size.
    modality : {"ct", "cxr"}
        A thorax CT of each patient, or a frontal chest radiograph. The patients of a seed are the
        same: anatomy, disease, label and clinical row.
    distractors : bool
        CTs with nodules, plates of atelectasis and motion, for segmentation; see `render`.
    flaws : mapping of str to float, optional
        Name in `FLAWS` -> strength, 0 to 1; without any the cohort is the clean one.
    workers : int, optional
        Processes; by default one for each CPU this process may use.
    progress : callable, optional
        Called with (patients done, patients in all).

    Returns
    -------
    Path
        `out`; at once where it holds the same cohort already.

    Raises
    ------
    InvalidInputError
        ``PHANTOM_ARGUMENT``, ``OUTPUT_NOT_A_FOLDER``, ``OUTPUT_NOT_EMPTY``, or as `check_flaws`.
    StoreError
        If `out` cannot be written.
    """
    out, plan = Path(out), _Plan(patients, seed, modality, distractors, check_flaws(flaws or {}))
    description = plan.description
    if _is_there(out, description):
        return out
    workers = workers or len(os.sched_getaffinity(0))
    with replacing_folder(out) as folder:
        (folder / "masks").mkdir()
        rows: list[Rows] = []
        job = partial(plan.write, folder)
        for done, some in enumerate(_write_all(job, plan.patients, workers), start=1):
            rows += some
            if progress is not None:
                progress(done, plan.patients)
        _write_tables(folder, rows, plan)
        write_json(folder / "phantom.json", description)
    return out


def _write_tables(folder: Path, rows: list[Rows], plan: _Plan) -> None:
    study = ("study_uid",) if "label-noise" in plan.flaws else ()  # which exam has which label
    _write_csv(folder / "labels.csv", _studies(rows, ("patient_id", *study, "label")))
    columns = ("patient_id", *CLINICAL_COLUMNS)
    _write_csv(folder / "clinical.csv", _once(r.clinical for r in rows), columns)
    struck = [{"flaws": r.flaws} if plan.flaws else {} for r in rows]
    _write_csv(folder / "truth.csv", ({**r.truth, **s} for r, s in zip(rows, struck, strict=True)))
    if plan.modality == "ct":
        _write_csv(folder / "slices.csv", (s for r in rows for s in r.slices))
    if "patient-overlap" in plan.flaws:
        _write_csv(folder / "splits.csv", _studies(rows, ("patient_id", "study_uid", "role")))


def _studies(rows: list[Rows], columns: tuple[str, ...]) -> list[Row]:
    return _once({name: row.study[name] for name in columns} for row in rows)


def _once(rows: Iterable[Row]) -> list[Row]:
    """Each row once: a second exam repeats what its patient's tables say."""
    return list({tuple(row.values()): row for row in rows}.values())


def clinical_table(patients: int, seed: int) -> pd.DataFrame:
    """Draw labels and clinical rows of `patients` patients of a `seed`, without any image.

    Columns are patient_id, label and `CLINICAL_COLUMNS`. The rows are those that
    `generate_cohort` writes for the same seed; what is unknown is None.
    """
    drawn = (draw_patient(seed, index) for index in range(patients))
    rows = [{"patient_id": p.patient_id, "label": p.label, **p.clinical} for p in drawn]
    return pd.DataFrame(rows, columns=["patient_id", "label", *CLINICAL_COLUMNS], dtype=object)
