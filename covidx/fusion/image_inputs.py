"""The image arm of new patients: their images read, scored, and gathered by patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from covidx.errors import CovidxError
from covidx.fusion.bundle import FusionParts
from covidx.fusion.image import ImageArm, read_bag
from covidx.imaging.bags import prepare
from covidx.inference.prediction import InputSource
from covidx.inference.predictor import outside_image
from covidx.inference.reading import InputImage, Inputs
from covidx.ingest.records import ReadImage


@dataclass(eq=False)
class PatientImages:
    """What the images of one patient gave so far."""

    sources: list[InputSource] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    features: list[Any] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def source(self) -> InputSource:
        """Of all images: of several the series are not named."""
        first, *more = self.sources
        if not more:
            return first
        studies = {one.study_uid for one in self.sources}
        return InputSource(
            first.number,
            ", ".join(dict.fromkeys(one.path for one in self.sources)),
            "; ".join(dict.fromkeys(one.place for one in self.sources)),
            sum(one.files for one in self.sources),
            patient_id=first.patient_id,
            study_uid=first.study_uid if len(studies) == 1 else None,
        )


def read_patients(
    parts: FusionParts, inputs: Inputs
) -> tuple[dict[str, PatientImages], list[InputImage]]:
    """Read and score the images of all inputs.

    Parameters
    ----------
    parts : FusionParts
        Its P1 prepares and scores the images; its `reader` gives their features.
    inputs : Inputs
        Images of one or several patients; its table is not read.

    Returns
    -------
    patients : dict
        Patient -> images.
    unread : list of InputImage
        What could not be read, so that nobody knows whose it is.
    """
    patients: dict[str, PatientImages] = {}
    unread = []
    for source, image, problem in inputs.images():
        if image is None:
            unread.append(InputImage(source, None, problem))
            continue
        patient = patients.setdefault(str(source.patient_id), PatientImages())
        patient.sources.append(source)
        _add(parts, patient, image)
    return patients, unread


def _add(parts: FusionParts, patient: PatientImages, image: ReadImage) -> None:
    p1 = parts.image
    patient.receipts.append(image.receipt.to_json())
    patient.outside += outside_image(p1.bundle, image)
    try:
        bag = prepare(image.volume, p1.bundle.recipe.preprocessing)
    except CovidxError as error:
        patient.problems.append(error.summary)
        return
    place = p1.bundle.classes.index(p1.bundle.positive)
    logit, features = read_bag(p1.model, bag, place)
    if parts.reader is not p1.model:
        _, features = read_bag(parts.reader, bag, place)
    patient.logits.append(logit)
    patient.features.append(features)


def image_arm(parts: FusionParts, patients: dict[str, PatientImages]) -> ImageArm:
    """Calibrated log odds and features of the patients whose images could be scored.

    Parameters
    ----------
    parts : FusionParts
        Gives the width of the features, and the line that calibrates P1's log odds.
    patients : dict
        As `read_patients`.
    """
    there = {patient: own for patient, own in patients.items() if own.logits}
    width = parts.reader.width
    features = [np.mean(own.features, axis=0) for own in there.values()]
    return ImageArm(
        pd.Series([float(np.mean(own.logits)) for own in there.values()], list(there), float),
        pd.DataFrame(np.reshape(features, (len(there), width)), list(there)),
    ).calibrated(parts.bundle.scale)
