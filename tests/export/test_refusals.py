"""Bad input to the export: a code of its own each, and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.series import SERIES, write
from covidx.errors import CovidxError
from covidx.export import (
    Algorithm,
    Measure,
    SourceSeries,
    binary_segmentation,
    fractional_segmentation,
    measurement_report,
    parametric_map,
    read_mask,
    read_segmentation,
    read_source,
)
from covidx.ingest import Rules, ingest
from tests.ingest.conftest import write_series

NETWORK = Algorithm("made-up network", "0.1")
SHAPE = (14, 40, 36)


@pytest.fixture
def source(tmp_path: Path) -> SourceSeries:
    return read_source(write(SERIES["axial"], tmp_path / "series"), "original")


def of(value: float, dtype: Any = np.uint8) -> Any:
    mask = np.zeros(SHAPE, dtype)
    mask[1, 2, 3] = value
    return mask


MASKS: list[tuple[str, Callable[[SourceSeries], Any]]] = [
    ("SEGMENTS_UNNAMED", lambda s: binary_segmentation(of(2), {1: "lung"}, s, NETWORK)),
    ("MASK_VALUES", lambda s: binary_segmentation(of(0.5, float), {1: "lung"}, s, NETWORK)),
    ("MASK_VALUES", lambda s: binary_segmentation(of(1), {}, s, NETWORK)),
    ("MASK_GRID", lambda s: binary_segmentation(of(1)[1:], {1: "lung"}, s, NETWORK)),
    ("SEGMENT_TWICE", lambda s: binary_segmentation(of(1), {1: "lung", 2: "lung"}, s, NETWORK)),
    ("FINDING_UNKNOWN", lambda s: binary_segmentation(of(1), {1: "covid"}, s, NETWORK)),
    ("FINDING_UNKNOWN", lambda s: parametric_map(of(1), "covid", s, NETWORK)),
    ("MASK_VALUES", lambda s: fractional_segmentation(of(1.01, float), "lung", s, NETWORK)),
    ("MASK_VALUES", lambda s: fractional_segmentation(of(-0.01, float), "lung", s, NETWORK)),
    ("MASK_VALUES", lambda s: parametric_map(of(np.nan, float), "lung", s, NETWORK)),
    ("MEASURE_SEGMENT", lambda s: measurement_report(
        binary_segmentation(of(1), {1: "lung"}, s, NETWORK), [Measure("volume", 1, "opacity")])),
]  # fmt: skip


@pytest.mark.parametrize(("code", "call"), MASKS)
def test_masks_and_values(
    code: str, call: Callable[[SourceSeries], Any], source: SourceSeries
) -> None:
    with pytest.raises(CovidxError) as caught:
        call(source)
    assert caught.value.code == code
    assert caught.value.expected


PARTS: list[tuple[str, Callable[[], Any]]] = [
    ("MEASURE_UNKNOWN", lambda: Measure("severity", 1)),
    ("MEASURE_VALUE", lambda: Measure("volume", float("nan"))),
    ("MEASURE_UNIT", lambda: Measure("volume", 1, unit="cm3")),
    ("ALGORITHM_INVALID", lambda: Algorithm("", "1")),
    ("ALGORITHM_INVALID", lambda: Algorithm("a\\b", "1")),
    ("ALGORITHM_INVALID", lambda: Algorithm("x" * 65, "1")),
    ("ALGORITHM_INVALID", lambda: Algorithm("x", "1", "magic")),  # type: ignore[arg-type]
    ("MODE_UNKNOWN", lambda: read_source(Path(), "both")),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("code", "call"), PARTS)
def test_parts(code: str, call: Callable[[], Any]) -> None:
    with pytest.raises(CovidxError) as caught:
        call()
    assert caught.value.code == code


def test_a_measure_s_own_code_needs_a_unit() -> None:
    from pydicom.sr.coding import Code

    with pytest.raises(CovidxError) as caught:
        Measure("mean HU", 1, code=Code("112031", "DCM", "Attenuation Coefficient"))
    assert caught.value.code == "MEASURE_UNIT"


def refused(series: Path) -> str:
    with pytest.raises(CovidxError) as caught:
        read_source(series, "original")
    return caught.value.code


def test_series(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere") == "SOURCE_MISSING"
    two = tmp_path / "two"
    write_series(two / "a", StudyInstanceUID="1.2.3.1", SeriesInstanceUID="1.2.3.11")
    write_series(two / "b", StudyInstanceUID="1.2.3.2", SeriesInstanceUID="1.2.3.22")
    assert refused(two) == "SERIES_SEVERAL"
    assert refused(two / "a") == "FRAME_OF_REFERENCE_ABSENT"  # the fixture has none
    gap = write(SERIES["missing-slice"], tmp_path / "gap")
    assert refused(gap) == "SLICE_MISSING"
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("hello")
    assert refused(tmp_path / "text") == "NOT_AN_IMAGE"


def test_a_series_without_uids(tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    write_series(folder, SeriesInstanceUID=None, SOPInstanceUID=lambda i: f"1.2.9.{i + 1}")
    assert refused(folder) == "UIDS_ABSENT"


def test_a_store_of_interpolated_slices(tmp_path: Path) -> None:
    gap = write(SERIES["missing-slice"], tmp_path / "gap")
    ingest(gap, tmp_path / "store", rules=Rules(resample=True), workers=1)
    (receipt,) = (tmp_path / "store" / "receipts").iterdir()
    assert refused(receipt) == "SERIES_UNEVEN"


def test_files_of_another_kind(tmp_path: Path) -> None:
    other = tmp_path / "receipt.json"
    other.write_text('{"source_format": "nifti"}')
    assert refused(other) == "RECEIPT_INVALID"
    for call, code in ((read_segmentation, "NOT_A_SEGMENTATION"), (read_mask, "NIFTI_UNREADABLE")):
        with pytest.raises(CovidxError) as caught:
            call(other)
        assert caught.value.code == code
    with pytest.raises(CovidxError) as caught:
        read_mask(tmp_path / "none.nii.gz")
    assert caught.value.code == "MASK_MISSING"
    image = next(iter(write(SERIES["axial"], tmp_path / "ct").iterdir()))
    with pytest.raises(CovidxError) as caught:
        read_segmentation(image)
    assert caught.value.code == "NOT_A_SEGMENTATION"
