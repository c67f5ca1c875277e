"""One time point of a series that has several, on request; what is refused names the option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from covidx.cli import main
from covidx.errors import CovidxError
from covidx.ingest import Identities, ImageReader, ReadImage, Rules, ingest, read_images

from .conftest import chest_values, plane, save

SLICES, TIMES = 3, 4
AFFINE = np.array([[-0.75, 0, 0, 10], [0, -0.5, 0, 20], [0, 0, 5, 100], [0, 0, 0, 1.0]])


def read(folder: Path, **rules: Any) -> tuple[list[ReadImage], ImageReader]:
    reader = read_images(folder, identities=Identities.public(), rules=Rules(**rules))
    return list(reader), reader


def values() -> np.ndarray:
    """Of each time, shape (times, slices, rows, columns), no two slices alike."""
    return chest_values(SLICES * TIMES).reshape(TIMES, SLICES, 12, 10)


def write_times(folder: Path, number: Any, **more: Any) -> None:
    """Time points at equal places; `number` gives (time, slice) its InstanceNumber."""
    for time in range(TIMES):
        for k in range(SLICES):
            changes = {name: change(time, k) for name, change in more.items()}
            ds = plane(
                k, InstanceNumber=number(time, k), SOPInstanceUID=f"1.2.{time}.{k}", **changes
            )
            save(ds, folder / f"{TIMES - time}-{k}", values()[time, k])


def test_a_nifti_series(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    xyzt = (values().astype(np.int16) - 1024).transpose(3, 2, 1, 0)  # (column, row, slice, time)
    nib.save(nib.Nifti1Image(xyzt, AFFINE), source / "a.nii.gz")
    images, reader = read(source)
    assert not images and reader.quarantine["code"].tolist() == ["TIME_SERIES"]
    assert "4 time points; covidx ingest --time-point N" in reader.quarantine["reason"][0]
    ids = set()
    for wanted in (1, 3):
        [image], _ = read(source, time_point=wanted)
        np.testing.assert_array_equal(image.volume.array, values()[wanted - 1] - 1024.0)
        np.testing.assert_array_equal(image.volume.affine, AFFINE)
        assert image.receipt.series == f"Time point {wanted} of 4 of its file."
        ids.add(image.fields["image_id"])
    assert len(ids) == 2
    _, reader = read(source, time_point=5)
    assert reader.quarantine["reason"].tolist() == ["Time point 5 was asked for, and there are 4."]
    nib.save(nib.Nifti1Image(xyzt[..., 0], AFFINE), source / "a.nii.gz")  # one volume is itself
    assert len(read(source, time_point=3)[0]) == 1


def test_a_scale_of_nifti_holds_for_each_time_point(tmp_path: Path) -> None:
    image = nib.Nifti1Image(values().astype(np.int16).transpose(3, 2, 1, 0), AFFINE)
    image.header.set_slope_inter(1, -1024)
    nib.save(image, tmp_path / "a.nii")
    [found], _ = read(tmp_path, time_point=2)
    np.testing.assert_array_equal(found.volume.array, values()[1] - 1024.0)


def test_time_points_that_an_attribute_names(tmp_path: Path) -> None:
    write_times(tmp_path, lambda time, k: 1, TemporalPositionIdentifier=lambda time, k: 10 + time)
    [first], _ = read(tmp_path)
    assert first.receipt.series.startswith("Chosen of 4: series 2, time point 1 of 4")
    [image], reader = read(tmp_path, time_point=3)
    np.testing.assert_array_equal(image.volume.array, values()[2] - 1024.0)
    assert "time point 3 of 4" in image.receipt.series
    assert reader.quarantine["reason"].unique().tolist() == [
        "Another time point of its series was asked for."
    ]
    images, reader = read(tmp_path, time_point=5)
    assert not images and set(reader.quarantine["code"]) == {"TIME_POINT_ABSENT"}


@pytest.mark.parametrize(
    "number",
    [lambda time, k: 1 + time * SLICES + k, lambda time, k: 1 + k * TIMES + time],
    ids=["one time after another", "one place after another"],
)
def test_time_points_that_only_their_numbers_tell_apart(tmp_path: Path, number: Any) -> None:
    """Either way an instance number grows with time at each place."""
    source = tmp_path / "in"
    write_times(source, number)
    save(plane(0, InstanceNumber=number(0, 0), SOPInstanceUID="1.2.0.0"), source / "copy",
         values()[0, 0])  # fmt: skip
    images, reader = read(source)
    assert not images
    assert "; covidx ingest --time-point N reads one of them" in " ".join(
        reader.quarantine["reason"]
    )
    [image], reader = read(source, time_point=2)
    np.testing.assert_array_equal(image.volume.array, values()[1] - 1024.0)
    assert image.volume.spacing_mm == (5, 0.5, 0.75)
    assert "time points are told apart by InstanceNumber alone" in " ".join(image.receipt.notes)
    assert "time point 2 of 4" in image.receipt.series
    result = ingest(source, tmp_path / "out", rules=Rules(time_point=2), workers=1)
    assert (result.files_seen, result.accepted_files, result.set_aside) == (13, 3, 10)
    images, reader = read(source, time_point=5)
    assert not images and set(reader.quarantine["code"]) == {"TIME_POINT_ABSENT"}


def test_numbers_that_say_nothing_are_not_guessed_from(tmp_path: Path) -> None:
    write_times(tmp_path, lambda time, k: k + 1)
    for rules in ({}, {"time_point": 2}):
        images, reader = read(tmp_path, **rules)
        assert not images and "SLICE_DUPLICATE" in set(reader.quarantine["code"])
        assert "--time-point" not in " ".join(reader.quarantine["reason"])


def test_acquisitions_of_other_regions_are_no_time_points(tmp_path: Path) -> None:
    """Chest and abdomen in one series, with a gap between them."""
    for part, start in ((1, 0), (2, 100)):
        for k in range(9):
            ds = plane(k, AcquisitionNumber=part, SOPInstanceUID=f"1.2.{part}.{k}",
                       ImagePositionPatient=[-10, -20, start + (4 + part) * k])  # fmt: skip
            save(ds, tmp_path / f"{part}-{k}", chest_values(9)[k])
    assert len(read(tmp_path, all_series=True)[0]) == 2
    assert len(read(tmp_path, all_series=True, time_point=2)[0]) == 2


def test_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    write_times(source, lambda time, k: 1 + time * SLICES + k)
    argv = ["covidx", "ingest", str(source), "--out", str(tmp_path / "out"), "--time-point", "4"]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "3 accepted + 9 set aside" in capsys.readouterr().out
    with pytest.raises(CovidxError, match="TIME_POINT_INVALID"):
        Rules(time_point=0)
