"""Vessels, ribs and clavicles drawn on the detector: too fine for the voxels that are projected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from covidx.phantom.anatomy import MIDDLE_Y, Anatomy
from covidx.phantom.beam import RADIOGRAPHY, Detector
from covidx.phantom.fields import Array
from covidx.phantom.projection import Pose
from covidx.phantom.scene import CtDetail, Scene


@dataclass(frozen=True)
class _Tubes:
    """Straight tapering tubes: (n, 3) ends in LPS mm, (n,) radii in mm and weights."""

    start: Array
    end: Array
    first: Array
    last: Array
    weight: Array


@dataclass(frozen=True)
class _Part:
    """The part of a detector about one tube: its place, and each pixel's mm off the axis."""

    place: tuple[slice, slice]
    away: Array  # squared, mm
    radius: Array  # mm
    share: Array  # 1 between the ends, 0 beyond, times how deep the tube is


def _parts(tubes: _Tubes, pose: Pose, detector: Detector) -> Iterator[_Part]:
    shape, pixel = (detector.rows, detector.columns), detector.pixel_mm
    first, last = (pose.pixels(points, shape, pixel) for points in (tubes.start, tubes.end))
    length = np.linalg.norm(tubes.end - tubes.start, axis=1)
    for k in range(len(length)):
        a, step, scale = first[k, :2], last[k, :2] - first[k, :2], pixel / first[k, 2]
        flat = float(np.hypot(*step))
        reach = max(tubes.first[k], tubes.last[k]) / scale
        low = np.floor(np.minimum(a, a + step) - reach - 1).astype(int)
        high = np.ceil(np.maximum(a, a + step) + reach + 2).astype(int)
        low, high = np.maximum(low, 0), np.minimum(high, shape)
        if np.any(low >= high):
            continue
        y, x = np.ogrid[low[0] : high[0], low[1] : high[1]]
        y, x = y - a[0], x - a[1]
        along = (y * step[0] + x * step[1]) / max(flat**2, 1e-6)
        # Flat ends: where two tubes meet, what is in them is counted once. Those that are shown
        # shorter than a pixel are spread over one, at as much less.
        within = np.clip((0.5 - np.abs(along - 0.5)) * flat + 0.5, 0.0, 1.0)
        if flat < 1.0:
            within *= 4.0 * flat / (1.0 + flat) ** 2
        along = np.clip(along, 0.0, 1.0)
        away = ((y - along * step[0]) ** 2 + (x - along * step[1]) ** 2) * scale**2
        radius = tubes.first[k] + along * (tubes.last[k] - tubes.first[k])
        deeper = min(length[k] / max(flat * scale, 1e-3), RADIOGRAPHY.deepest)
        place = slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))
        yield _Part(place, away, radius, within * deeper * tubes.weight[k])


def _chord(part: _Part, inner: float = 0.0) -> Array:
    """mm of a ray within a tube's circle, or within one that is `inner` mm smaller."""
    square = np.maximum(part.radius - inner, 0.0) ** 2 - part.away
    chord: Array = 2.0 * np.sqrt(np.maximum(square, 0.0))
    return chord


def _contrast(detail: CtDetail, points: Array) -> Array:
    """Share of a vessel's contrast that is left at points (LPS mm): none in airless lung."""
    inverse = np.linalg.inv(detail.grid.affine_lps)
    index = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)[:, ::-1]
    index = np.clip(index, 0, np.array(detail.grid.shape) - 1)
    excess = detail.excess[tuple(index.T)]
    left: Array = np.clip(1.0 - excess / np.float32(RADIOGRAPHY.blood_hu), 0.0, 1.0)
    return left


def trace_vessels(scene: Scene, detector: Detector) -> Array:
    """Vessels of `scene` along each ray to `detector`: mm of blood, (rows, columns)."""
    depth = np.zeros((detector.rows, detector.columns), np.float32)
    branches = scene.detail.branches
    if not branches:
        return depth
    start, end, first, last = (
        np.array([getattr(branch, name) for branch in branches])
        for name in ("start", "end", "first", "last")
    )
    tubes = _Tubes(start, end, first, last, _contrast(scene.detail, (start + end) / 2))
    for part in _parts(tubes, scene.pose, detector):
        depth[part.place] += (_chord(part) * part.share).astype(np.float32)
    return depth


def _rib(anatomy: Anatomy, height: float, side: int) -> Array:
    """Points along a rib from the spine to its cartilage, (n, 3) LPS mm.

    It lies on the same tilted plane and 9 mm outside the same oval as the voxels of the CT's ribs.
    """
    s = anatomy.size
    # The lowest ribs float: they end at the side.
    reach = np.interp(height / s, (-105.0, -70.0), (10.0, -52.0))
    angle = np.deg2rad(np.linspace(85.0, reach, 28))
    power = 2.0 / 2.25
    across = np.abs(np.cos(angle)) ** power
    along = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    y = MIDDLE_Y + anatomy.deep * along
    for _ in range(3):  # height and depth of a tilted ring on a narrowing cage depend on each other
        z = height - anatomy.rib_slope * y
        t = np.clip((z / s + 105.0) / 227.0, 0.0, 0.999)
        profile = (1.0 - t**2.8) ** 0.5
        wide = anatomy.wide * profile * (1.0 - 0.06 * (1.0 - t) ** 2) + 9.0
        y = MIDDLE_Y + 14.0 * t**2 + (anatomy.deep * profile**0.85 + 9.0) * along
    points: Array = np.stack([side * wide * across, y, z], 1)
    return points


def _bones(anatomy: Anatomy) -> _Tubes:
    """Ribs and clavicles as chains of tubes; ribs fade into their cartilage."""
    s, step = anatomy.size, anatomy.rib_step
    levels = (np.arange(-9, 10) - anatomy.rib_phase) * step
    chains = [
        _rib(anatomy, float(level), side)
        for level in levels[(levels > -108.0 * s) & (levels < 112.0 * s)]
        for side in (-1, 1)
    ]
    radii = [np.full(len(chain) - 1, RADIOGRAPHY.rib_mm) for chain in chains]
    for side in (-1.0, 1.0):
        # An S, from the sternum forward and outward, then back.
        t = np.linspace(0.0, 1.0, 15)
        x = side * (16.0 + t * (125.0 - 16.0 * s))
        y = -58.0 * s + t * (58.0 * s - 35.0) - 7.0 * np.sin(2 * np.pi * t)
        chains.append(np.stack([x, y, (96.0 + 28.0 * t + 3.0 * np.sin(2 * np.pi * t)) * s], 1))
        radii.append(np.full(14, RADIOGRAPHY.rib_mm))
    start, end = (
        np.concatenate([chain[part] for chain in chains]) for part in (np.s_[:-1], np.s_[1:])
    )
    radius = np.concatenate(radii)
    # Older bone is thinner, as the anatomy's marrow is.
    weight = np.full(len(start), max(anatomy.bone, 90.0) / 215.0)
    front = np.clip((-start[:, 1] - anatomy.deep * 0.72) / 12.0, 0.0, 1.0)
    weight[: len(weight) - 28] *= 1.0 - 0.9 * front[: len(weight) - 28]
    return _Tubes(start, end, radius, radius, weight)


def trace_bones(scene: Scene, detector: Detector) -> Array:
    """Ribs and clavicles of `scene` along each ray to `detector`: mm of cortex, (rows, columns)."""
    depth = np.zeros((detector.rows, detector.columns), np.float32)
    for part in _parts(_bones(scene.anatomy), scene.pose, detector):
        shell = _chord(part) - _chord(part, RADIOGRAPHY.cortex_mm)
        depth[part.place] += (shell * part.share).astype(np.float32)
    return depth
