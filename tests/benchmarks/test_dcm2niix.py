"""The comparison with dcm2niix: a few series again, and the committed list."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.dcm2niix import Case, Compared, compare
from benchmarks.dcm2niix_report import DOCUMENT, LIST, markdown, results, why
from benchmarks.series import SERIES, write
from covidx.files import read_json

TOOL = shutil.which("dcm2niix")
needs_dcm2niix = pytest.mark.skipif(TOOL is None, reason="dcm2niix is not installed")
LISTED = read_json(LIST)


@needs_dcm2niix
@pytest.mark.parametrize(
    ("name", "volumes"),
    [("double-oblique", 1), ("sagittal-backwards", 1), ("two-echoes", 2), ("negative-slope", 1)],
)
def test_measured_volumes_are_equal(name: str, volumes: int, tmp_path: Path) -> None:
    assert TOOL is not None
    case = Case(name, write(SERIES[name], tmp_path / "series"))
    found = compare(case, TOOL, tmp_path)
    assert (found.equal, found.volumes, found.verdict) == (volumes, volumes, "equal")
    assert max(found.affine_mm) <= 1e-3


@needs_dcm2niix
@pytest.mark.parametrize("name", ["tilt-12", "tilt-minus-20", "tilt-28-backwards"])
def test_the_landmark_of_a_tilted_series_lies_where_it_was_put(name: str, tmp_path: Path) -> None:
    assert TOOL is not None
    case = Case(f"made/{name}", write(SERIES[name], tmp_path / "series"))
    [(ours, _)] = compare(case, TOOL, tmp_path).truth
    assert ours <= 1


def test_every_difference_of_the_list_is_explained() -> None:
    assert len(LISTED["series"]) > 90
    unexplained = [
        row["name"]
        for row in LISTED["series"]
        if row["verdict"] in ("differs", "one alone") and not why(row["name"])
    ]
    assert unexplained == []


def test_the_document_shows_the_list() -> None:
    assert markdown(LISTED) in DOCUMENT.read_text()


def test_figures_count_volumes_and_not_folders() -> None:
    found = [
        Compared("a", equal=3, volumes=3, affine_mm=[0.0, 1e-4, 2e-4]),
        Compared("b", equal=0, volumes=1, affine_mm=[5e-4]),
        Compared("c", apart=[0.4], truth=[(0.2, 3.0)]),
        Compared("d", theirs="none"),
    ]
    measured = results(found)
    assert (measured["dcm2niix_series_equal"].value, measured["dcm2niix_series_equal"].n) == (
        0.75,
        4,
    )
    assert measured["dcm2niix_affine_max_mm"].value == 5e-4
    assert [one.verdict for one in found] == ["equal", "differs", "within a voxel", "one alone"]
