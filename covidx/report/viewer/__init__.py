"""The case page: every slice of an image beside its heatmap and truth, in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.report.viewer.case import (
        HeatLayer,
        MaskLayer,
        Result,
        Section,
        SeenSlice,
        Verdict,
        ViewerCase,
    )
    from covidx.report.viewer.case_page import Images, write_case_page
    from covidx.report.viewer.worklist import CaseRow
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
