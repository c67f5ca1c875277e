"""From files to scores: what ``covidx predict`` and a served model give for a path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.cards import DataCard
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import CovidxError
from covidx.inference.image import Predictor, outside_domain
from covidx.ingest import Identities, ReadImage, read_images

__all__ = ["NOT_INTERPRETABLE", "Prediction", "predict_path"]

NOT_INTERPRETABLE = "score not interpretable"


@dataclass(frozen=True)
class Prediction:
    """The answer for one image, or why there is none.

    Parameters
    ----------
    path : str
        What was asked about.
    image_id : str or None
        None where no image could be read.
    score : float or None
        Probability of the positive class.
    probabilities : dict
        Class -> probability; empty without a score.
    decision : str or None
        The positive class, or ``not`` and its name.
    outside : tuple of str
        Why the score may not be interpreted.
    problem : str or None
        Why there is no score, beginning with a code.
    receipt : dict
        How the image came about.
    """

    path: str
    image_id: str | None
    score: float | None
    probabilities: dict[str, float]
    decision: str | None
    threshold: float
    threshold_origin: str
    outside: tuple[str, ...]
    problem: str | None
    receipt: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the research-only notice."""
        return {
            **vars(self),
            "outside": list(self.outside),
            "interpretable": self.score is not None and not self.outside,
            "notice": RESEARCH_NOTICE,
        }


def predict_path(
    predictor: Predictor, path: Path, *, identities: Identities, card: DataCard | None = None
) -> Iterator[Prediction]:
    """Score every image that a file or folder holds; what cannot be read is answered too.

    Parameters
    ----------
    predictor : Predictor
    path : Path
        DICOM folder or file, NIfTI, PNG or JPEG.
    identities : Identities
        How patient ids are shown in receipts.
    card : DataCard, optional
    """
    asked = str(path)
    try:
        reader = read_images(path, identities=identities, card=card)
        read = 0
        for image in reader:
            read += 1
            yield _of_image(predictor, asked, image)
    except CovidxError as error:
        yield _answer(predictor, asked, problem=f"{error.code}: {error.reason}")
        return
    left = reader.quarantine
    if read:  # what was set aside (a localizer, another kernel) is no failure then
        left = left[left["kind"] == "quarantined"]
    if len(left) or not read:
        yield _answer(predictor, asked, problem=_why(left))


def _why(left: pd.DataFrame) -> str:
    """Each code once, with the number of files and the first reason."""
    parts = [
        f"{code} ({len(rows)} {'file' if len(rows) == 1 else 'files'}): {rows['reason'].iloc[0]}"
        for code, rows in left.groupby("code", sort=True)
    ]
    return "; ".join(parts) or "NO_IMAGES: there is no image here"


def _of_image(predictor: Predictor, asked: str, image: ReadImage) -> Prediction:
    known: dict[str, Any] = {
        "image_id": str(image.fields["image_id"]),
        "receipt": image.receipt.to_json(),
        "outside": tuple(outside_domain(predictor.bundle, image.fields)),
    }
    try:
        _, scores = predictor.score_volume(image.volume)
    except CovidxError as error:
        return _answer(predictor, asked, **known, problem=f"{error.code}: {error.reason}")
    bundle, score = predictor.bundle, predictor.positive_score(scores)
    positive = score >= bundle.threshold.value
    values = map(float, scores.probabilities)
    return _answer(
        predictor,
        asked,
        **known,
        score=score,
        probabilities=dict(zip(bundle.classes, values, strict=True)),
        decision=bundle.positive if positive else f"not {bundle.positive}",
    )


def _answer(predictor: Predictor, asked: str, **known: Any) -> Prediction:
    point = predictor.bundle.threshold
    blank: dict[str, Any] = {
        "image_id": None,
        "score": None,
        "probabilities": {},
        "decision": None,
        "outside": (),
        "problem": None,
        "receipt": {},
    }
    return Prediction(
        path=asked,
        threshold=point.value,
        threshold_origin=f"{point.rule} on {point.origin}",
        **(blank | known),
    )
