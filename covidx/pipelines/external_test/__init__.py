"""A trained run on a second data set: images, clinical rows, or both of the same patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.pipelines.external_test.evaluate import External, evaluate_externally
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
