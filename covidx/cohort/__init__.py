"""Linking images to labels and clinical rows; groups; splits that cannot leak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.cohort.duplicates import Duplicate, find_duplicates, thumbnail
    from covidx.cohort.groups import group_images
    from covidx.cohort.labels import Classes, classes_of, read_labels
    from covidx.cohort.link import clinical_of, drop_unmatched, join_labels
    from covidx.cohort.splits import Splits, cut_groups, make_splits, need_groups
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "Classes",
    "Duplicate",
    "Splits",
    "classes_of",
    "clinical_of",
    "cut_groups",
    "drop_unmatched",
    "find_duplicates",
    "group_images",
    "join_labels",
    "make_splits",
    "need_groups",
    "read_labels",
    "thumbnail",
]
