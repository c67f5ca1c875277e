"""The bundle: a folder from which anyone can score an image as this run did. No pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from covidx.config import Config
from covidx.evaluate import OperatingPoint
from covidx.imaging import Bag, Preprocessing
from covidx.inference.network_bundle import NetworkBundle, read_network, write_network
from covidx.models import Architecture, BagClassifier

__all__ = ["Bundle", "Threshold", "load_bundle", "parity_bags", "save_bundle"]

PARITY_CASES = 4


class Threshold(Config):
    """A score at or above which a patient is called positive, and where it came from."""

    value: float
    rule: str
    origin: str

    @classmethod
    def of(cls, point: OperatingPoint) -> Threshold:
        """A threshold that evaluation chose."""
        return cls(value=point.threshold, rule=point.rule, origin=point.origin)

    @property
    def operating_point(self) -> OperatingPoint:
        """The same in evaluation's terms."""
        return OperatingPoint(self.value, self.rule, self.origin)


class Bundle(NetworkBundle):
    """``bundle.json`` of an image classifier."""

    schema_version: int = 2
    """1 cropped to lungs found in another way (before `segmentation.segment_lungs`)."""
    kind: Literal["image"] = "image"
    architecture: Architecture
    preprocessing: Preprocessing
    classes: list[str] = Field(description="in the order of the logits, the reference first")
    positive: str
    threshold: Threshold

    @property
    def operating_point(self) -> OperatingPoint:
        """The threshold in evaluation's terms."""
        return self.threshold.operating_point


def parity_bags(how: Preprocessing) -> list[Bag]:
    """Made-up bags, the same on every machine: smooth noise of growing contrast."""
    chance = np.random.default_rng(2020)
    bags = []
    for number in range(PARITY_CASES):
        n = how.slices if how.input == "volume" else 1
        noise = chance.standard_normal((n, how.rows, how.columns))
        smooth = gaussian_filter(noise, (0, 2 + number, 2 + number))
        grey = np.clip(smooth / smooth.std() * (20 + 15 * number) + 110, 0, 255)
        bags.append(Bag(grey.astype(np.uint8), np.arange(n), (0, how.rows, 0, how.columns)))
    return bags


def save_bundle(
    folder: Path, bundle: Bundle, model: BagClassifier, expected: NDArray[np.float64]
) -> Bundle:
    """Write a bundle as `write_network` does.

    `expected`: the probabilities of the parity bags, (cases, classes).
    """
    pixels = np.stack([bag.pixels for bag in parity_bags(bundle.preprocessing)])
    return write_network(folder, bundle, model, {"pixels": pixels, "probabilities": expected})


def load_bundle(folder: Path) -> tuple[Bundle, BagClassifier, dict[str, NDArray[Any]]]:
    """Read a bundle as `read_network` does: what it is, its network, its parity cases.

    Those are pixels (cases, n, rows, columns) and probabilities (cases, classes).
    """
    bundle, model, parity = read_network(
        folder,
        Bundle,
        lambda one: BagClassifier(one.architecture, len(one.classes), pretrained=False),
    )
    return bundle, model.to(memory_format=torch.channels_last), parity
