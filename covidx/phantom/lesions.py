"""Lesions: the same amount and density in both diseases, in different places and patterns."""

from __future__ import annotations

import numpy as np

from covidx.phantom.anatomy import Lungs
from covidx.phantom.effects import EFFECTS, Spread
from covidx.phantom.fields import Array, Grid, soft
from covidx.phantom.patterns import SCORES, Disease, Voxels, gather

GROUND_GLASS, CONSOLIDATION, EFFUSION = 1, 2, 3
"""Classes of the lesion mask."""

LUNG_HU = -850.0
"""HU of aerated lung in border voxels."""


def sample(rng: np.random.Generator, spread: Spread) -> float:
    """Draw a number from a distribution, clipped to its range.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    spread : Spread
        The distribution.
    """
    z = rng.standard_normal()
    value = spread.centre * np.exp(spread.sd * z) if spread.log else spread.centre + spread.sd * z
    return float(np.clip(value, spread.low, spread.high))


def draw_disease(rng: np.random.Generator, label: str) -> Disease:
    """Draw from `rng` the disease of a patient of class `label`."""
    extent, covid, other = EFFECTS.extent, EFFECTS.covid, EFFECTS.pneumonia
    days = sample(rng, extent.days_since_onset)
    if label == "normal" or (label == "covid-19" and rng.random() < EFFECTS.mix.covid_normal_ct):
        return Disease("", days)
    early, late = extent.consolidation_share_early, extent.consolidation_share_late
    mean = early + (late - early) * float(np.clip((days - 1.0) / 9.0, 0.0, 1.0))
    share = float(np.clip(rng.normal(mean, extent.consolidation_share_sd), 0.02, 0.6))
    if label == "covid-19":
        pattern, bilateral, effusion = "covid", covid.bilateral, covid.effusion
    else:
        names, weights = zip(*other.patterns, strict=True)
        pattern = str(rng.choice(names, p=weights))
        bilateral, effusion = dict(other.bilateral)[pattern], other.effusion
    return Disease(
        pattern=pattern,
        days=days,
        lung_share=sample(rng, extent.lung_share),
        ground_glass_hu=sample(rng, extent.ground_glass_hu),
        consolidation_hu=sample(rng, extent.consolidation_hu),
        consolidation_share=share,
        bilateral=bool(rng.random() < bilateral),
        main_side=int(rng.integers(1, 3)),
        peripheral=bool(rng.random() < covid.peripheral),
        posterior=bool(rng.random() < covid.posterior),
        effusion_ml=float(rng.uniform(*other.effusion_ml)) if rng.random() < effusion else 0.0,
    )


def _top(score: Array, count: int) -> float:
    """Threshold that leaves `count` of the scores above it."""
    count = min(max(count, 1), len(score) - 1)
    return float(np.partition(score, len(score) - count)[len(score) - count])


def _rank(values: Array, among: Array) -> Array:
    """Share of the values `among` which each value exceeds, 0-1."""
    ordered = np.sort(values[among])
    rank: Array = np.searchsorted(ordered, values) / np.float32(max(len(ordered), 1))
    return rank


def _mix(image: Array, v: Voxels, weight: Array, hu: Array) -> None:
    """Move the lung part of each voxel towards `hu` by `weight`; never darken it."""
    flat = image.reshape(-1)
    old = flat[v.index]
    # At the border the voxel holds wall as well: take what the lung in it must have been.
    lung = np.where(v.share > 0.98, old, np.float32(LUNG_HU))
    flat[v.index] = old + v.share * weight * np.maximum(hu - lung, 0.0)


def _fluid_level(v: Voxels, upright: bool) -> Array:
    """mm along the pull of gravity, with the rise of fluid along the chest wall."""
    if upright:
        # It fills the lowest gutters first and climbs the wall: a blunted angle, then a meniscus.
        rise: Array = 30.0 * np.exp(-np.maximum(v.cage, 0.0) / 9.0) - v.position[:, 2]
        return rise
    crescent: Array = v.position[:, 1] - 0.9 * v.cage - 0.22 * v.position[:, 2]
    return crescent


def _add_effusion(
    image: Array, classes: Array, v: Voxels, disease: Disease, fluid: tuple[int, bool]
) -> Array:
    """Fluid of (voxels, upright patient) where gravity takes it; returns which voxels it took."""
    count, upright = fluid
    level = np.where(v.side == disease.main_side, _fluid_level(v, upright), -1e3)
    surface = _top(level, count)
    taken: Array = level > surface
    _mix(image, v, soft(level - surface, 5.0), 12.0 + 4.0 * v.fine)
    classes.reshape(-1)[v.index[taken & (v.share > 0.5)]] = EFFUSION
    return taken


def paint_lesions(
    image: Array,
    grid: Grid,
    lungs: Lungs,
    disease: Disease,
    texture: tuple[Array, Array],
    rng: np.random.Generator,
    *,
    upright: bool = False,
) -> Array:
    """Paint a disease into an image (HU, in place).

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        HU; painted in place.
    grid : Grid
        Where the voxels lie.
    lungs : Lungs
        The lungs on `grid`.
    disease : Disease
        What is painted.
    texture : tuple of ndarray
        A fine and a coarse smooth random field of unit variance: borders and cores fray by them.
    rng : Generator
        Source of randomness.
    upright : bool
        Whether fluid settles in a standing patient, rather than in one who lies on the back.

    Returns
    -------
    ndarray of uint8
        (slices, rows, columns): 1 ground glass, 2 consolidation, 3 effusion.
    """
    classes = np.zeros(grid.shape, np.uint8)
    if not disease.pattern:
        return classes
    v = gather(grid, lungs, texture)
    if disease.effusion_ml:
        fluid = (int(disease.effusion_ml / grid.voxel_ml), upright)
        taken = _add_effusion(image, classes, v, disease, fluid)
        v = Voxels(*(getattr(v, name)[~taken] for name in v.__dataclass_fields__))
    build, fray = SCORES[disease.pattern]
    score = build(rng, v, disease) + np.float32(fray) * (0.7 * v.noise + 0.6 * v.fine)
    inside = v.share > 0.5
    edge = _top(score[inside], int(disease.lung_share * np.count_nonzero(inside)))
    ill = score > edge
    # The core is denser: height above the edge, frayed by noise of its own.
    core = score + np.float32(0.4) * v.noise + np.float32(0.12) * v.fine
    height, depth = _rank(score, ill & inside), _rank(core, ill & inside)
    firm = np.float32(1.0 - disease.consolidation_share)
    # Ground glass thins out to its border and thickens into the core. By rank, not by height:
    # so the densities within a lesion are spread alike whatever its pattern.
    glass = np.clip(0.45 + 2.0 * height, 0.0, 1.0)
    solidity = np.clip((depth - firm) / 0.08 + 0.5, 0.0, 1.0)
    hu = disease.ground_glass_hu + 38.0 * v.fine
    hu = hu + solidity * (disease.consolidation_hu + 12.0 * v.fine - hu)
    _mix(image, v, np.maximum(glass, solidity) * ill, hu)
    solid = ill & (depth > firm)
    classes.reshape(-1)[v.index[ill & inside]] = GROUND_GLASS
    classes.reshape(-1)[v.index[solid & inside]] = CONSOLIDATION
    return classes
