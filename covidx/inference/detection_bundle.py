"""The bundle of a detector: a folder from which anyone can box opacities as this run did."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from covidx.config import Config
from covidx.imaging.frames import VolumeFraming
from covidx.inference.image_bundle import Threshold
from covidx.inference.network_bundle import NetworkBundle
from covidx.models.detectors import DetectorShape

__all__ = ["DetectRecipe", "DetectionBundle"]


class DetectRecipe(Config):
    """What a detector is, and how a CT reaches it."""

    framing: VolumeFraming
    network: DetectorShape
    patch: tuple[int, int] = Field(description="rows, columns of a training patch")
    smallest: int = Field(ge=1, description="working pixels below which a piece is no instance")


class DetectionBundle(NetworkBundle):
    """``bundle.json`` of a detector."""

    kind: Literal["detection"] = "detection"
    recipe: DetectRecipe
    anchors: tuple[tuple[float, float], ...] = Field(
        description="width and height in working pixels, fitted to the training patients' boxes"
    )
    threshold: Threshold = Field(description="of a find's score")
