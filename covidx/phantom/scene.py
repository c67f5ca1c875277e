"""A patient placed before a detector: the CT's anatomy and lesions on a grid made for projecting.

What the CT shows of the patient is painted again by the same functions, on voxels that are finer
across the beam and coarser along it. Lesions, which are drawn voxel by voxel, are taken from the
CT's own grid, so that both images show the same foci; so is the vessel tree, which is drawn on the
detector (`tubes`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from covidx.phantom.anatomy import MIDDLE_Y, Anatomy, find_lungs, paint_lungs
from covidx.phantom.beam import RADIOGRAPHY, VIEWS, Detector, View
from covidx.phantom.fields import Array, Grid, blend, draw, ellipsoid, paint, smooth_field, soft
from covidx.phantom.lesions import EFFUSION, paint_lesions
from covidx.phantom.organs import paint_airways, paint_body, paint_landmark
from covidx.phantom.patient import LESION, POSE, SCAN, TEXTURE, VIEW, Patient, stream
from covidx.phantom.projection import Pose
from covidx.phantom.scanners import SCANNERS, plan_grid
from covidx.phantom.vessels import Branch, grow_tree


@dataclass(frozen=True)
class CtDetail:
    """What is drawn on the CT's own grid, voxel by voxel: lesions and vessels.

    Fluid settles elsewhere in a patient who stands; the foci, which are drawn in what it leaves of
    the lung, then lie a little elsewhere too. In all others they are the CT's, voxel for voxel.

    Attributes
    ----------
    grid : Grid
        Of the CT.
    excess : ndarray of float32
        HU that the lesions add.
    lesion : ndarray of uint8
        1 ground glass, 2 consolidation, 3 effusion.
    branches : list of Branch
        The vessel tree (LPS mm).
    """

    grid: Grid
    excess: Array
    lesion: Array
    branches: list[Branch]


@dataclass(frozen=True)
class Scene:
    """A patient ready for exposure; arrays are (planes, rows, columns) of a coronal grid.

    Attributes
    ----------
    anatomy : Anatomy
        The patient's shape.
    pose : Pose
        Where focus and detector stand.
    grid : Grid
        Coronal.
    hu : ndarray of float32
        All but the vessels in the lungs.
    side : ndarray of uint8
        1 right, 2 left lung, fluid included.
    ill, fluid : ndarray of float32, or None
        Share of the voxel that is ill lung, or effusion; None where there is none.
    detail : CtDetail
        What comes from the CT's grid.
    """

    anatomy: Anatomy
    pose: Pose
    grid: Grid
    hu: Array
    side: Array
    ill: Array | None
    fluid: Array | None
    detail: CtDetail


def view_of(patient: Patient) -> View:
    """Draw the projection, PA or AP, of the radiograph of `patient`, whatever the class."""
    rng = stream(patient.seed, patient.index, VIEW)
    return VIEWS["AP" if rng.random() < RADIOGRAPHY.ap_share else "PA"]


def draw_pose(patient: Patient) -> Pose:
    """Place `patient` before the detector, a little off the middle."""
    view, a = view_of(patient), patient.anatomy
    rng = stream(patient.seed, patient.index, POSE)
    # The lungs' middle, from the apex to the gutters below the domes.
    middle = (122.0 * a.size + a.dome_left - 45.0) / 2.0
    off = [draw(rng, -limit, limit) for limit in RADIOGRAPHY.place_mm]
    skin = MIDDLE_Y + view.to_back * (a.deep + a.wall + 0.8 * a.fat)
    detector = skin + view.to_back * view.gap_mm
    return Pose(view, (off[0], middle + off[1]), detector - view.to_back * view.source_mm, detector)


def _coronal_grid(pose: Pose, anatomy: Anatomy, detector: Detector) -> Grid:
    """A coronal grid that fills the beam, and the body's depth."""
    half = anatomy.deep + anatomy.wall + anatomy.fat + max(anatomy.breast - 15.0, 0.0) + 12.0
    sides = np.array([detector.rows, detector.columns]) * detector.pixel_mm / RADIOGRAPHY.voxel_mm
    # Nothing lies so near the detector that it would be shown less than 3 % enlarged.
    rows, columns = (int(n) for n in np.ceil(sides / 1.03))
    planes = int(np.ceil(2.0 * half / RADIOGRAPHY.step_mm))
    return Grid(
        shape=(planes, rows, min(columns, int(470.0 / RADIOGRAPHY.voxel_mm))),
        pixel_mm=RADIOGRAPHY.voxel_mm,
        step_mm=RADIOGRAPHY.step_mm,
        thickness_mm=RADIOGRAPHY.voxel_mm,
        row_sign=1,
        tilt=-np.pi / 2,
        centre=(pose.centre[0], MIDDLE_Y, pose.centre[1]),
    )


def ct_detail(patient: Patient, *, upright: bool) -> CtDetail:
    """Draw lesions and vessels of `patient`, `upright` or lying, on the CT's grid."""
    a, seed, index = patient.anatomy, patient.seed, patient.index
    grid = plan_grid(SCANNERS[patient.scanner], a, stream(seed, index, SCAN))
    rng = stream(seed, index, TEXTURE)
    lungs = find_lungs(a, grid)
    texture = smooth_field(rng, grid, 9.0), smooth_field(rng, grid, 30.0)
    healthy = np.full(grid.shape, -1000.0, np.float32)
    paint_lungs(healthy, a, grid, lungs, texture)
    branches = grow_tree(rng, a, grid, lungs)
    image, own = healthy.copy(), stream(seed, index, LESION)
    lesion = paint_lesions(image, grid, lungs, patient.disease, texture, own, upright=upright)
    return CtDetail(grid, image - healthy, lesion, branches)


def _onto(values: Array, source: Grid, target: Grid) -> Array:
    """Interpolate an array of one grid onto another."""
    index = np.linalg.inv(source.affine_lps) @ target.affine_lps
    # Affines speak of (column, row, slice), arrays of (slice, row, column).
    matrix, offset = index[:3, :3][::-1, ::-1], index[:3, 3][::-1]
    moved: Array = ndimage.affine_transform(
        values.astype(np.float32), matrix, offset, target.shape, order=1, prefilter=False
    )
    return moved


def _shape_shoulders(image: Array, anatomy: Anatomy, grid: Grid) -> None:
    """Cut neck and shoulders out of the block that the CT, which ends below, can do with."""
    s, (neck_wide, neck_deep) = anatomy.size, RADIOGRAPHY.neck_mm
    slope = 60.0 * np.exp(-((grid.x / (95.0 * s)) ** 2))
    slope = slope + 400.0 * np.exp(-((grid.x / (neck_wide * s)) ** 4))
    thick = neck_deep + 1.6 * np.maximum(150.0 * s - grid.z, 0.0)
    outside = soft((grid.z - RADIOGRAPHY.shoulder_mm * s - slope).astype(np.float32), 5.0)
    outside = np.maximum(outside, soft((np.abs(grid.y - 18.0) - thick).astype(np.float32), 5.0))
    blend(image, outside, -1000.0)
    for side in (-1.0, 1.0):  # shoulder muscles about the head of the humerus
        x, bone = side * (anatomy.wide + anatomy.wall + 12.0), anatomy.bone + 140.0
        shapes = (
            ((x - side * 10.0, 6.0, 72.0 * s), (66.0 * s, 58.0 * s, 66.0 * s), 48.0),
            ((x + side * 4.0, 10.0, 92.0 * s), (24.0 * s, 24.0 * s, 26.0 * s), bone),
        )
        for centre, radii, hu in shapes:
            paint(image, ellipsoid(grid, centre, radii), hu)


def _round_knob(image: Array, anatomy: Anatomy, grid: Grid) -> None:
    """Round the top of the descending aorta, whose end the CT's slices hide."""
    s, r = anatomy.size, anatomy.aorta + 1.5
    paint(image, ellipsoid(grid, (24.0 * s, 44.0 * s, 38.0 * s), (r, r, r)), 41.0)


def set_scene(patient: Patient, detector: Detector) -> Scene:
    """Place `patient` before `detector`."""
    pose, a = draw_pose(patient), patient.anatomy
    grid = _coronal_grid(pose, a, detector)
    detail = ct_detail(patient, upright=pose.view.upright)
    lungs = find_lungs(a, grid)
    rng = stream(patient.seed, patient.index, TEXTURE)
    texture = smooth_field(rng, grid, 9.0), smooth_field(rng, grid, 30.0)
    hu = np.full(grid.shape, -1000.0, np.float32)
    paint_body(hu, a, grid, lungs)
    _shape_shoulders(hu, a, grid)
    paint_lungs(hu, a, grid, lungs, texture)
    _round_knob(hu, a, grid)
    paint_airways(hu, a, grid)
    paint_landmark(hu, a, grid)
    ill = fluid = None
    if detail.lesion.any():
        hu += _onto(detail.excess, detail.grid, grid)
        ill = _onto((detail.lesion > 0) & (detail.lesion < EFFUSION), detail.grid, grid)
        if patient.disease.effusion_ml:
            fluid = _onto(detail.lesion == EFFUSION, detail.grid, grid)
    return Scene(a, pose, grid, hu, lungs.side, ill, fluid, detail)
