"""Scores that readers give a radiograph (extent, opacity), learned from a table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.radiograph_severity.bundle import (
        RadiographScore,
        RadiographSeverityBundle,
        RadiographSeverityRecipe,
        load_bundle,
    )
    from covidx.radiograph_severity.features import RadiographNetwork, picture_of
    from covidx.radiograph_severity.linear import Choice, OutOfFold, choose, leave_one_out
    from covidx.radiograph_severity.lungs import (
        MIN_RADIOGRAPHS,
        LungFinder,
        box_of_mask,
        fit_finder,
    )
    from covidx.radiograph_severity.predict import RadiographSeverityPredictor
    from covidx.radiograph_severity.table import join_scores, read_scores
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
