"""The bundle of a detector: a folder from which anyone can box opacities as this run did."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from covidx.bundles import Threshold
from covidx.config import Config
from covidx.imaging.frames import VolumeFraming
from covidx.inference.network_bundle import NetworkBundle
from covidx.models.detectors import DetectorShape
from covidx.models.learning import DetectionLearning


class DetectionRecipe(Config):
    """How a CT reaches the working grid, what the detector is, and how it learns."""

    framing: VolumeFraming
    network: DetectorShape
    learning: DetectionLearning
    smallest: int = Field(ge=1, description="working pixels below which a piece is no instance")
    false_rate: float = Field(gt=0, description="false positives a validation scan, at most")

    @property
    def dimensions(self) -> int:
        """Of the network: it sees slices."""
        return 2


class DetectionBundle(NetworkBundle):
    """``bundle.json`` of a detector."""

    schema_version: int = 2
    kind: Literal["detection"] = "detection"
    recipe: DetectionRecipe
    anchors: tuple[tuple[float, float], ...] = Field(
        description="width and height in working pixels, fitted to the training patients' boxes"
    )
    threshold: Threshold = Field(description="of a detection's score")
