"""New patients and a bundle of P3: images and clinical rows, joined by patient, and scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from covidx.cards import DataCard
from covidx.clinical import numbers_for, read_for
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.fusion.arms import Arms
from covidx.fusion.bundle import FusionPredictor
from covidx.fusion.image import ImageArm
from covidx.fusion.patients import make_arms
from covidx.fusion.seen import Seen, read_path
from covidx.ingest import Identities

__all__ = ["PatientPrediction", "predict_one", "predict_patients"]

SHOWN = 3


@dataclass(frozen=True)
class PatientPrediction:
    """The answer for one patient, or why there is none.

    Parameters
    ----------
    patient_id : str or None
        None where an image could not be read, so that nobody knows whose it is.
    paths : tuple of str
        Where the images lie.
    row : int or None
        Line of the clinical table, where the header is line 1.
    score : float or None
        P3's probability of the positive class.
    decision : str or None
    arms_used : str
        ``p1+p2``, ``p1`` or ``p2``: which arms spoke.
    p1, p2 : float or None
        What each arm says by itself, P1 calibrated.
    base, image, clinic : float or None
        Log odds: of nobody in particular, and what each arm moved; they sum to the score's.
    threshold : float
    threshold_origin : str
    unknown : tuple of str
        Clinical values that are unknown.
    outside : tuple of str
        Why the score may not be interpreted.
    problem : str or None
        Why there is no score, or why an image does not count, beginning with a code.
    receipts : tuple of dict
        How the images came about.
    """

    patient_id: str | None
    paths: tuple[str, ...]
    row: int | None
    score: float | None
    decision: str | None
    arms_used: str
    p1: float | None
    p2: float | None
    base: float | None
    image: float | None
    clinic: float | None
    threshold: float
    threshold_origin: str
    unknown: tuple[str, ...]
    outside: tuple[str, ...]
    problem: str | None
    receipts: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the research-only notice."""
        told = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}
        interpretable = self.score is not None and not self.outside
        return {**told, "interpretable": interpretable, "notice": RESEARCH_NOTICE}


def predict_patients(
    predictor: FusionPredictor,
    paths: Sequence[Path],
    table: Path | None,
    *,
    identities: Identities,
    card: DataCard | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[PatientPrediction]:
    """Score every patient who has an image, a clinical row, or both.

    Parameters
    ----------
    predictor : FusionPredictor
    paths : sequence of Path
        DICOM folders or files, NIfTI, PNG or JPEG; what cannot be read is answered too.
    table : Path, optional
        Clinical rows, with the columns, codes and units of the training table. One row without a
        patient id belongs to the one patient of the images.
    identities : Identities
        How patient ids are shown.
    card : DataCard, optional
        Of pictures with a table.
    progress : callable, optional
        Called with (paths done, paths in all).

    Raises
    ------
    InvalidTableError
        ``PATIENT_COLUMN_MISSING``, or as `read_for`: a missing column, an unknown code, a value of
        another unit.
    InvalidInputError
        ``NOBODY_HAS_BOTH``: no row is of a patient of the images.
    """
    rows = None if table is None else read_for(predictor.rows, table, identities)
    seen: dict[str, Seen] = {}
    unread: list[PatientPrediction] = []
    for done, path in enumerate(paths, 1):
        problem = read_path(predictor, path, seen, identities, card)
        if problem is not None:
            unread.append(_answer(predictor, paths=(str(path),), problem=problem))
        if progress is not None:
            progress(done, len(paths))
    values = pd.DataFrame(columns=[c.name for c in predictor.rows.columns], dtype=float)
    lines: dict[str, int] = {}
    if rows is not None and table is not None:
        rows = _joined(rows, seen, predictor.rows.patient_column, table)
        lines = dict(zip(rows["patient_id"], (rows.index + 2).tolist(), strict=True))
        values = rows.set_index("patient_id")[list(values.columns)]
    who = list(dict.fromkeys([*seen, *values.index]))
    return [*_answers(predictor, who, seen, values, lines), *unread]


def predict_one(
    predictor: FusionPredictor, path: Path | None, cells: pd.DataFrame, identities: Identities
) -> PatientPrediction:
    """Score one patient.

    Parameters
    ----------
    predictor : FusionPredictor
    path : Path, optional
        The patient's images; what cannot be read is told as a problem.
    cells : DataFrame, 1 row
        The clinical row as text.
    identities : Identities

    Raises
    ------
    InvalidInputError
        ``SEVERAL_PATIENTS``: the images are of more than one.
    InvalidTableError
        As `numbers_for`.
    """
    values = numbers_for(predictor.rows, cells, None)
    seen: dict[str, Seen] = {}
    unread = None if path is None else read_path(predictor, path, seen, identities, None)
    if len(seen) > 1:
        raise InvalidInputError(
            "SEVERAL_PATIENTS",
            "The images beside a clinical row are of several patients.",
            path=path,
            actual=f"{len(seen)} patients",
        )
    who = next(iter(seen), "row")
    (found,) = _answers(predictor, [who], seen, values.set_axis([who]), {})
    problems = [problem for problem in (unread, found.problem) if problem]
    return replace(found, problem="; ".join(problems) or None)


def _joined(
    rows: pd.DataFrame, seen: dict[str, Seen], column: str | None, table: Path
) -> pd.DataFrame:
    """The rows with the patients of the images."""
    named = rows.attrs["named"]
    if not named and seen:
        if len(rows) > 1 or len(seen) > 1:
            raise InvalidTableError(
                "PATIENT_COLUMN_MISSING",
                "The clinical table does not say whose its rows are.",
                path=table,
                expected=f"a column {column or 'of patient ids'}, or one row for one patient",
                actual=f"{len(rows)} rows, images of {len(seen)} patients",
            )
        return rows.assign(patient_id=list(seen))
    if seen and not set(rows["patient_id"]) & set(seen):
        raise InvalidInputError(
            "NOBODY_HAS_BOTH",
            "No row of the clinical table is of a patient of the images.",
            path=table,
            expected=f"patient ids such as {next(iter(seen))}",
            actual=", ".join(rows["patient_id"].head(SHOWN)),
            hint="Are the ids those of the DICOM files (PatientID)? Shown are pseudonyms.",
        )
    return rows


def _answers(
    predictor: FusionPredictor,
    who: list[str],
    seen: dict[str, Seen],
    values: pd.DataFrame,
    lines: dict[str, int],
) -> list[PatientPrediction]:
    arms = _arms(predictor, who, seen, values)
    spoke, bundle = arms.available, predictor.bundle
    parts = predictor.fuser.contributions(arms)
    scores = parts.scores(spoke)
    first = arms.clinical.iloc[:, 0].to_numpy(np.float64)
    said = {"p1": expit(arms.image), "p2": expit(first)} | parts._asdict()
    found = []
    for place, patient in enumerate(who):
        own = seen.get(patient, Seen())
        known: dict[str, Any] = {
            "patient_id": patient,
            "paths": tuple(own.paths),
            "row": lines.get(patient),
            "outside": tuple(dict.fromkeys(own.outside)),
            "problem": "; ".join(own.problems) or None,
            "receipts": tuple(own.receipts),
            "arms_used": str(spoke[place]),
        }
        if patient in values.index:
            gaps = arms.values.iloc[place].isna()
            known["unknown"] = tuple(str(name) for name in gaps.index[gaps])
        score = float(scores[place])
        if np.isnan(score):
            known["problem"] = known["problem"] or "NO_ARM: no image, and no value is known"
            found.append(_answer(predictor, **known))
            continue
        known |= {n: float(v[place]) for n, v in said.items() if not np.isnan(v[place])}
        called = score >= bundle.threshold.value
        decision = bundle.positive if called else f"not {bundle.positive}"
        found.append(_answer(predictor, **known, score=score, decision=decision))
    return found


def _arms(
    predictor: FusionPredictor, who: list[str], seen: dict[str, Seen], values: pd.DataFrame
) -> Arms:
    there = {patient: own for patient, own in seen.items() if own.logits}
    width = int(predictor.reader.backbone.num_features)  # type: ignore[arg-type]
    features = [np.mean(own.features, axis=0) for own in there.values()]
    image = ImageArm(
        pd.Series([float(np.mean(own.logits)) for own in there.values()], list(there), float),
        pd.DataFrame(np.reshape(features, (len(there), width)), list(there)),
    ).calibrated(predictor.bundle.scale)
    return make_arms(pd.DataFrame({"patient_id": who}), image, values, predictor.clinical)


def _answer(predictor: FusionPredictor, **known: Any) -> PatientPrediction:
    point = predictor.bundle.threshold
    numbers = ("score", "p1", "p2", "base", "image", "clinic")
    blank: dict[str, Any] = dict.fromkeys(numbers) | {
        "patient_id": None,
        "paths": (),
        "row": None,
        "decision": None,
        "arms_used": "",
        "threshold": point.value,
        "threshold_origin": f"{point.rule} on {point.origin}",
        "unknown": (),
        "outside": (),
        "problem": None,
        "receipts": (),
    }
    return PatientPrediction(**(blank | known))
