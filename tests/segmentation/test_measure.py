"""The opacity burden worked out by hand on lungs of a few voxels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidInputError
from covidx.segmentation import Masks, OpacityBurden, measure_burden
from covidx.volume import Volume

SHAPE = (12, 10, 16)  # (slices, rows, columns)
# Voxels of 10 x 10 x 10 mm: 1 ml. Columns run to the left, rows to the back, slices to the head.
AFFINE = np.diag([-10.0, -10.0, 10.0, 1.0])


def volume(array: NDArray[np.generic], units: str = "unproven", modality: str = "OT") -> Volume:
    return Volume(array, modality, units, "proven", AFFINE)  # type: ignore[arg-type]


def lungs() -> NDArray[np.uint8]:
    """Right: 6 slices, 6 rows, 5 columns (180 ml); left: 6, 6, 4 (144 ml)."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:9, 2:8, 1:6] = 1
    mask[3:9, 2:8, 9:13] = 2
    return mask


def ct(hu: float = -600.0) -> Volume:
    return volume(np.full(SHAPE, hu, np.float32), "hu", "CT")


def measured(opacities: NDArray[np.generic], **others: object) -> OpacityBurden:
    result = {name: value for name, value in others.items() if name != "ct"}
    image = others.get("ct", ct())
    assert isinstance(image, Volume)
    masks = Masks(volume(lungs()), volume(opacities), **result)  # type: ignore[arg-type]
    return measure_burden(image, masks)


def nothing() -> NDArray[np.uint8]:
    return np.zeros(SHAPE, np.uint8)


def test_volumes_and_shares_of_each_lung_and_third() -> None:
    opacities = nothing()
    opacities[3:5, 2:5, 1:4] = 1  # 18 ml at the base of the right lung
    opacities[8, 7, 9:14] = 1  # 4 ml at the top of the left one, 1 ml beside it
    result = measured(opacities)
    parts = {part.name: part for part in result.parts}
    assert [parts[name].lung_ml for name in ("both lungs", "right lung", "left lung")] == [
        pytest.approx(324), pytest.approx(180), pytest.approx(144),
    ]  # fmt: skip
    assert parts["both lungs"].opacity_ml == pytest.approx(22)
    assert parts["right lung"].share == pytest.approx(10.0)
    assert parts["left lung"].share == pytest.approx(100 * 4 / 144)
    assert parts["right lung, lower third"].lung_ml == pytest.approx(60)
    assert parts["right lung, lower third"].share == pytest.approx(30.0)
    assert parts["right lung, middle third"].opacity_ml == 0
    assert parts["left lung, upper third"].share == pytest.approx(100 * 4 / 48)
    assert len(result.parts) == 9
    assert result.outside_ml == pytest.approx(1.0)  # of 23
    assert result.flags == ()
    opacities = opacities.copy()
    opacities[8, 7, 14] = 1
    record = "8% of the opacities lie outside of the lungs and are not counted"  # 2 of 24
    assert measured(opacities).flags == (record,)


def test_ground_glass_and_consolidation_by_hu() -> None:
    hu = np.full(SHAPE, -850.0, np.float32)
    hu[3, 2, 1:5] = (-600, -301, -300, 20)
    opacities = nothing()
    opacities[3, 2, 1:5] = 1
    full = measured(opacities, ct=volume(hu, "hu", "CT")).parts[0]
    assert full.ground_glass_ml == pytest.approx(2)
    assert full.consolidation_ml == pytest.approx(2)


def test_ground_glass_and_consolidation_by_class_without_fluid() -> None:
    opacities = nothing()
    opacities[3, 2, 1:6] = (1, 2, 2, 2, 3)
    result = measured(opacities, classes=True)
    full = result.parts[0]
    assert full.ground_glass_ml == pytest.approx(1)
    assert full.consolidation_ml == pytest.approx(3)
    assert full.opacity_ml == result.corona_cm3 == pytest.approx(4)
    assert result.split_by == "classes"


def test_the_score_by_thirds_and_halves() -> None:
    opacities = nothing()
    opacities[3:5, 2:8, 1:6] = 1  # all of the right lower third: 5
    opacities[5, 2:8, 1:6] = 1  # half of the middle third: 4
    opacities[8, 7, 1] = 1  # 1 of 60 in the upper third: 1
    opacities[3, 2:8, 9:12] = 1  # 18 of 72 in the left lower half, 25 %: 2
    result = measured(opacities)
    assert {zone.name: zone.points for zone in result.zones} == {
        "right lung, lower third": 5,
        "right lung, middle third": 4,
        "right lung, upper third": 1,
        "left lung, lower half": 2,
        "left lung, upper half": 0,
    }
    assert result.score == 12


def test_the_score_by_lobes() -> None:
    lobes = nothing()
    lobes[7:9, :, :8], lobes[5:7, :, :8], lobes[3:5, :, :8] = 1, 2, 3
    lobes[6:9, :, 8:], lobes[3:6, :, 8:] = 4, 5
    opacities = nothing()
    opacities[3:6, 2:8, 9:13] = 1
    result = measured(opacities, lobes=volume(lobes))
    assert result.zones_are == "lobes"
    assert [zone.points for zone in result.zones] == [0, 0, 0, 0, 5]
    assert [part.lung_ml for part in result.parts[3:]] == pytest.approx([60, 60, 60, 72, 72])


def test_the_corona_score_weighs_by_probability() -> None:
    opacities, probability = nothing(), np.zeros(SHAPE, np.float32)
    opacities[3, 2, 1:5] = 1
    probability[3, 2, 1:7] = (0.5, 0.25, 1.0, 0.25, 1.0, 1.0)  # two of them not called opaque
    result = measured(opacities, probability=volume(probability))
    assert result.corona_cm3 == pytest.approx(2.0)
    assert result.corona_weights == "probability"
    assert measured(opacities).corona_cm3 == pytest.approx(4.0)
    assert measured(opacities).corona_weights == "1"


def test_where_the_opacities_lie() -> None:
    opacities = nothing()
    opacities[3:5, 5:8, 1:6] = 1  # 30 ml: the rear half of the right lower third
    opacities[5, 2, 1:6] = 1  # 5 ml in front, in the middle third
    result = measured(opacities)
    assert result.lower.opacity_share == pytest.approx(100 * 30 / 35)
    assert result.lower.lung_share == pytest.approx(100 / 3)
    assert result.lower.index == pytest.approx(3 * 30 / 35)
    assert result.posterior.opacity_share == pytest.approx(100 * 30 / 35)
    assert result.posterior.lung_share == pytest.approx(50.0)


def test_the_periphery_is_what_lies_nearest_to_the_surface() -> None:
    # All voxels at the surface of these small lungs are equally near: of 180 in the right lung
    # 4 x 4 x 3 = 48 lie deeper, of 144 in the left one 4 x 4 x 2 = 32.
    opacities = nothing()
    opacities[5, 4, 1:6] = 1  # from side to side: two at the surface, three deeper
    result = measured(opacities)
    assert result.peripheral.lung_share == pytest.approx(100 * (324 - 80) / 324)
    assert result.peripheral.opacity_share == pytest.approx(40.0)


def test_the_lower_third_goes_by_height_in_a_sagittal_stack() -> None:
    turn = (2, 0, 1)  # (columns, slices, rows) become (slices, rows, columns)
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = -10.0, 10.0, -10.0, 1.0
    opacities = nothing()
    opacities[3:5, 5:8, 1:6] = 1

    def turned(one: Volume) -> Volume:
        return replace(one, array=one.array.transpose(turn).copy(), affine=affine)

    masks = Masks(turned(volume(lungs())), turned(volume(opacities)))
    sagittal = measure_burden(turned(ct()), masks)
    assert sagittal == measured(opacities)
    # A mask need not be stored in the order of the volume.
    assert measure_burden(ct(), masks) == sagittal


def test_no_opacities_no_index() -> None:
    result = measured(nothing())
    assert result.score == 0 and result.corona_cm3 == 0
    record = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert record["lower"]["index"] == {"value": None, "unit": "1"}
    assert record["lower"]["lung_share"] == {"value": 33.333, "unit": "%"}
    assert record["notice"] == RESEARCH_NOTICE


def test_every_number_of_the_json_has_its_unit() -> None:
    opacities = nothing()
    opacities[3, 2, 1:5] = 1
    record = measured(opacities).to_json()

    def check(value: object, unit: bool = False) -> int:
        if isinstance(value, dict):
            has = "unit" in value
            return sum(check(item, has and name == "value") for name, item in value.items())
        if isinstance(value, list):
            return sum(check(item) for item in value)
        if isinstance(value, int | float):
            assert unit
            return 1
        return 0

    assert check(record) == 9 * 5 + 1 + 5 * 2 + 1 + 9 + 1
    assert record["corona_score"] == {"value": 4.0, "unit": "cm3", "weights": "1"}
    assert record["ct_severity_score"]["unit"] == "points of 25"


def test_cut_and_missing_lungs_are_flagged() -> None:
    cut = nothing()
    cut[0:5, 2:8, 1:6] = 1
    result = measure_burden(ct(), Masks(volume(cut), volume(nothing())))
    assert result.flags[0] == "no left lung in the mask"
    assert result.flags[1].startswith("the lungs are cut at their base")
    assert result.zones[-1].points == 0
    assert result.to_json()["parts"][2]["share"] == {"value": None, "unit": "%"}


ELSEWHERE = Volume(lungs(), "OT", "unproven", "proven", AFFINE + np.diag([0.5, 0, 0, 0]))
UNPLACED = Volume(lungs(), "OT", "unproven", "spacing_only", AFFINE)
MASKS = [
    ("MASK_SHAPE", {"lungs": volume(lungs()[:11].copy())}),
    ("MASK_ELSEWHERE", {"lungs": ELSEWHERE}),
    ("MASK_UNPLACED", {"opacities": UNPLACED}),
    ("MASK_VALUES", {"lungs": volume(lungs() * 2)}),
    ("MASK_VALUES", {"opacities": volume(lungs())}),
    ("MASK_VALUES", {"opacities": volume(lungs() * 0.5)}),
    ("MASK_VALUES", {"lobes": volume(lungs() * 3)}),
    ("LUNGS_EMPTY", {"lungs": volume(nothing())}),
    ("PROBABILITY_RANGE", {"probability": volume(lungs())}),
]


@pytest.mark.parametrize(("code", "change"), MASKS, ids=[f"{c}-{next(iter(m))}" for c, m in MASKS])
def test_masks_that_do_not_fit_are_refused(code: str, change: dict[str, Volume]) -> None:
    masks = replace(Masks(volume(lungs()), volume(nothing())), **change)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError) as caught:
        measure_burden(ct(), masks)
    assert caught.value.code == code
