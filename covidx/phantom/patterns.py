"""Where each pattern of disease lies: a score over the lung voxels, high where it is ill first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from covidx.phantom.anatomy import Lungs
from covidx.phantom.effects import EFFECTS
from covidx.phantom.fields import Array, Grid, soft


@dataclass(frozen=True)
class Disease:
    """What one patient's lungs show; `pattern` is empty for a normal CT."""

    pattern: str  # "", "covid", "lobar", "central", "nodular"
    days: float
    lung_share: float = 0.0
    ground_glass_hu: float = 0.0
    consolidation_hu: float = 0.0
    consolidation_share: float = 0.0
    bilateral: bool = False
    main_side: int = 1  # 1 right, 2 left
    peripheral: bool = True
    posterior: bool = True
    effusion_ml: float = 0.0


@dataclass(frozen=True)
class Voxels:
    """The lung voxels as flat arrays of length n: work on them costs a tenth of the whole grid."""

    index: Array  # flat index into the grid, rising
    plane: Array  # mm along the slice normal, rising
    position: Array  # (n, 3) LPS mm, float32
    side: Array
    lobe: Array
    share: Array  # of the voxel that is lung, 0-1
    cage: Array  # mm to the rib cage
    noise: Array  # smooth field, unit variance
    fine: Array


def gather(grid: Grid, lungs: Lungs, texture: tuple[Array, Array]) -> Voxels:
    """Gather the lung voxels of a grid.

    Parameters
    ----------
    grid : Grid
        Where the voxels lie.
    lungs : Lungs
        The lungs on `grid`.
    texture : tuple of ndarray
        A fine and a coarse smooth random field of unit variance, on `grid`.
    """
    index = np.flatnonzero(lungs.lobe)
    shape = grid.shape
    x, y, z = (np.broadcast_to(v, shape).reshape(-1)[index] for v in (grid.x, grid.y, grid.z))
    flat = (a.reshape(-1)[index] for a in (lungs.lobe, lungs.share, lungs.cage, *texture))
    lobe, share, cage, fine, noise = flat
    position = np.stack([x, y, z], 1)
    plane = (index // (shape[1] * shape[2]) * grid.step_mm).astype(np.float32)
    return Voxels(index, plane, position, np.where(lobe < 4, 1, 2), lobe, share, cage, noise, fine)


def _seeds(rng: np.random.Generator, weights: Array, count: int) -> Array:
    """Indices of voxels drawn by weight, with replacement."""
    total = np.cumsum(weights, dtype=np.float64)
    if total[-1] <= 0:
        return np.zeros(0, int)
    seeds: Array = np.searchsorted(total, rng.random(count) * total[-1])
    return np.minimum(seeds, len(weights) - 1)


def _nearness(v: Voxels, centres: Array, radii: Array, flat: float = 1.0) -> Array:
    """Best of (1 - distance / radius) over blobs; `flat` < 1 squeezes them in depth (cage mm)."""
    best = np.full(len(v.index), -9.0, np.float32)
    for c, r in zip(centres, radii, strict=True):
        # Slices beyond the blob's reach are skipped before any arithmetic.
        ends = np.searchsorted(v.plane, [v.plane[c] - 2.2 * r, v.plane[c] + 2.2 * r])
        part = slice(int(ends[0]), int(ends[1]))
        beside = np.abs(v.position[part, 0] - v.position[c, 0]) < 2.2 * r
        near = part.start + np.flatnonzero(beside)
        gap = v.position[near] - v.position[c]
        square = (gap**2).sum(1)
        if flat < 1.0:
            square = square + (1.0 / flat**2 - 1.0) * (v.cage[near] - v.cage[c]) ** 2
        best[near] = np.maximum(best[near], 1.0 - np.sqrt(square) / np.float32(r))
    return best


def _sides(rng: np.random.Generator, disease: Disease) -> dict[int, float]:
    """Share of the foci on each side."""
    other = 3 - disease.main_side
    part = float(rng.uniform(0.25, 0.5)) if disease.bilateral else 0.0
    return {disease.main_side: 1.0 - part, other: part}


def _covid_score(rng: np.random.Generator, v: Voxels, disease: Disease) -> Array:
    """Several flat patches under the pleura, most at the back and below, on both sides."""
    place = EFFECTS.covid
    depth = np.maximum(v.cage, 0.0)
    weight = np.exp(-depth / (9.0 if disease.peripheral else 45.0))
    if disease.posterior:
        weight = weight / (1.0 + np.exp(-(v.position[:, 1] - 18.0) / 11.0))
    weight = weight * np.where((v.lobe == 3) | (v.lobe == 5), place.lower_lobe_weight, 1.0)
    count = int(rng.integers(place.foci[0], place.foci[1] + 1))
    centres = []
    for side, part in _sides(rng, disease).items():
        if part:
            centres.append(_seeds(rng, weight * (v.side == side), max(2, round(part * count))))
    chosen = np.concatenate(centres)
    radii = rng.uniform(*place.focus_radius_mm, len(chosen))
    score = _nearness(v, chosen, radii, flat=0.6 if disease.peripheral else 1.0)
    pull = 0.012 if disease.peripheral else 0.0
    return score - np.float32(pull) * depth


def _lobar_score(rng: np.random.Generator, v: Voxels, disease: Disease) -> Array:
    """One lobe filled from a point, stopped by its fissures; overflow goes to its neighbour."""
    sides = [disease.main_side] + ([3 - disease.main_side] if disease.bilateral else [])
    score = np.full(len(v.index), -9.0, np.float32)
    for side in sides:
        low = rng.random() < EFFECTS.pneumonia.lower_lobe
        upper = [1, 2] if side == 1 else [4]
        lobe = (3 if side == 1 else 5) if low else int(rng.choice(upper))
        member = v.lobe == lobe
        if not member.any():
            continue
        start = _seeds(rng, member * np.ones(len(member)), 1)
        near = _nearness(v, start, np.array([160.0])) * 2.0
        rank = np.where(member, near, near - 2.5)
        score = np.maximum(score, np.where(v.side == side, rank, -9.0))
    return score


def _central_score(rng: np.random.Generator, v: Voxels, disease: Disease) -> Array:
    """Around the hilum, sparing the rim under the pleura."""
    score = np.full(len(v.index), -9.0, np.float32)
    for side, part in _sides(rng, disease).items():
        if not part:
            continue
        hilum = np.array([-46.0 if side == 1 else 50.0, 10.0, -4.0], np.float32)
        hilum += (rng.standard_normal(3) * (4.5, 9.0, 14.0)).astype(np.float32)
        gap = (v.position - hilum) * np.array([1.0, 1.0, 0.75], np.float32)
        away = np.sqrt((gap**2).sum(1))
        rank = 1.0 - away / np.float32(70.0 * (0.6 + 0.8 * part))
        rank = rank - 0.6 * soft(14.0 - v.cage, 14.0)
        score = np.maximum(score, np.where(v.side == side, rank, -9.0))
    return score


def _nodular_score(rng: np.random.Generator, v: Voxels, disease: Disease) -> Array:
    """Clusters of small nodules along the airways of a few segments (bronchopneumonia)."""
    place = EFFECTS.pneumonia
    chosen = []
    for side, part in _sides(rng, disease).items():
        if not part:
            continue
        inner = (v.side == side) * soft(v.cage - 10.0, 6.0)
        clusters = _seeds(rng, inner, int(rng.integers(1, 4)))
        near = np.maximum(_nearness(v, clusters, rng.uniform(34.0, 62.0, len(clusters))), 0.0)
        count = int(rng.integers(place.nodules[0], place.nodules[1] + 1) * max(part, 0.4))
        chosen.append(_seeds(rng, near * inner, count))
    centres = np.concatenate(chosen)
    return _nearness(v, centres, rng.uniform(*place.nodule_radius_mm, len(centres)) * 1.6)


SCORES = {
    "covid": (_covid_score, 0.22),
    "lobar": (_lobar_score, 0.16),
    "central": (_central_score, 0.16),
    "nodular": (_nodular_score, 0.10),
}
"""Pattern -> its score and how far noise frays its border."""
