"""The configuration of ``covidx train radiograph-severity``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from covidx.config import Config
from covidx.pipelines.source import PhantomCohort, PictureModality

TRAIN_RADIOGRAPH_SEVERITY = Path(__file__).with_name("train_radiograph_severity.yaml")


class TrainRadiographSeverity(Config):
    """``train_radiograph_severity.yaml``."""

    seed: int = Field(ge=0)
    phantom: PhantomCohort
    coverage: float = Field(gt=0, lt=1, description="of the intervals of scores")
    images: Literal["all", "thumbnails", "none"] = Field(
        "all", description="what the report's pages show of the radiographs"
    )
    modality: PictureModality | None = Field(
        None, description="of PNG and JPEG that no card describes; CXR is DX"
    )
