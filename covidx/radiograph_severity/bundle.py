"""A model of readers' severity scores of radiographs: linear weights as safetensors, JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from covidx.bundles import AGAIN, BundleFile, read_bundle
from covidx.config import Config
from covidx.errors import BundleError
from covidx.files import replacing_folder
from covidx.models import OFFLINE_WEIGHTS
from covidx.radiograph_severity.features import BACKBONE
from covidx.radiograph_severity.linear import Linear
from covidx.radiograph_severity.lungs import LungFinder

WEIGHTS = "weights.safetensors"
FINDER = "lung box"
"""No score can be called so."""


class RadiographScore(Config):
    """One readers' score, how it is predicted, and how far off it was."""

    name: str
    high: float = Field(gt=0, description="it runs from 0 to this")
    view: str = Field(description="lungs: their box; film: the whole radiograph")
    model: str
    half_width: float = Field(ge=0, description="of the interval")
    mae: float = Field(ge=0, description="on radiographs of patients left out")


class RadiographSeverityRecipe(Config):
    """Whose frozen features are read, and how wide intervals are."""

    backbone: str = BACKBONE
    backbone_sha256: str = OFFLINE_WEIGHTS[BACKBONE]
    coverage: float = Field(gt=0, lt=1, description="of the intervals")


class RadiographSeverityBundle(BundleFile):
    """``bundle.json``."""

    FILES: ClassVar = {WEIGHTS: "weights_sha256"}

    schema_version: int = 2
    kind: Literal["radiograph-severity"] = "radiograph-severity"
    recipe: RadiographSeverityRecipe
    scores: list[RadiographScore]
    lung_sizes: tuple[float, float, float, float] | None = Field(
        None,
        description="least and greatest height and width of the lungs' box, share of the image",
    )
    lung_annotations: int = Field(0, description="radiographs whose lungs were annotated")
    radiographs: int = Field(description="scored, of the training patients")
    weights_sha256: str = ""
    parity: list[list[float]] = Field(description="scores of synthetic images")

    def closing_lines(self) -> list[str]:
        """The error of each score, and what its interval is."""
        errors = ", ".join(f"{one.name} {one.mae:.2f}" for one in self.scores)
        return [
            f"mean absolute error on patients left out: {errors}",
            f"In brackets: holds the readers' score of {self.recipe.coverage:.0%} of radiographs "
            "like those.",
        ]


@dataclass(frozen=True, eq=False)
class Models:
    """A model a score, and the finder of the lungs if there is one.

    Parameters
    ----------
    scores : list of Linear
        In the order of the bundle's scores: features of a view to points.
    finder : LungFinder, optional
        None where too few lungs were annotated: every score takes the complete radiograph.
    """

    scores: list[Linear]
    finder: LungFinder | None


def write_bundle(
    folder: Path, bundle: RadiographSeverityBundle, models: Models
) -> RadiographSeverityBundle:
    """Write ``weights.safetensors`` and ``bundle.json``; the bundle with its hashes.

    Parameters
    ----------
    folder : Path
        Must not exist.
    bundle : RadiographSeverityBundle
        Without hashes; they are filled in.
    models : Models
        In the order of the bundle's scores.
    """
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


def load_bundle(folder: Path) -> tuple[RadiographSeverityBundle, Models]:
    """Read a bundle back.

    Parameters
    ----------
    folder : Path
        With ``bundle.json`` and ``weights.safetensors``.

    Raises
    ------
    BundleError
        As `read_bundle`; ``BUNDLE_INVALID`` also where weights are missing.
    """
    bundle, finder = read_bundle(folder, RadiographSeverityBundle), None
    try:
        arrays = load_file(folder / WEIGHTS)
        models = [_linear(arrays, one.name) for one in bundle.scores]
        if bundle.lung_sizes is not None:
            finder = LungFinder(_linear(arrays, FINDER), bundle.lung_sizes, bundle.lung_annotations)
    except (KeyError, SafetensorError) as error:
        raise BundleError(
            "BUNDLE_INVALID",
            "The bundle lacks weights.",
            path=folder,
            actual=error,
            hint=AGAIN,
        ) from error
    return bundle, Models(models, finder)


def _linear(arrays: dict[str, NDArray[Any]], name: str) -> Linear:
    return Linear(arrays[f"{name}.weights"], arrays[f"{name}.offset"])
