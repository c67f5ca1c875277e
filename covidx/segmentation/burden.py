"""The CT opacity burden: how much lung is opaque, and where; numbers, each with its unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from covidx.constants import RESEARCH_NOTICE

MAX_SCORE = 25


@dataclass(frozen=True)
class Part:
    """A lung, a lobe or a third of a lung, and what it holds.

    Ground glass and consolidation add up to the opacities.

    Attributes
    ----------
    name : str
        Such as ``right lung``.
    lung_ml, opacity_ml, ground_glass_ml, consolidation_ml : float
        Volumes in ml.
    """

    name: str
    lung_ml: float
    opacity_ml: float
    ground_glass_ml: float
    consolidation_ml: float

    @property
    def share(self) -> float:
        """% of the part that is opaque; NaN where it is empty."""
        return 100.0 * self.opacity_ml / self.lung_ml if self.lung_ml else math.nan

    def to_json(self) -> dict[str, Any]:
        """A JSON object; what is not a number is null."""
        return {
            "name": self.name,
            "lung": _with_unit(self.lung_ml, "ml"),
            "opacity": _with_unit(self.opacity_ml, "ml"),
            "share": _with_unit(self.share, "%"),
            "ground_glass": _with_unit(self.ground_glass_ml, "ml"),
            "consolidation": _with_unit(self.consolidation_ml, "ml"),
        }


@dataclass(frozen=True)
class Zone:
    """One of the five parts of the CT severity score.

    Attributes
    ----------
    name : str
        The lobe, or the third or half of a lung that stands in for it.
    share : float
        % of it that is opaque; NaN where it is empty.
    points : int
        0 to 5, as `severity_points`.
    """

    name: str
    share: float
    points: int


@dataclass(frozen=True)
class Region:
    """Whether opacities prefer a region of the lungs.

    Attributes
    ----------
    opacity_share, lung_share : float
        % of all opacities, and of all lung, that lie in it.
    """

    opacity_share: float
    lung_share: float

    @property
    def index(self) -> float:
        """`opacity_share` over `lung_share`: 1 without preference; NaN without opacities."""
        return self.opacity_share / self.lung_share if self.lung_share else math.nan

    def to_json(self) -> dict[str, Any]:
        """A JSON object; what is not a number is null."""
        return {
            "opacity_share": _with_unit(self.opacity_share, "%"),
            "lung_share": _with_unit(self.lung_share, "%"),
            "index": _with_unit(self.index, "1"),
        }


@dataclass(frozen=True)
class OpacityBurden:
    """How much lung is opaque, and where; `covidx.segmentation.measure` says how it is measured.

    Attributes
    ----------
    parts : tuple of Part
        Both lungs, right, left, then the lobes, or the thirds of each lung.
    zones : tuple of Zone
        The five of the CT severity score.
    zones_are : str
        ``lobes``, or what stands in for them.
    corona_cm3 : float
        Volume of the opacities weighted by their probability (Gozes et al., arXiv:2003.05037).
    corona_weights : str
        ``probability``, or ``1`` where none was given.
    peripheral, posterior, lower : Region
        The outer third by volume, the posterior half and the lower third of each lung.
    split_by : str
        ``classes`` of the mask, or ``HU``: what separated ground glass from consolidation.
    outside_ml : float
        Opacity in the mask that lies outside of the lungs; not counted elsewhere.
    flags : tuple of str
        What a reader has to know of these numbers.
    """

    parts: tuple[Part, ...]
    zones: tuple[Zone, ...]
    zones_are: str
    corona_cm3: float
    corona_weights: str
    peripheral: Region
    posterior: Region
    lower: Region
    split_by: str
    outside_ml: float
    flags: tuple[str, ...]

    @property
    def score(self) -> int:
        """The CT severity score, 0 to 25."""
        return sum(zone.points for zone in self.zones)

    def to_json(self) -> dict[str, Any]:
        """A JSON object, each number with its unit; what is not a number is null."""
        return {
            "parts": [part.to_json() for part in self.parts],
            "split_by": self.split_by,
            "ct_severity_score": {
                **_with_unit(self.score, f"points of {MAX_SCORE}"),
                "zones_are": self.zones_are,
                "zones": [
                    {
                        "name": zone.name,
                        "share": _with_unit(zone.share, "%"),
                        **_with_unit(zone.points, "points of 5"),
                    }
                    for zone in self.zones
                ],
            },
            "corona_score": {
                **_with_unit(self.corona_cm3, "cm3"),
                "weights": self.corona_weights,
            },
            "peripheral": self.peripheral.to_json(),
            "posterior": self.posterior.to_json(),
            "lower": self.lower.to_json(),
            "opacity_outside_lungs": _with_unit(self.outside_ml, "ml"),
            "flags": list(self.flags),
            "notice": RESEARCH_NOTICE,
        }


def severity_points(share: float) -> int:
    """Points of a lobe in the CT severity score (Pan et al., Radiology 2020;295:715).

    Parameters
    ----------
    share : float
        % of the lobe that is opaque; NaN, of a lobe that is not there, gives 0.

    Returns
    -------
    int
        0: none; 1: under 5 %; 2: 5 to 25; 3: more, under 50; 4: 50 to 75; 5: more.

    Examples
    --------
    >>> [severity_points(share) for share in (0, 4.9, 5, 25, 25.1, 50, 75, 75.1)]
    [0, 1, 2, 2, 3, 4, 4, 5]
    """
    return sum((share > 0, share >= 5, share > 25, share >= 50, share > 75))


def _with_unit(value: float, unit: str) -> dict[str, Any]:
    rounded = round(value, 3) if math.isfinite(value) else None
    return {"value": rounded, "unit": unit}
