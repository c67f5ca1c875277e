"""One series, several volumes: what tells them apart, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from covidx.ingest import Identities, ReadImage, Rules, read_images

from .conftest import chest_values, plane, save

Plane = dict[str, Any]


def write(folder: Path, planes: list[Plane]) -> None:
    """Planes of one series, each given by its height and what sets it apart."""
    values = chest_values(len(planes))
    for index, changes in enumerate(map(dict, planes)):
        z = changes.pop("z")
        ds = plane(index, ImagePositionPatient=[-10, -20, z], **changes)
        save(ds, folder / f"{index * 7 % 97:02d}", values[index])


def read(folder: Path, **rules: Any) -> tuple[list[ReadImage], dict[str, int]]:
    rules = {"all_series": True} | rules
    reader = read_images(folder, identities=Identities.public(), rules=Rules(**rules))
    images = sorted(reader, key=lambda image: image.receipt.series)
    return images, reader.quarantine["code"].value_counts().to_dict()


def scan(count: int, start: float = 0, step: float = 5, **changes: Any) -> list[Plane]:
    return [{"z": start + step * i, **changes} for i in range(count)]


TIME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("acquisition", {"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
    ("acquisition time", {"AcquisitionTime": "101500"}, {"AcquisitionTime": "101530.5"}),
    ("time point", {"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
    ("trigger time", {"TriggerTime": 0}, {"TriggerTime": 40}),
    ("kernel", {"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}),
    ("echo", {"EchoTime": 4.6}, {"EchoTime": 2.3}),
    ("image type", {"ImageType": ["ORIGINAL", "PRIMARY", "M"]},
     {"ImageType": ["ORIGINAL", "PRIMARY", "P"]}),
    ("image type", {"ImageType": ["ORIGINAL", "PRIMARY", "M", "A"]},
     {"ImageType": ["ORIGINAL", "PRIMARY", "M", "B"]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "one", "other"), TIME)
def test_two_at_each_place(
    tmp_path: Path, name: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    write(tmp_path, scan(4, **one) + scan(4, **other))
    images, codes = read(tmp_path)
    assert not codes
    assert [image.volume.array.shape[0] for image in images] == [4, 4]
    order = [0, 1] if name != "echo" else [1, 0]  # 2.3 ms comes first
    for number, (image, which) in enumerate(zip(images, order, strict=True), start=1):
        assert image.receipt.series.startswith(f"Of its series: {name} {number} of 2. ")
        values = chest_values(8)[4 * which : 4 * which + 4].astype(int) - 1024
        np.testing.assert_array_equal(image.volume.array, values)


def test_echoes_of_times(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            {"z": z, "EchoTime": echo, "AcquisitionNumber": time}
            for z in (0, 5, 10)
            for echo in (1, 2)
            for time in (1, 2, 3)
        ],
    )
    images, codes = read(tmp_path)
    assert not codes and [len(image.volume.array) for image in images] == [3] * 6
    assert "echo 2 of 2, acquisition 3 of 3" in images[-1].receipt.series


def test_ten_times_are_in_order(tmp_path: Path) -> None:
    write(tmp_path, [p for i in range(12) for p in scan(2, AcquisitionNumber=i)])
    [image], _ = read(tmp_path, all_series=False)
    assert image.receipt.series == (
        "Chosen of 12: series 2, acquisition 1 of 12 (B30f) before series 2, acquisition 2 of 12"
        " (B30f), since it comes first in its series."
    )


def test_step_and_shoot_is_one_volume(tmp_path: Path) -> None:
    """Each turn has its own acquisition and time."""
    turns = [
        {"z": 5 * i, "AcquisitionNumber": i // 2, "AcquisitionTime": f"1015{i // 2:02d}"}
        for i in range(8)
    ]
    write(tmp_path, turns)
    [image], codes = read(tmp_path)
    assert not codes and len(image.volume.array) == 8
    assert not image.receipt.series.startswith("Of its series")


def times(heights: list[float], acquisition: Callable[[int], int]) -> list[Plane]:
    return [{"z": z, "AcquisitionNumber": acquisition(i)} for i, z in enumerate(heights)]


REFUSED: list[tuple[str, list[Plane]]] = [
    # A turn of two slices is lost: the rest is no two scans.
    ("SLICE_MISSING", times([0, 5, 10, 15, 30, 35, 40, 45], lambda i: i // 4)),
    # A slice of the second turn is lost; two slices would be even by themselves.
    ("SLICE_MISSING", times([0, 5, 10, 20], lambda i: i // 2)),
    ("SPACING_UNEVEN", times([0, 5, 10, 17], lambda i: i // 2)),
    # Two images at one place and nothing to tell which belongs; each slice its own acquisition.
    ("SLICE_DUPLICATE", times([0, 5, 10, 15, 15], lambda i: i)),
    # Of two scans one is even; the other is no volume, and so they explain nothing.
    ("SPACING_UNEVEN", times([0, 5, 10, 15, 20, 2, 7, 13], lambda i: i // 5)),
]


@pytest.mark.parametrize(("code", "planes"), REFUSED)
def test_what_acquisitions_do_not_explain(tmp_path: Path, code: str, planes: list[Plane]) -> None:
    write(tmp_path, planes)
    images, codes = read(tmp_path)
    assert not images
    assert codes.pop(code) + codes.pop("SERIES_INCOMPLETE", 0) == len(planes) and not codes


SEVERAL: list[tuple[str, list[Plane], list[float]]] = [
    (
        "two scans that overlap at the same places",
        scan(6, AcquisitionNumber=1) + scan(6, 20, AcquisitionNumber=2),
        [5, 5],
    ),
    (
        "two scans that overlap between places",
        scan(6, AcquisitionNumber=1) + scan(6, 21.3, AcquisitionNumber=2),
        [5, 5],
    ),
    (
        "two scans apart, with a gap that is no multiple",
        scan(4, AcquisitionNumber=1) + scan(4, 28, AcquisitionNumber=2),
        [5, 5],
    ),
    (
        "two scans of three slices, the fewest that say anything",
        scan(3, AcquisitionNumber=1) + scan(3, 23, AcquisitionNumber=2),
        [5, 5],
    ),
    (
        "thick and thin slices in one run, of which one step divides the other",
        scan(4, SliceThickness=5) + scan(4, 18, 2.5, SliceThickness=2.5),
        [5, 2.5],
    ),
]


@pytest.mark.parametrize(("_", "planes", "steps"), SEVERAL)
def test_several_scans_in_one_series(
    tmp_path: Path, _: str, planes: list[Plane], steps: list[float]
) -> None:
    write(tmp_path, planes)
    images, codes = read(tmp_path)
    assert not codes
    found = sorted(image.volume.spacing_mm[0] for image in images)
    assert found == pytest.approx(sorted(steps))


def test_a_time_series_of_one_slice(tmp_path: Path) -> None:
    """Bolus tracking: the same place again and again, no volume."""
    write(tmp_path, [{"z": 7, "AcquisitionNumber": i} for i in range(3)])
    images, codes = read(tmp_path)
    assert not codes
    assert [image.fields["kind"] for image in images] == ["slice"] * 3


def test_a_plane_without_pixel_spacing_is_of_another_grid(tmp_path: Path) -> None:
    write(tmp_path, [*scan(5), {"z": 25, "PixelSpacing": None}])
    [image], codes = read(tmp_path)
    assert len(image.volume.array) == 5
    assert codes == {"ORIENTATION_MIXED": 1}


def test_grids_of_other_pixel_spacing_are_told_apart_but_for_rounding(tmp_path: Path) -> None:
    spacings = [[0.5, 0.75], [0.5001, 0.7499], [0.6, 0.9]]
    planes = [p for s in spacings for p in scan(4, 20 * spacings.index(s), PixelSpacing=s)]
    write(tmp_path, planes)
    images, codes = read(tmp_path)
    assert not codes
    assert sorted(len(image.volume.array) for image in images) == [4, 8]
    told = {image.receipt.series.partition(". ")[0] for image in images}
    assert told == {"Of its series: grid 1 of 2", "Of its series: grid 2 of 2"}


def test_planes_that_do_not_say_come_first(tmp_path: Path) -> None:
    write(tmp_path, [*scan(4, EchoTime=30), *scan(4)])
    images, codes = read(tmp_path)
    assert not codes
    firsts = [image for image in images if "echo 1 of 2" in image.receipt.series]
    assert [image.volume.array[0, 0, 0] for image in firsts] == [
        int(chest_values(8)[4, 0, 0]) - 1024
    ]


def test_times_within_times(tmp_path: Path) -> None:
    times = [(point, trigger) for point in (1, 2) for trigger in (100, 400)]
    write(
        tmp_path,
        [
            p
            for point, trigger in times
            for p in scan(3, TemporalPositionIdentifier=point, TriggerTime=trigger)
        ],
    )
    images, codes = read(tmp_path)
    assert not codes and [len(image.volume.array) for image in images] == [3] * 4
    assert "time point 2 of 2, trigger time 2 of 2" in images[-1].receipt.series


def test_a_refused_stack_is_quarantined(tmp_path: Path) -> None:
    write(tmp_path, times([0, 5, 10, 17], lambda _: 1))
    reader = read_images(tmp_path, identities=Identities.public())
    assert not list(reader)
    assert set(reader.quarantine["kind"]) == {"quarantined"}


def test_a_plane_beside_a_pair(tmp_path: Path) -> None:
    write(tmp_path, [*scan(2), {"z": 10, "ConvolutionKernel": "B70f"}])
    reader = read_images(tmp_path, identities=Identities.public())
    [image] = list(reader)
    assert len(image.volume.array) == 2
    [row] = reader.quarantine.to_dict("records")
    assert (row["kind"], row["code"]) == ("quarantined", "RECONSTRUCTION_MIXED")
    assert "among 3 of a series" in row["reason"]


def test_planes_without_pixel_spacing_are_of_one_grid(tmp_path: Path) -> None:
    write(tmp_path, scan(5, PixelSpacing=None))
    images, codes = read(tmp_path)
    assert not images and codes == {"SPACING_INVALID": 5}


def test_a_plane_of_another_kernel_is_no_volume(tmp_path: Path) -> None:
    write(tmp_path, [*scan(5), {"z": 25, "ConvolutionKernel": "B70f"}])
    [image], codes = read(tmp_path)
    assert len(image.volume.array) == 5
    assert codes == {"RECONSTRUCTION_MIXED": 1}


def test_sharp_kernel_if_asked_for(tmp_path: Path) -> None:
    write(tmp_path, scan(8, ConvolutionKernel="B30f") + scan(8, ConvolutionKernel="B70f"))
    [image], codes = read(tmp_path, all_series=False, kernel="sharp")
    assert image.fields["kernel"] == "B70f"
    assert "since its kernel is sharper" in image.receipt.series
    assert codes == {"SERIES_NOT_CHOSEN": 8}
    with pytest.raises(ValueError, match="KERNEL_UNKNOWN"):
        Rules(kernel="lung")  # type: ignore[arg-type]


def lungs(folder: Path, uid: str, z: float, step: float, air: bool) -> None:
    """A body of 30 x 30 cm in 12 slices of 3 cm or less, with 10 x 10 cm of air inside or not."""
    for i in range(12):
        values = np.full((70, 70), 24, np.uint16)  # 5 mm pixels, -1000 HU
        values[5:65, 5:65] = 1064 + i
        if air:
            values[20:40, 20:40] = 224
        changes = {"SeriesInstanceUID": uid, "PixelSpacing": [5, 5], "SliceThickness": step}
        changes["ImagePositionPatient"] = [0, 0, z + step * i]
        save(plane(i, **changes), folder / f"{uid}.{i}", values)


def test_the_series_that_shows_lungs_is_chosen(tmp_path: Path) -> None:
    """The abdomen is thinner and longer; 12 slices of 10 mm with 100 cm2 of air are 1,200 ml."""
    lungs(tmp_path, "1.2.8", 0, 10, air=True)
    lungs(tmp_path, "1.2.9", -400, 8, air=False)
    [image], codes = read(tmp_path, all_series=False)
    assert image.fields["series_uid"] == "1.2.8"
    assert image.receipt.series.endswith("since the other shows no lungs.")
    assert codes == {"SERIES_NOT_CHOSEN": 12}


def test_without_lungs_the_rest_of_the_rule_decides(tmp_path: Path) -> None:
    lungs(tmp_path, "1.2.8", 0, 10, air=False)
    lungs(tmp_path, "1.2.9", -400, 8.5, air=False)
    [image], _ = read(tmp_path, all_series=False)
    assert image.fields["series_uid"] == "1.2.9"
    assert image.receipt.series.endswith("since its slices are thinner.")
