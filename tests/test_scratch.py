"""Arrays in files: the same values, and not in memory."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from covidx import scratch
from covidx.errors import StoreError
from covidx.phantom import draw_patient, render
from covidx.segmentation import segment_lungs
from covidx.volume import Volume

MIB = 1 << 20


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array lies in a file, however small."""
    monkeypatch.setattr(scratch, "MAX_ARRAY_BYTES", 0)


def in_memory() -> int:
    """Bytes of files that lie in the memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(one for one in lines if one.startswith("RssFile")).split()[1])


@pytest.mark.usefixtures("in_files")
def test_what_is_let_go_leaves_memory_and_comes_back() -> None:
    array = scratch.zeros((64, 1024, 1024), np.uint8)
    assert not array.any()
    array[:] = np.arange(64)[:, None, None]
    before = in_memory()
    scratch.let_go(array[::-1])  # a view, too, knows its file
    assert before - in_memory() > 60 * MIB
    np.testing.assert_array_equal(array[:, 5, 7], np.arange(64))


@pytest.mark.usefixtures("in_files")
def test_a_pass_over_planes_holds_one_at_a_time() -> None:
    array = scratch.zeros((64, 1024, 1024), np.uint8)
    scratch.let_go(array)
    before = in_memory()
    held = [in_memory() - before for plane in scratch.planes(array) if not plane.any()]
    assert len(held) == 64 and max(held) < 4 * MIB


def test_small_arrays_stay_in_memory() -> None:
    array = scratch.zeros((2, 3, 4), np.float32)
    assert array.base is None and array.dtype == np.float32
    scratch.let_go(array)
    assert not array.any()


@pytest.mark.usefixtures("in_files")
def test_a_full_disk_is_said_before_anything_is_written() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        with pytest.raises(StoreError, match="too large for memory") as caught:
            scratch.zeros((2, 1024, 1024), np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "DISK_FULL"


def test_turning_round_needs_no_copy_and_exchanging_axes_does() -> None:
    array = np.arange(24).reshape(2, 3, 4)
    turned = array[::-1, :, ::-1]
    assert scratch.in_order(turned) is turned
    exchanged = array.transpose(2, 0, 1)
    laid = scratch.in_order(exchanged)
    assert laid.flags.c_contiguous and not np.shares_memory(laid, array)
    np.testing.assert_array_equal(laid, exchanged)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_lungs_are_the_same_in_files(
    monkeypatch: pytest.MonkeyPatch, order: tuple[int, int, int]
) -> None:
    scan = render(draw_patient(3, 0))
    array = np.ascontiguousarray(scan.hu.transpose(order))
    affine = scan.affine[:, [*(2 - n for n in reversed(order)), 3]]
    volume = Volume(array, "CT", "hu", "proven", affine)
    expected = segment_lungs(volume)
    monkeypatch.setattr(scratch, "MAX_ARRAY_BYTES", 0)
    np.testing.assert_array_equal(segment_lungs(volume), expected)
    assert np.count_nonzero(expected) > 1000
