"""Everything around the lungs: wall, bones, heart, great vessels, upper abdomen, airways."""

from __future__ import annotations

import numpy as np

from covidx.phantom.anatomy import MIDDLE_Y, Anatomy, Lungs
from covidx.phantom.fields import Array, Grid, blend, capsule, ellipsoid, paint, soft

LANDMARK_RADIUS_MM = 6.5
"""mm; with slices 7 mm apart at least one passes through the middle of it."""
LANDMARK_HU = 2600.0


def _oval(grid: Grid, wide: Array | float, deep: Array | float, middle: float) -> Array:
    """mm inside an elliptic cylinder (radial)."""
    q = np.sqrt((grid.x / wide) ** 2 + ((grid.y - middle) / deep) ** 2)
    radius = np.sqrt(grid.x**2 + (grid.y - middle) ** 2)
    depth: Array = (radius * (1.0 / np.maximum(q, 0.02) - 1.0)).astype(np.float32)
    return depth


def _body_depth(anatomy: Anatomy, grid: Grid) -> Array:
    """mm under the skin; shoulders widen it, breasts add to it."""
    s = anatomy.size
    t = np.clip((grid.z - 60.0 * s) / (90.0 * s), 0.0, 1.0)
    wide = anatomy.wide + anatomy.wall + anatomy.fat + 26.0 * t**1.5
    deep = anatomy.deep + anatomy.wall + anatomy.fat * 0.8 - 22.0 * t**1.5
    depth = _oval(grid, wide, deep, MIDDLE_Y)
    if anatomy.breast:
        r = anatomy.breast
        y = MIDDLE_Y - (anatomy.deep + anatomy.wall) * 0.78 + 0.1 * r
        for x in (-75.0 * s, 75.0 * s):
            shape = ((grid.x - x) / 1.25) ** 2 + ((grid.y - y) ** 2 + (grid.z + 5.0) ** 2)
            depth = np.maximum(depth, np.float32(r) - np.sqrt(shape))
    return depth


def _paint_wall(image: Array, anatomy: Anatomy, grid: Grid, lungs: Lungs) -> None:
    """Skin, fat and muscle, then the mediastinum's fat inside the cage."""
    depth = _body_depth(anatomy, grid)
    blend(image, soft(depth, 2.5), -105.0)
    image += soft(2.2 - np.abs(depth - 0.8), 2.0) * np.float32(110.0)
    # Pectoral and shoulder muscles thicken the wall towards the top.
    shoulder = np.clip((grid.z / anatomy.size - 35.0) / 80.0, 0.0, 1.0)
    muscle = soft(anatomy.wall * 0.72 + 38.0 * shoulder + lungs.cage, 4.0) * soft(depth - 4.0, 3.0)
    blend(image, muscle, 52.0)
    inside = soft(lungs.cage - 1.0, 4.0)
    blend(image, inside, -75.0)


def _paint_ribs(image: Array, anatomy: Anatomy, grid: Grid, lungs: Lungs) -> None:
    """Oblique rings in the wall, cortex brighter than marrow, costal cartilage at the front."""
    phase = (grid.z + anatomy.rib_slope * grid.y) / anatomy.rib_step + anatomy.rib_phase
    dz = (phase - np.round(phase)) * np.float32(anatomy.rib_step)
    # Some 4 mm of pleura and muscle lie between lung and rib: blur must not carry bone into lung.
    radial = lungs.cage + 9.0
    distance = np.sqrt(radial**2 + (dz * 0.75) ** 2)
    share = soft(5.0 - distance, 2.5) * (grid.z < 118.0 * anatomy.size)
    cortex = soft(1.6 - np.abs(distance - 4.2), 1.6)
    front = np.clip((-grid.y - anatomy.deep * 0.72) / 12.0, 0.0, 1.0)
    hu = (anatomy.bone + 330.0 * cortex) * (1.0 - front) + 110.0 * front
    blend(image, share, hu.astype(np.float32))


def _paint_spine(image: Array, anatomy: Anatomy, grid: Grid) -> None:
    """Vertebral bodies with discs, arch with canal, spinous process, long back muscles."""
    s = anatomy.size
    y0 = MIDDLE_Y + anatomy.deep - 22.0
    box = grid.box((-62.0, y0 - 30.0, -400.0), (62.0, y0 + 75.0, 400.0))
    if box is None:
        return
    x, y, z = grid.within(box)
    part = image[box]
    for side in (-1.0, 1.0):
        muscle = np.sqrt(((x - side * 27.0) / 22.0) ** 2 + ((y - y0 - 46.0) / 17.0) ** 2)
        blend(part, soft((1.0 - muscle) * 17.0, 3.0), 50.0)
    level = z / (24.0 * s) + 0.31
    disc = soft(3.2 - np.abs(level - np.round(level)) * 24.0 * s, 3.0)
    body = 1.0 - np.sqrt((x / (18.0 * s)) ** 2 + (y - y0) ** 2 / (15.5 * s) ** 2)
    body_mm = body * np.float32(15.5 * s)
    cortex = soft(1.5 - np.abs(body_mm - 1.2), 1.5)
    marrow = anatomy.bone * (1.0 - disc) + 85.0 * disc
    bone = marrow + 220.0 * cortex * (1.0 - 0.6 * disc)
    blend(part, soft(body_mm, 2.5), bone.astype(np.float32))
    ring = np.sqrt(x**2 + (y - y0 - 26.0) ** 2)
    blend(part, soft(4.5 - np.abs(ring - 12.5), 2.5) * (1.0 - 0.4 * disc), anatomy.bone + 220.0)
    blend(part, soft(9.5 - ring, 2.0), 25.0)
    spinous = np.maximum(np.abs(x) - 3.2, np.abs(y - y0 - 48.0) - 12.0)
    blend(part, soft(-spinous, 2.5) * (1.0 - disc), anatomy.bone + 150.0)
    wings = np.maximum(np.abs(y - y0 - 25.0 - np.abs(x) * 0.25) - 4.0, np.abs(x) - 34.0)
    blend(part, soft(-wings, 2.5) * (np.abs(x) > 14.0) * (1.0 - disc), anatomy.bone + 120.0)


def _paint_plates(image: Array, anatomy: Anatomy, grid: Grid) -> None:
    """Scapulae behind, sternum in front, clavicles above."""
    s = anatomy.size
    back = MIDDLE_Y + anatomy.deep + 4.0
    for side in (-1.0, 1.0):
        inner = np.array([side * 62.0 * s, back - 2.0, 0.0])
        outer = np.array([side * (anatomy.wide + 4.0), back - 48.0, 0.0])
        for z in np.arange(-5.0, 110.0, 9.0):
            reach = 1.0 if z > 40.0 else 0.45 + 0.55 * (z + 5.0) / 45.0
            lift = np.array([0.0, 0.0, z * s])
            ends = inner + lift, inner + (outer - inner) * reach + lift
            _tube(image, grid, ends, (3.2, 4.5), anatomy.bone + 260.0)
        near, far = [side * 16.0, -58.0 * s, 96.0 * s], [side * 125.0, -35.0, 124.0 * s]
        ends = np.array(near), np.array(far)
        _tube(image, grid, ends, (6.5, 5.5), anatomy.bone + 240.0)
    front = MIDDLE_Y - anatomy.deep - 7.0
    for x in (-9.0, 0.0, 9.0):
        ends = np.array([x, front + 1.0, -40.0 * s]), np.array([x, front + 22.0, 84.0 * s])
        _tube(image, grid, ends, (5.0, 6.5), anatomy.bone + 40.0)


def _tube(
    image: Array, grid: Grid, ends: tuple[Array, Array], radii: tuple[float, float], hu: float
) -> None:
    paint(image, capsule(grid, ends, radii, 2.5), hu)


def _paint_heart(image: Array, anatomy: Anatomy, grid: Grid) -> None:
    """Heart to the left, aorta with its arch over the left main bronchus, cava, pulmonary trunk."""
    s, (rx, ry, rz) = anatomy.size, anatomy.heart
    centre = (anatomy.heart_x, -22.0 * s, -52.0 * s)
    apex = (centre[0] + 22.0, centre[1] - 14.0, centre[2] - 18.0)
    for shrink, hu in ((0.0, -85.0), (5.0, 42.0)):  # fat of the heart, then its blood
        for c, scale in ((centre, 1.0), (apex, 0.72)):
            radii = (rx * scale - shrink, ry * scale - shrink, rz * scale - shrink)
            paint(image, ellipsoid(grid, c, radii), hu)
    points = np.array(
        [[2, -18, -20], [-10, -26, 12], [-8, -24, 40], [4, -8, 54], [18, 18, 52], [24, 44, 36],
         [24, 48, 0], [22, 50, -80], [12, 52, -170]], float
    )  # fmt: skip
    for a, b in zip(points[:-1] * s, points[1:] * s, strict=True):
        _tube(image, grid, (a, b), (anatomy.aorta + 1.0, anatomy.aorta), 41.0)
    others = (
        ((-24, -12, -30), (-24, -14, 62), 9.0),  # superior vena cava
        ((-24, -14, 62), (-38, -22, 110), 8.0),
        ((-24, -14, 62), (38, -26, 100), 7.0),  # left brachiocephalic vein
        ((10, -22, -10), (16, -6, 16), 13.0),  # pulmonary trunk
        ((16, -6, 14), (42, 12, 8), 10.0),
        ((14, -4, 10), (-38, 6, 0), 10.0),
        ((6, 22, 90), (10, 30, -120), 6.0),  # oesophagus
        ((6, -6, 55), (14, 0, 120), 6.0),  # arteries of the arch
        ((-6, -14, 55), (-16, -6, 120), 6.5),
    )
    for start, end, radius in others:
        ends = np.array(start, float) * s, np.array(end, float) * s
        _tube(image, grid, ends, (radius, radius * 0.9), 40.0)


def _paint_abdomen(image: Array, anatomy: Anatomy, grid: Grid, lungs: Lungs) -> None:
    """Liver right, spleen and stomach with its air bubble left, below the domes."""
    s = anatomy.size
    below = soft(-lungs.dome - 2.0, 3.0) * soft(lungs.cage - 1.0, 3.0)
    highest = max(anatomy.dome_right, anatomy.dome_left) + 12.0
    box = grid.box((-400.0, -400.0, -400.0), (400.0, 400.0, highest))
    if box is None:
        return
    x, y, _ = grid.within(box)
    part, below = image[box], below[box]
    blend(part, below, -95.0)
    front = soft(30.0 * s - x - 0.35 * y, 4.0)
    blend(part, below * front, 56.0)
    spleen = ellipsoid(grid, (92.0 * s, 42.0, anatomy.dome_left - 38.0), (34.0, 46.0, 48.0))
    stomach = (62.0 * s, -22.0, anatomy.dome_left - 36.0)
    for shape, hu in ((spleen, 48.0), (ellipsoid(grid, stomach, (46.0, 44.0, 40.0)), 30.0)):
        if shape is not None:
            box, share = shape
            blend(image[box], share * soft(-lungs.dome[box] - 3.0, 3.0), hu)
    bubble = ellipsoid(grid, stomach, (40.0, 38.0, 34.0))
    if bubble is not None:
        box, share = bubble
        # Air rises to the front of a patient who lies on the back; the fluid makes a level.
        _, y, _ = grid.within(box)
        air = share * soft(-(y - stomach[1]), 3.0) * soft(-lungs.dome[box] - 6.0, 3.0)
        blend(image[box], air, -980.0)
    # Back muscles of the abdominal wall and the spine are painted later, over this.


def paint_body(image: Array, anatomy: Anatomy, grid: Grid, lungs: Lungs) -> None:
    """Paint all that is not lung into an image of air.

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
    """
    _paint_wall(image, anatomy, grid, lungs)
    _paint_abdomen(image, anatomy, grid, lungs)
    _paint_heart(image, anatomy, grid)
    _paint_ribs(image, anatomy, grid, lungs)
    _paint_plates(image, anatomy, grid)
    _paint_spine(image, anatomy, grid)


def paint_airways(image: Array, anatomy: Anatomy, grid: Grid) -> None:
    """Paint trachea, carina and main bronchi: air with a thin wall.

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        HU; painted in place.
    anatomy : Anatomy
        The patient's shape.
    grid : Grid
        Where the voxels lie.
    """
    s = anatomy.size
    wide = 8.5 if anatomy.sex == "M" else 7.5
    carina = np.array([0.0, 10.0, 30.0]) * s
    tubes = (
        (np.array([0.0, -2.0, 150.0]) * s, carina, wide, wide),
        (carina, np.array([-38.0, 16.0, 4.0]) * s, wide * 0.8, wide * 0.6),
        (carina, np.array([46.0, 20.0, 2.0]) * s, wide * 0.7, wide * 0.5),
        (np.array([-38.0, 16.0, 4.0]) * s, np.array([-48.0, 24.0, -28.0]) * s, 4.6, 3.6),
        (np.array([46.0, 20.0, 2.0]) * s, np.array([54.0, 28.0, -28.0]) * s, 4.4, 3.4),
    )
    for start, end, first, last in tubes:
        _tube(image, grid, (start, end), (first + 1.8, last + 1.4), 20.0)
    for start, end, first, last in tubes:
        _tube(image, grid, (start, end), (first, last), -995.0)


def paint_landmark(image: Array, anatomy: Anatomy, grid: Grid) -> None:
    """Paint a metal sphere in the fat of the upper front left chest wall.

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        HU; painted in place.
    anatomy : Anatomy
        The patient's shape.
    grid : Grid
        Where the voxels lie.
    """
    r = LANDMARK_RADIUS_MM
    sphere = ellipsoid(grid, anatomy.landmark, (r, r, max(r, 0.75 * grid.step_mm)))
    paint(image, sphere, LANDMARK_HU)
