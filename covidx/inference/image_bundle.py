"""The bundle of an image classifier: all that is needed to score an image as its run did."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from covidx.bundles import Threshold
from covidx.config import Config
from covidx.imaging.bags import Bag, Preprocessing
from covidx.inference.network_bundle import NetworkBundle
from covidx.models.bag import Architecture
from covidx.models.learning import ImageLearning

PARITY_CASES = 4


class ImageRecipe(Config):
    """How images become bags, what the network is, and how it learns."""

    preprocessing: Preprocessing
    architecture: Architecture
    learning: ImageLearning | None = Field(
        None, description="None in a bundle that was upgraded from one that did not record it"
    )

    def with_members(self, members: int) -> ImageRecipe:
        """The same for `members` networks; several are trained for all epochs, without patience."""
        architecture = self.architecture.model_copy(update={"members": members})
        learning = self.learning
        if learning is not None and members > 1:
            learning = learning.model_copy(update={"patience": None})
        return self.model_copy(update={"architecture": architecture, "learning": learning})

    @model_validator(mode="after")
    def _nothing_chooses_a_members_epoch(self) -> Self:
        if self.architecture.members > 1 and self.learning and self.learning.patience:
            raise ValueError(
                "patience is for one network (members: 1): members of an ensemble have no "
                "validation rows to be stopped on"
            )
        return self


class ImageBundle(NetworkBundle):
    """``bundle.json`` of an image classifier."""

    schema_version: int = 3
    """1 cropped to lungs found in another way (before `segmentation.segment_lungs`)."""
    kind: Literal["image"] = "image"
    recipe: ImageRecipe
    classes: list[str] = Field(description="in the order of the logits, the reference first")
    positive: str
    threshold: Threshold


def parity_bags(how: Preprocessing) -> list[Bag]:
    """Synthetic bags, the same on every machine: smooth noise of growing contrast.

    Parameters
    ----------
    how : Preprocessing
        For their size.
    """
    from scipy.ndimage import gaussian_filter

    chance = np.random.default_rng(2020)
    bags = []
    for number in range(PARITY_CASES):
        n = how.slices if how.input == "volume" else 1
        noise = chance.standard_normal((n, how.rows, how.columns))
        smooth = gaussian_filter(noise, (0, 2 + number, 2 + number))
        grey = np.clip(smooth / smooth.std() * (20 + 15 * number) + 110, 0, 255)
        bags.append(Bag(grey.astype(np.uint8), np.arange(n), (0, how.rows, 0, how.columns)))
    return bags
