"""The radiograph shows the CT's patient: sides, sizes, lesions, fluid and physics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from covidx.phantom import RADIOGRAPHY, VIEWS, Patient, draw_patient, render, render_radiograph
from covidx.phantom.beam import DETECTORS
from covidx.phantom.exposure import attenuation
from covidx.phantom.fields import Grid
from covidx.phantom.projection import Pose, project
from covidx.phantom.radiograph import marker_of
from covidx.phantom.scene import ct_detail, draw_pose, set_scene, view_of


@pytest.fixture(scope="module")
def many() -> list[Patient]:
    return [draw_patient(2, i) for i in range(300)]


def _first(many: list[Patient], view: str, **traits: object) -> Patient:
    return next(
        p
        for p in many
        if view_of(p).name == view and all(getattr(p.disease, k) == v for k, v in traits.items())
    )


def test_water_attenuates_by_beer_lambert() -> None:
    """A block of 100 mm of water, 10 mm of it bone-like: hand-worked line integrals."""
    view = VIEWS["PA"]
    grid = Grid((25, 40, 40), 4.0, 4.0, 4.0, 1, -np.pi / 2, (0.0, 0.0, 0.0))
    pose = Pose(view, (0.0, 0.0), 1700.0, -100.0)
    water = attenuation(np.zeros(grid.shape, np.float32), view)
    depth = project(water, grid, pose, (31, 31), 1.0)
    assert depth[15, 15] == pytest.approx(100.0 * 0.02059, rel=1e-4)
    air = attenuation(np.full(grid.shape, -1000.0, np.float32), view)
    assert project(air, grid, pose, (31, 31), 1.0).max() == 0.0
    bone = attenuation(np.array([1100.0], np.float32), view)[0]
    assert bone == pytest.approx(0.02059 * (1.0 + 1.1 + 1.0 * 0.2), rel=1e-4)


@pytest.mark.parametrize("name", ["PA", "AP"])
def test_a_point_lies_where_the_projection_shows_it(name: str) -> None:
    view = VIEWS[name]
    grid = Grid((40, 60, 60), 4.0, 4.0, 4.0, 1, -np.pi / 2, (5.0, 0.0, -3.0))
    front = -float(view.to_back)
    pose = Pose(view, (5.0, -3.0), front * (view.source_mm - 120.0), -front * 120.0)
    for point in ((60.0, -50.0, 70.0), (-70.0, 40.0, -60.0)):
        square = (grid.x - point[0]) ** 2 + (grid.y - point[1]) ** 2 + (grid.z - point[2]) ** 2
        shown = project(np.exp(-square / 50.0).astype(np.float32), grid, pose, (200, 220), 2.0)
        row, column = np.unravel_index(int(shown.argmax()), shown.shape)
        expected = pose.pixels(np.array([point]), (200, 220), 2.0)[0]
        np.testing.assert_allclose((row, column), expected[:2], atol=1.0)


def test_the_patients_right_is_at_the_viewers_left_and_the_head_is_up(many: list[Patient]) -> None:
    for patient in (_first(many, "PA"), _first(many, "AP")):
        image = render_radiograph(patient)
        columns = [np.nonzero(image.lung == side)[1].mean() for side in (1, 2)]
        assert columns[0] < columns[1]
        # The metal sphere is a white spot, whatever the photometric, where the truth says.
        row, column = (round(place) for place in image.landmark)
        near = image.greys[row - 16 : row + 17, column - 16 : column + 17]
        spot = ndimage.gaussian_filter(near, 4.0) - ndimage.gaussian_filter(near, 12.0)
        result = np.unravel_index(int(spot.argmax()), spot.shape)
        np.testing.assert_allclose(result, (16, 16), atol=2)
        assert near[14:19, 14:19].mean() > np.median(near) + 15
        assert column > image.greys.shape[1] / 2 and row < np.nonzero(image.lung)[0].mean()


def test_lungs_are_dark_heart_and_abdomen_bright(many: list[Patient]) -> None:
    for key in DETECTORS:
        patient = next(p for p in many if p.scanner == key and p.normal_ct)
        image = render_radiograph(patient)
        rows, columns = image.greys.shape
        dark = np.median(image.greys[image.lung == 1])
        below = image.greys[-rows // 8 :, columns // 2 - 40 : columns // 2 + 40]
        assert dark < 110 < 180 < np.median(below)
        assert image.greys.min() == 0.0 and image.greys.max() == 255.0
        assert 0.2 < np.mean(image.lung > 0) < 0.5


def test_the_heart_is_larger_on_ap(many: list[Patient]) -> None:
    """By geometry alone: the heart lies in front, far from a detector behind the back."""
    heart = -22.0
    sizes: dict[str, list[float]] = {"PA": [], "AP": []}
    for patient in many[:60]:
        sizes[view_of(patient).name].append(draw_pose(patient).enlargement(heart))
    assert max(sizes["PA"]) < 1.12 < 1.16 < min(sizes["AP"])


def test_lesions_are_those_of_the_ct(many: list[Patient]) -> None:
    for patient in (_first(many, "AP", pattern="covid"), _first(many, "PA", pattern="lobar")):
        scan = render(patient)
        detail = ct_detail(patient, upright=view_of(patient).upright)
        if not patient.disease.effusion_ml:
            np.testing.assert_array_equal(detail.lesion, scan.lesion)
        scene = set_scene(patient, DETECTORS[patient.scanner])
        assert scene.ill is not None
        theirs = np.count_nonzero((scan.lesion == 1) | (scan.lesion == 2)) * scan.grid.voxel_ml
        ours = float(scene.ill.sum()) * scene.grid.voxel_ml
        assert ours == pytest.approx(theirs, rel=0.05)
        image = render_radiograph(patient)
        ill = np.mean(image.lesion == 1) / np.mean(image.lung > 0)
        assert 0.02 < ill < 0.9 and image.lesion_mm > RADIOGRAPHY.lesion_mm


def test_a_healthy_radiograph_has_no_lesion(many: list[Patient]) -> None:
    image = render_radiograph(next(p for p in many if p.normal_ct))
    assert not image.lesion.any() and image.lesion_mm == 0.0


def test_ill_lung_is_whiter_than_the_same_lung_healthy(many: list[Patient]) -> None:
    patient = _first(many, "PA", pattern="lobar")
    image = render_radiograph(patient)
    healthy = render_radiograph(replace(patient, disease=replace(patient.disease, pattern="")))
    lesion = image.lesion == 1
    stored, before = (np.where(x.detector.inverted, -1.0, 1.0) * x.stored for x in (image, healthy))
    assert np.mean(stored[lesion] - before[lesion]) > 0


def test_fluid_lies_low_in_who_stands_and_at_the_back_in_who_lies(many: list[Patient]) -> None:
    patient = next(p for p in many if p.disease.effusion_ml > 150)
    grid = ct_detail(patient, upright=True).grid
    z, y = (np.broadcast_to(v, grid.shape) for v in (grid.z, grid.y))
    upright, lying = (ct_detail(patient, upright=u).lesion == 3 for u in (True, False))
    assert z[upright].mean() < z[lying].mean() - 10
    assert y[lying].mean() > y[upright].mean()
    assert np.count_nonzero(upright) == pytest.approx(np.count_nonzero(lying), rel=0.25)


def test_view_marker_and_detector_do_not_tell_the_class(many: list[Patient]) -> None:
    for trait in (lambda p: view_of(p).name, lambda p: p.scanner, lambda p: marker_of(p)[0]):
        values, classes = [trait(p) for p in many], [p.label for p in many]
        table = [
            [
                sum(v == a and c == b for v, c in zip(values, classes, strict=True))
                for a in set(values)
            ]
            for b in sorted(set(classes))
        ]
        assert stats.chi2_contingency(table).pvalue > 0.001


def test_the_marker_stands_on_its_side(many: list[Patient]) -> None:
    for letter in ("R", "L"):
        image = render_radiograph(next(p for p in many if marker_of(p)[0] == letter))
        assert image.marker == letter
        columns = image.stored.shape[1]
        corner = image.greys[: image.stored.shape[0] // 5]
        part = corner[:, : columns // 5] if image.marker == "R" else corner[:, -columns // 5 :]
        assert part.max() > 130
