"""Volume -> tensor: windows, slice choice within the lungs, augmentation, the cache."""

from covidx.imaging.augment import Augmentation, augment
from covidx.imaging.cache import BagCache, build_cache
from covidx.imaging.prepare import Bag, Preprocessing, prepare, prepare_mask, window
from covidx.imaging.thumbnails import load_thumbnails, save_thumbnails, thumbnails

__all__ = [
    "Augmentation",
    "Bag",
    "BagCache",
    "Preprocessing",
    "augment",
    "build_cache",
    "load_thumbnails",
    "prepare",
    "prepare_mask",
    "save_thumbnails",
    "thumbnails",
    "window",
]
