"""Volume -> tensor: windows, slice choice within the lungs, augmentation, the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.imaging.augmentation import Augmentation, augment
    from covidx.imaging.cache import BagCache, build_cache
    from covidx.imaging.preparation import Bag, Preprocessing, prepare, prepare_mask, window
    from covidx.imaging.thumbnail_files import load_thumbnails, save_thumbnails, thumbnails
else:
    __getattr__ = lazy_names(__name__, __file__)

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
