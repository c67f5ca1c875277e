"""The configuration of the image pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from covidx.config import Config
from covidx.imaging import Preprocessing
from covidx.models import Architecture
from covidx.training import Learning

__all__ = ["TRAIN_CT", "Recipe", "TrainCT"]

TRAIN_CT = Path(__file__).with_name("train_ct.yaml")


class Recipe(Config):
    """What depends on the kind of image."""

    preprocessing: Preprocessing
    architecture: Architecture
    learning: Learning


class PhantomCohort(Config):
    """Which phantom cohort to make where no data are given."""

    patients: int = Field(ge=20)
    seed: int = Field(ge=0)


class TrainCT(Config):
    """``train_ct.yaml``."""

    seed: int = Field(ge=0)
    phantom: PhantomCohort
    parts: int = Field(ge=3)
    unmatched: Literal["refuse", "exclude"]
    operating_point: Literal["youden"]
    volume: Recipe
    slice: Recipe
