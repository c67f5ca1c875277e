"""Volume -> tensor: windows, classical lungs, slice choice, augmentation, the cache."""

from covidx.imaging.augment import Augmentation, augment
from covidx.imaging.cache import BagCache, build_cache
from covidx.imaging.lungs import lung_mask
from covidx.imaging.prepare import Bag, Preprocessing, prepare, window

__all__ = [
    "Augmentation",
    "Bag",
    "BagCache",
    "Preprocessing",
    "augment",
    "build_cache",
    "lung_mask",
    "prepare",
    "window",
]
