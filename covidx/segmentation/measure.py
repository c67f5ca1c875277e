"""The CT opacity burden from masks: volumes, shares, scores, and where the opacities lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.constants import CONSOLIDATION_HU
from covidx.errors import InvalidInputError
from covidx.segmentation.burden import OpacityBurden, Part, Region, Zone, severity_points
from covidx.segmentation.field_of_view import field_flags
from covidx.segmentation.flags import SIDES, lung_flags
from covidx.segmentation.grid import check_values, on_grid
from covidx.segmentation.places import Places, find_places
from covidx.segmentation.planes import Mask
from covidx.segmentation.sides import LEFT, RIGHT, Labels
from covidx.volume import Volume, check_ct

GROUND_GLASS, CONSOLIDATION, EFFUSION = 1, 2, 3
"""Classes of a mask of opacities; fluid is no opacity of the lung and is not counted."""
OPACITIES = {
    False: ((0, 1), "1 where there is an opacity, 0 elsewhere (or classes, with `classes`)"),
    True: ((0, 1, 2, 3), "1 ground glass, 2 consolidation, 3 effusion, 0 elsewhere"),
}
LOBES = {
    1: "right upper lobe",
    2: "right middle lobe",
    3: "right lower lobe",
    4: "left upper lobe",
    5: "left lower lobe",
}
THIRDS = ("lower third", "middle third", "upper third")
HALVES = ("lower half", "upper half")
STAND_IN = "thirds of the right lung and halves of the left, in place of lobes"
Box = tuple[slice, ...]
OUTSIDE_SHARE = 0.05
"""Share of the opacities that may lie outside of the lungs before it is flagged."""


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks on the grid of a CT, in any order of voxels.

    Parameters
    ----------
    lungs : Volume
        1 right, 2 left lung, ill lung included.
    opacities : Volume
        1 where there is one; with `classes`, 1 ground glass, 2 consolidation, 3 effusion.
    classes : bool
        Whether `opacities` holds classes.
    lobes : Volume, optional
        1 to 5, as in `LOBES`.
    probability : Volume, optional
        0 to 1, of the opacities.
    """

    lungs: Volume
    opacities: Volume
    classes: bool = False
    lobes: Volume | None = None
    probability: Volume | None = None


def measure_burden(volume: Volume, masks: Masks) -> OpacityBurden:
    """Measure how much lung is opaque, and where.

    Shares are of the lung, lobe or third itself. Thirds and halves of a lung are of equal height
    (`find_places`, which also says what is lower, posterior and peripheral).

    Without `Masks.classes`, an opaque voxel is consolidation from `constants.CONSOLIDATION_HU`
    on, else ground glass. Without lobes, the CT severity score takes three thirds of the right
    lung and two halves of the left. The Corona score sums the probability of the opaque voxels,
    or 1 for each.

    Parameters
    ----------
    volume : Volume
        CT in proven HU with a proven geometry.
    masks : Masks
        On the grid of `volume`, in any order of voxels.

    Raises
    ------
    InvalidInputError
        As `check_ct`, `on_grid` and `check_values`; ``LUNGS_EMPTY``; ``PROBABILITY_RANGE``.
    """
    check_ct(volume)
    upright = volume.canonical()
    lungs = on_grid(masks.lungs, volume, "lungs")
    check_values(lungs, (0, RIGHT, LEFT), "lungs", "1 right and 2 left lung, 0 elsewhere")
    if not lungs.any():
        raise InvalidInputError(
            "LUNGS_EMPTY",
            "The mask of the lungs is empty.",
            hint=(
                "Name another mask with --lungs, or leave --lungs out to find the lungs"
                " by threshold."
            ),
        )
    opacities = on_grid(masks.opacities, volume, "opacities")
    allowed, means = OPACITIES[masks.classes]
    check_values(opacities, allowed, "opacities", means)
    opaque = (opacities == GROUND_GLASS) | (opacities == CONSOLIDATION)
    solid = opacities == CONSOLIDATION if masks.classes else upright.array >= CONSOLIDATION_HU
    assert volume.voxel_ml is not None and upright.affine is not None
    box = ndimage.find_objects((lungs > 0).astype(np.uint8))[0]
    count = _Count(lungs[box], opaque[box], solid[box], volume.voxel_ml)
    places = find_places(count.lungs, upright.affine)
    zones_are, finer, zones = _finer(count, places, masks, volume, box)
    outside = int(np.count_nonzero(opaque)) - int(np.count_nonzero(opaque[box] & (count.lungs > 0)))
    return OpacityBurden(
        parts=(
            count.part("both lungs", count.lungs > 0),
            *(count.part(name, count.lungs == side) for side, name in SIDES.items()),
            *finer,
        ),
        zones=tuple(Zone(zone.name, zone.share, severity_points(zone.share)) for zone in zones),
        zones_are=zones_are,
        corona_cm3=_corona(count, masks, volume, box),
        corona_weights="1" if masks.probability is None else "probability",
        peripheral=count.region(places.outer),
        posterior=count.region(places.behind),
        lower=count.region(places.third == 0),
        split_by="classes" if masks.classes else f"HU, consolidation from {CONSOLIDATION_HU:g} on",
        outside_ml=outside * volume.voxel_ml,
        flags=(
            *_flags(lungs, outside / max(int(np.count_nonzero(opaque)), 1)),
            *field_flags(volume),
        ),
    )


@dataclass(frozen=True, eq=False)
class _Count:
    """The box about the lungs, and how voxels become ml."""

    lungs: Labels
    opaque: Mask
    solid: Mask
    voxel_ml: float

    def part(self, name: str, where: Mask) -> Part:
        """What lies in a part of the lungs."""
        lung = where & (self.lungs > 0)
        ill = lung & self.opaque
        solid = self._ml(ill & self.solid)
        return Part(name, self._ml(lung), self._ml(ill), self._ml(ill) - solid, solid)

    def region(self, where: Mask) -> Region:
        """What share of lung and opacities lies in a region."""
        here, all_ = self.part("", where), self.part("", self.lungs > 0)
        share = 100.0 * here.opacity_ml / all_.opacity_ml if all_.opacity_ml else np.nan
        return Region(share, 100.0 * here.lung_ml / all_.lung_ml)

    def _ml(self, mask: Mask) -> float:
        return int(np.count_nonzero(mask)) * self.voxel_ml


def _finer(
    count: _Count, places: Places, masks: Masks, volume: Volume, box: Box
) -> tuple[str, list[Part], list[Part]]:
    """What the zones of the score are; the lobes, or the thirds; and the zones."""
    if masks.lobes is not None:
        lobes = on_grid(masks.lobes, volume, "lobes")
        check_values(lobes, (0, *LOBES), "lobes", "1 to 5, 0 elsewhere")
        parts = [count.part(name, lobes[box] == lobe) for lobe, name in LOBES.items()]
        return "lobes", parts, parts
    thirds, halves = (
        {
            side: [
                count.part(f"{name}, {part}", (count.lungs == side) & (where == i))
                for i, part in enumerate(parts)
            ]
            for side, name in SIDES.items()
        }
        for parts, where in ((THIRDS, places.third), (HALVES, places.half))
    )
    return STAND_IN, thirds[RIGHT] + thirds[LEFT], thirds[RIGHT] + halves[LEFT]


def _corona(count: _Count, masks: Masks, volume: Volume, box: Box) -> float:
    """cm3 of opaque lung, each voxel weighted by its probability."""
    ill = count.opaque & (count.lungs > 0)
    if masks.probability is None:
        return int(np.count_nonzero(ill)) * count.voxel_ml
    values = on_grid(masks.probability, volume, "probability")
    if values.min() < 0 or values.max() > 1:
        raise InvalidInputError(
            "PROBABILITY_RANGE",
            "A probability is below 0 or above 1.",
            actual=f"{values.min():g} to {values.max():g}",
            hint="Rescale the probabilities to 0 to 1, or leave --probability out.",
        )
    return float(values[box][ill].sum(dtype=np.float64)) * count.voxel_ml


def _flags(lungs: NDArray[Any], outside: float) -> tuple[str, ...]:
    """Those of the lungs, and whether opacities lie outside of them."""
    flags = lung_flags(lungs)
    if outside > OUTSIDE_SHARE:
        flags.append(f"{outside:.0%} of the opacities lie outside of the lungs and are not counted")
    return tuple(flags)
