"""A model of radiograph scores on disk: linear weights as safetensors, the rest as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from covidx.bundles import BundleFile, read_bundle
from covidx.config import Config
from covidx.errors import BundleError
from covidx.files import replacing_folder
from covidx.models import OFFLINE_WEIGHTS
from covidx.radiograph_severity.features import BACKBONE
from covidx.radiograph_severity.linear import Linear
from covidx.radiograph_severity.lungs import LungFinder

__all__ = ["FilmScore", "Models", "SeverityBundle", "load_bundle", "save_bundle"]

WEIGHTS = "weights.safetensors"
FINDER = "lung box"
"""No score can be called so."""


class FilmScore(Config):
    """One score, how it is found, and how far off it was."""

    name: str
    high: float = Field(gt=0, description="it runs from 0 to this")
    view: str = Field(description="lungs: their box; film: all of it")
    model: str
    half_width: float = Field(ge=0, description="of the interval")
    mae: float = Field(ge=0, description="of films of patients left out")


class SeverityBundle(BundleFile):
    """``bundle.json``."""

    FILES: ClassVar = {WEIGHTS: "weights_sha256"}

    kind: Literal["radiograph-severity"] = "radiograph-severity"
    scores: list[FilmScore]
    coverage: float = Field(gt=0, lt=1, description="of the intervals")
    backbone: str = BACKBONE
    backbone_sha256: str = OFFLINE_WEIGHTS[BACKBONE]
    lung_sizes: tuple[float, float, float, float] | None = Field(
        None, description="least and greatest height and width of the lungs' box, share of the film"
    )
    lung_films: int = 0
    films: int
    patients: int
    dataset: str
    domain: str
    card_sha256: str
    table_sha256: str
    weights_sha256: str = ""
    parity: list[list[float]] = Field(description="scores of made-up pictures")


@dataclass(frozen=True, eq=False)
class Models:
    """A model a score, and the finder of the lungs if there is one."""

    scores: list[Linear]
    finder: LungFinder | None


def save_bundle(folder: Path, bundle: SeverityBundle, models: Models) -> SeverityBundle:
    """Write ``weights.safetensors`` and ``bundle.json``; returns the bundle with its digests."""
    arrays: dict[str, NDArray[Any]] = {}
    named = {one.name: model for one, model in zip(bundle.scores, models.scores, strict=True)}
    if models.finder is not None:
        named[FINDER] = models.finder.model
    for name, model in named.items():
        arrays[f"{name}.weights"] = np.ascontiguousarray(model.weights)
        arrays[f"{name}.offset"] = np.ascontiguousarray(model.offset)
    with replacing_folder(folder) as temporary:
        save_file(arrays, temporary / WEIGHTS)
        return bundle.write(temporary)


def load_bundle(folder: Path) -> tuple[SeverityBundle, Models]:
    """Read a bundle back.

    Raises
    ------
    BundleError
        As `read_bundle`; ``BUNDLE_INVALID`` also where weights are missing.
    """
    bundle, finder = read_bundle(folder, SeverityBundle), None
    try:
        arrays = load_file(folder / WEIGHTS)
        models = [_linear(arrays, one.name) for one in bundle.scores]
        if bundle.lung_sizes is not None:
            finder = LungFinder(_linear(arrays, FINDER), bundle.lung_sizes, bundle.lung_films)
    except (KeyError, SafetensorError) as error:
        raise BundleError(
            "BUNDLE_INVALID", "The bundle lacks weights.", path=folder, actual=error
        ) from error
    return bundle, Models(models, finder)


def _linear(arrays: dict[str, NDArray[Any]], name: str) -> Linear:
    return Linear(arrays[f"{name}.weights"], arrays[f"{name}.offset"])
