"""How networks learn: the part of a recipe that training reads; no training library is needed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from covidx.config import Config
from covidx.imaging.augment_bags import Augmentation
from covidx.imaging.augment_pairs import PairAugmentation


class ImageLearning(Config):
    """How a bag classifier learns."""

    epochs: int = Field(18, ge=1, description="at most")
    patience: int | None = Field(
        None, ge=1, description="epochs without a better validation loss; None: all are trained"
    )
    batch: int = Field(4, ge=2, description="bags")
    slices: int = Field(8, ge=1, description="slices drawn from a bag")
    head_rate: float = Field(4e-3, gt=0)
    backbone_rate: float = Field(1e-3, gt=0, description="smaller: these layers are pretrained")
    frozen_reduction: int = Field(
        0, ge=0, description="layers up to this many pixels an activation stay as pretrained"
    )
    weight_decay: float = Field(0.02, ge=0)
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    pretrained: bool = True
    augmentation: Augmentation = Augmentation()


class PatchLearning(Config):
    """How a network learns from patches."""

    patch: tuple[int, ...] = Field(description="pixels: rows, columns; in 3D slices first")
    samples: int = Field(ge=1, description="patches drawn of an image each epoch")
    epochs: int = Field(ge=1, description="at most")
    patience: int = Field(ge=1, description="epochs without a better one")
    batch: int = Field(ge=1, description="patches")
    rate: float = Field(gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    augmentation: PairAugmentation = PairAugmentation()


class SegmentationLearning(PatchLearning):
    """How a segmenter learns."""

    loss: Literal["dice_ce", "dice_focal"] = "dice_ce"


class DetectionLearning(PatchLearning):
    """How a detector learns, slice by slice."""

    patch: tuple[int, int] = Field(description="pixels: rows, columns")
