"""Linking images to labels and clinical rows; groups; splits that cannot leak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.cohort.card_draft import Draft, draft_card
    from covidx.cohort.classes import Classes, classes_of
    from covidx.cohort.duplicates import Duplicate, find_duplicates, thumbnail
    from covidx.cohort.folds import inner_folds, need_groups, need_parts
    from covidx.cohort.groups import group_images
    from covidx.cohort.labels import read_labels
    from covidx.cohort.link import (
        clinical_of,
        drop_unmatched,
        join_labels,
        without_identities,
    )
    from covidx.cohort.splits import Splits, cut_groups, make_splits
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
