"""One colour scale for all maps of a run, in log-odds, with a floor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from covidx.constants import EVIDENCE_FLOOR
from covidx.explain.heatmap import Heatmap

TOP_QUANTILE = 0.95
"""Of the peaks of a run's maps that passed; what lies above has the last colour."""
TOP_WITHOUT = 1.0
"""Log-odds of the last colour where no map passed."""


@dataclass(frozen=True)
class Scale:
    """What colours mean.

    Parameters
    ----------
    floor : float
        Log-odds up to which a map is clear.
    top : float
        Log-odds from which it has the last colour; above `floor`.
    """

    floor: float
    top: float

    @classmethod
    def of(cls, maps: Iterable[Heatmap]) -> Self:
        """The scale of a run by its `maps`: those that passed set its top."""
        peaks = [float(one.heat.max()) for one in maps if one.verdict == "passed"]
        top = float(np.quantile(peaks, TOP_QUANTILE)) if peaks else TOP_WITHOUT
        return cls(EVIDENCE_FLOOR, max(top, 2 * EVIDENCE_FLOOR))

    def colours(self, heat: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-odds `heat`, of any shape, as 0 (clear) to 1 (the last colour); NaN stays.

        >>> Scale(0.1, 2.1).colours(np.array([0.05, 0.1, 1.1, 5.0], np.float32)).tolist()
        [0.0, 0.0, 0.5, 1.0]
        """
        shares: NDArray[np.float32] = ((heat - self.floor) / (self.top - self.floor)).clip(0, 1)
        return shares.round(6)
