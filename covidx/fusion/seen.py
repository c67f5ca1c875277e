"""What a bundle of P3 sees on the images of new patients."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.cards import DataCard
from covidx.errors import CovidxError
from covidx.fusion.bundle import FusionPredictor
from covidx.fusion.image import read_bag
from covidx.imaging import prepare
from covidx.inference import outside_domain
from covidx.ingest import Identities, ReadImage, read_images

__all__ = ["Seen", "read_path"]


@dataclass(eq=False)
class Seen:
    """What the images of one patient gave so far."""

    paths: list[str] = field(default_factory=list)
    logits: list[float] = field(default_factory=list)
    features: list[Any] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)


def read_path(
    predictor: FusionPredictor,
    path: Path,
    seen: dict[str, Seen],
    identities: Identities,
    card: DataCard | None,
) -> str | None:
    """Add the images of a path to their patients; returns why one could not be read, if so.

    Parameters
    ----------
    predictor : FusionPredictor
    path : Path
    seen : dict
        Patient -> what was seen; grows.
    identities : Identities
    card : DataCard, optional
    """
    asked, found = str(path), 0
    try:
        reader = read_images(path, identities=identities, card=card)
        for image in reader:
            found += 1
            _add(predictor, seen.setdefault(str(image.fields["patient_id"]), Seen()), asked, image)
    except CovidxError as error:
        return f"{error.code}: {error.reason}"
    left = reader.quarantine
    if found:  # what was set aside (a localizer, another kernel) is no failure then
        left = left[left["kind"] == "quarantined"]
    if found and left.empty:
        return None
    codes = left.groupby("code", sort=True)["reason"].first() if len(left) else pd.Series(dtype=str)
    why = "; ".join(f"{code}: {reason}" for code, reason in codes.items())
    return why or "NO_IMAGES: there is no image here"


def _add(predictor: FusionPredictor, seen: Seen, asked: str, image: ReadImage) -> None:
    p1 = predictor.image
    if asked not in seen.paths:
        seen.paths.append(asked)
    seen.receipts.append(image.receipt.to_json())
    seen.outside += outside_domain(p1.bundle, image.fields)
    try:
        bag = prepare(image.volume, p1.bundle.preprocessing)
    except CovidxError as error:
        seen.problems.append(f"{error.code}: {error.reason}")
        return
    place = p1.bundle.classes.index(p1.bundle.positive)
    logit, features = read_bag(p1.model, bag, place)
    if predictor.reader is not p1.model:
        _, features = read_bag(predictor.reader, bag, place)
    seen.logits.append(logit)
    seen.features.append(features)
