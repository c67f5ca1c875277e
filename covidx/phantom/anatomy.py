"""The healthy chest: shapes that differ from patient to patient, and their HU.

Coordinates are LPS mm about the middle of the chest: x to the patient's left, y to the back, z to
the head. HU are unenhanced CT: air -1000, fat -100, muscle 50, blood 40, bone 200-700
(Hounsfield scale; tissue values as in any CT textbook).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from covidx.phantom.effects import EFFECTS
from covidx.phantom.fields import Array, Grid, blend, draw, soft

MIDDLE_Y = 5.0
"""mm, y of the middle of the rib cage."""

BORDER_SHARE = 0.02
"""Share of lung from which a border voxel belongs to a lobe, so that lesions reach the pleura."""


@dataclass(frozen=True)
class Anatomy:
    """One patient's shape. All lengths in mm."""

    sex: str
    size: float  # scale of the skeleton
    wide: float  # cage half-width
    deep: float  # cage half-depth
    fat: float  # subcutaneous fat
    wall: float  # muscle and bone between fat and pleura
    breast: float  # radius, 0 for none
    dome_right: float  # z of the right diaphragm
    dome_left: float
    heart: tuple[float, float, float]  # radii
    heart_x: float
    lung_hu: float
    gravity_hu: float  # HU per 100 mm towards the bed
    rib_step: float
    rib_phase: float
    rib_slope: float
    fissure_z: float
    fissure_slope: float
    aorta: float  # radius
    bone: float  # HU of cancellous bone
    emphysema: float  # 0 for none
    atelectasis: float  # 0 for none
    landmark: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0))


def draw_anatomy(rng: np.random.Generator, sex: str, age: float) -> Anatomy:
    """Draw one patient's shape; all spreads are modelling choices around adult anatomy.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    sex : str
        M or F.
    age : float
        Years.
    """
    size = float(np.clip(rng.normal(1.03 if sex == "M" else 0.94, 0.045), 0.84, 1.15))
    wide = size * draw(rng, 126.0, 142.0)
    deep = size * draw(rng, 84.0, 102.0)
    dome_right = size * draw(rng, -84.0, -58.0)
    habitus = EFFECTS.habitus
    emphysema = rng.random() < habitus.emphysema * (1.5 if age > 55 else 0.5)
    atelectasis = rng.random() < habitus.dependent_atelectasis
    fat, wall = float(rng.gamma(4.0, 3.5) + 5.0), draw(rng, 19.0, 26.0)
    fat = min(fat, 34.0)
    # A sphere of metal in the fat of the upper front LEFT chest wall, like a port's chamber:
    # it tells left from right, front from back and head from feet in any orientation.
    z, x = size * draw(rng, 42.0, 58.0), size * draw(rng, 55.0, 70.0)
    outer = (wide + wall + fat, deep + wall + fat)
    y = MIDDLE_Y - outer[1] * float(np.sqrt(1.0 - (x / outer[0]) ** 2)) + 11.0
    return Anatomy(
        sex=sex,
        size=size,
        wide=wide,
        deep=deep,
        fat=fat,
        wall=wall,
        breast=draw(rng, 28.0, 52.0) if sex == "F" else 0.0,
        dome_right=dome_right,
        dome_left=dome_right - draw(rng, 8.0, 20.0),
        heart=(
            size * draw(rng, 48.0, 60.0),
            size * draw(rng, 42.0, 52.0),
            size * draw(rng, 44.0, 54.0),
        ),
        heart_x=draw(rng, 20.0, 32.0),
        lung_hu=float(np.clip(rng.normal(-865.0, 22.0), -915.0, -800.0)),
        gravity_hu=draw(rng, 20.0, 60.0),
        rib_step=size * draw(rng, 27.0, 31.0),
        rib_phase=draw(rng, 0.0, 1.0),
        rib_slope=draw(rng, 0.35, 0.6),
        fissure_z=size * draw(rng, -22.0, 2.0),
        fissure_slope=draw(rng, 0.75, 1.15),
        aorta=draw(rng, 12.0, 15.0) + (1.5 if age > 60 else 0.0),
        bone=draw(rng, 170.0, 260.0) - 1.2 * max(age - 40.0, 0.0),
        emphysema=draw(rng, 0.4, 1.0) if emphysema else 0.0,
        atelectasis=draw(rng, 0.3, 1.0) if atelectasis else 0.0,
        landmark=(x, y, z),
    )


@dataclass(frozen=True)
class Lungs:
    """Where the lungs are. Arrays are (slices, rows, columns) of a grid.

    Attributes
    ----------
    side : ndarray of uint8
        1 right, 2 left lung by the patient's anatomy, 0 elsewhere.
    lobe : ndarray of uint8
        1-3 right upper, middle, lower; 4-5 left upper, lower; border voxels included.
    share : ndarray of float32
        Share of the voxel that is lung, 0-1.
    cage : ndarray of float32
        mm inside the rib cage's inner surface, negative outside.
    dome : ndarray of float32
        mm above the diaphragm, negative below.
    fissure : ndarray of float32
        mm above the oblique fissure.
    """

    side: Array
    lobe: Array
    share: Array
    cage: Array
    dome: Array
    fissure: Array


def cage_depth(anatomy: Anatomy, grid: Grid) -> Array:
    """Depth in mm inside the rib cage of `anatomy`, an oval that narrows to the apex, on `grid`."""
    top, base = 122.0 * anatomy.size, -105.0 * anatomy.size
    t = np.clip((grid.z - base) / (top - base), 0.0, 1.0)
    profile = np.maximum(1.0 - t**2.8, 1e-4) ** 0.5
    wide = anatomy.wide * profile * (1.0 - 0.06 * (1.0 - t) ** 2)
    deep = anatomy.deep * profile**0.85
    middle = MIDDLE_Y + 14.0 * t**2
    # Radial distance to a superellipse of exponent 2.25: squarer than an ellipse, as a chest is.
    across = np.abs(grid.x) ** np.float32(2.25) * wide ** np.float32(-2.25)
    q = across + (np.abs(grid.y - middle) / deep) ** np.float32(2.25)
    radius = np.sqrt(grid.x**2 + (grid.y - middle) ** 2)
    depth: Array = radius * (np.maximum(q, np.float32(1e-3)) ** np.float32(-1 / 2.25) - 1.0)
    # Above the apex and outside the cage alike: no lung.
    return np.minimum(depth, top - grid.z).astype(np.float32)


def _dome_height(anatomy: Anatomy, grid: Grid) -> Array:
    """mm above the diaphragm: two domes, the right one higher, deep gutters at the back."""
    s = anatomy.size
    left = grid.x > 0
    top = np.where(left, anatomy.dome_left, anatomy.dome_right).astype(np.float32)
    fall_x = (np.abs(grid.x) - 68.0 * s) / (92.0 * s)
    y = grid.y + 12.0
    fall_y = np.where(y > 0, 1.25 * (y / (92.0 * s)) ** 2, 0.45 * (y / (92.0 * s)) ** 2)
    fall = 58.0 * s * (fall_x**2 + fall_y)
    # The gutters level out some 60 mm below the domes.
    height: Array = (grid.z - top + fall / (1.0 + fall / (130.0 * s))) * np.float32(0.8)
    return height.astype(np.float32)


def _mediastinum_gap(anatomy: Anatomy, grid: Grid) -> Array:
    """mm lateral to the mediastinum, heart and spine; negative inside them."""
    s = anatomy.size
    # Narrow behind the sternum, wide at the hila, wide again beside the vertebrae.
    y, z = grid.y / s, grid.z / s
    half = 9.0 + 15.0 * np.exp(-(((y - 8.0) / 26.0) ** 2))
    half = half + 17.0 * np.exp(-(((y - 84.0) / 30.0) ** 2))
    half = half + 10.0 * np.exp(-(((z - 105.0) / 26.0) ** 2)) + 7.0 * np.exp(-((z / 22.0) ** 2))
    gap = np.abs(grid.x) - (half * s).astype(np.float32)
    rx, ry, rz = anatomy.heart
    cx, cy, cz = anatomy.heart_x, -22.0 * s, -52.0 * s
    # The left border slopes to the apex: a second, smaller ellipsoid down, left and forward.
    for scale, dx, dy, dz in ((1.0, 0.0, 0.0, 0.0), (0.72, 22.0, -14.0, -18.0)):
        q = ((grid.x - cx - dx) / (rx * scale)) ** 2 + (
            ((grid.y - cy - dy) / (ry * scale)) ** 2 + ((grid.z - cz - dz) / (rz * scale)) ** 2
        )
        gap = np.minimum(gap, (np.sqrt(q) - 1.0) * np.float32(min(rx, ry, rz) * scale))
    # Descending aorta, left of the spine, and the aortic knob push into the left lung.
    aorta = np.sqrt((grid.x - 24.0 * s) ** 2 + (grid.y - 48.0 * s) ** 2) - anatomy.aorta
    aorta = np.where(grid.z < 38.0 * s, aorta, np.float32(1e3))
    gap = np.minimum(gap, aorta)
    result: Array = gap.astype(np.float32)
    return result


def find_lungs(anatomy: Anatomy, grid: Grid) -> Lungs:
    """Place the two lungs of `anatomy` with their lobes on `grid`."""
    cage = cage_depth(anatomy, grid)
    dome = _dome_height(anatomy, grid)
    depth = np.minimum(np.minimum(cage, dome), _mediastinum_gap(anatomy, grid))
    share = soft(depth, 0.6 * grid.pixel_mm + 1.2)
    inside = share > 0.5
    left = np.broadcast_to(grid.x > 0, grid.shape)
    side = np.where(inside, np.where(left, 2, 1), 0).astype(np.uint8)
    s = anatomy.size
    # The oblique fissure climbs from the front of the base to the back of the upper chest.
    waves = 4.0 * np.sin(grid.x / 21.0)
    fissure = (grid.z - anatomy.fissure_z - anatomy.fissure_slope * (grid.y - 6.0) + waves) * 0.7
    lower = fissure < 0
    middle = (grid.z < anatomy.fissure_z + 8.0 * s) & ~lower
    right = np.where(lower, 3, np.where(middle, 2, 1))
    lobe = np.where(left, np.where(lower, 5, 4), right) * (share > BORDER_SHARE)
    return Lungs(side, lobe.astype(np.uint8), share, cage, dome, fissure.astype(np.float32))


def paint_lungs(
    image: Array, anatomy: Anatomy, grid: Grid, lungs: Lungs, texture: tuple[Array, Array]
) -> None:
    """Fill the lungs with aerated tissue: density falls away from the bed.

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        HU; painted in place.
    anatomy : Anatomy
        The patient's shape.
    grid : Grid
        Where the voxels lie.
    lungs : Lungs
        The lungs on `grid`.
    texture : tuple of ndarray
        Two smooth random fields of unit variance: fine and coarse.
    """
    fine, coarse = texture
    hu = anatomy.lung_hu + anatomy.gravity_hu * (grid.y + 20.0) / 100.0 + 12.0 * fine + 9.0 * coarse
    if anatomy.emphysema:
        upper = np.clip((grid.z + 30.0) / 120.0, 0.0, 1.0)
        holes = np.clip(fine + 0.6 * coarse - 1.6 + 1.2 * upper, 0.0, 1.0)
        hu = hu - holes * np.float32(90.0 * anatomy.emphysema)
    if anatomy.atelectasis:
        # A thin dense band along the bed, in the healthy as in the ill.
        band = np.clip((grid.y - 40.0) / 20.0, 0.0, 1.0) * soft(7.0 + 2.0 * fine - lungs.cage, 6.0)
        hu = hu + band * np.float32(230.0 * anatomy.atelectasis)
    blend(image, lungs.share, hu.astype(np.float32))
    # The fissure itself is under a millimetre: a faint line at most.
    line = np.exp(-((lungs.fissure / 2.2) ** 2)) * (lungs.side > 0)
    image += np.float32(45.0) * line
