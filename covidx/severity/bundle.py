"""A model of radiograph scores on disk: linear weights as safetensors, the rest as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from covidx.config import Config
from covidx.constants import RESEARCH_NOTICE, SCHEMA_VERSION
from covidx.errors import BundleError, StoreError
from covidx.files import read_json, replacing_folder, sha256_file, sha256_json, write_json
from covidx.models import OFFLINE_WEIGHTS
from covidx.runs import versions
from covidx.severity.features import BACKBONE
from covidx.severity.linear import Linear
from covidx.severity.lungs import LungFinder

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


class SeverityBundle(Config):
    """``bundle.json``."""

    schema_version: int = SCHEMA_VERSION
    notice: str = RESEARCH_NOTICE
    kind: str = "severity"
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
    sha256: str = ""
    run_id: str
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    def digest(self) -> str:
        """Of all but the run, the time and the versions."""
        apart = {"sha256", "run_id", "created", "versions"}
        return sha256_json(self.model_dump(mode="json", exclude=apart))


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
        bundle = bundle.model_copy(
            update={
                "weights_sha256": sha256_file(temporary / WEIGHTS),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "versions": versions(),
            }
        )
        bundle = bundle.model_copy(update={"sha256": bundle.digest()})
        write_json(temporary / "bundle.json", bundle.model_dump(mode="json"))
    return bundle


def load_bundle(folder: Path) -> tuple[SeverityBundle, Models]:
    """Read a bundle back.

    Raises
    ------
    BundleError
        ``BUNDLE_UNREADABLE``; ``BUNDLE_CHANGED``: a file is not what was saved.
    """
    try:
        bundle = SeverityBundle.model_validate(read_json(folder / "bundle.json"))
        found = sha256_file(folder / WEIGHTS)
        arrays = load_file(folder / WEIGHTS)
    except (ValidationError, StoreError, OSError, SafetensorError) as error:
        raise BundleError(
            "BUNDLE_UNREADABLE", "This is no bundle of scores.", path=folder, actual=error
        ) from error
    for what, expected, actual in (
        (WEIGHTS, bundle.weights_sha256, found),
        ("bundle.json", bundle.sha256, bundle.digest()),
    ):
        if expected != actual:
            raise BundleError(
                "BUNDLE_CHANGED",
                "The bundle is not as it was saved.",
                path=folder / what,
                expected=expected,
                actual=actual,
                hint="Take an undamaged copy.",
            )
    wanted = {one.name for one in bundle.scores} | ({FINDER} if bundle.lung_sizes else set())
    missing = sorted(name for name in wanted if f"{name}.weights" not in arrays)
    if missing:
        raise BundleError(
            "BUNDLE_UNREADABLE", "The bundle lacks weights.", path=folder, actual=", ".join(missing)
        )
    models = [_linear(arrays, one.name) for one in bundle.scores]
    finder = None
    if bundle.lung_sizes is not None:
        finder = LungFinder(_linear(arrays, FINDER), bundle.lung_sizes, bundle.lung_films)
    return bundle, Models(models, finder)


def _linear(arrays: dict[str, NDArray[Any]], name: str) -> Linear:
    return Linear(arrays[f"{name}.weights"], arrays[f"{name}.offset"])
