"""Volume -> tensor: windows, slice choice within the lungs, augmentation, the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.imaging.augment_bags import Augmentation, augment
    from covidx.imaging.bags import Bag, Preprocessing, prepare, prepare_mask, slab_reach, window
    from covidx.imaging.cache import BagCache, build_cache
    from covidx.imaging.run_thumbnails import load_thumbnails, save_thumbnails, thumbnails
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
