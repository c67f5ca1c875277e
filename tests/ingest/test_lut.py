"""Lookup tables, with answers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from covidx.ingest.dicom.lut import looked_up, table_of


def item(descriptor: list[int], data: Any, vr: str = "US") -> Dataset:
    ds = Dataset()
    ds.add_new("LUTDescriptor", "SS" if min(descriptor) < 0 else "US", descriptor)
    ds.add_new("LUTData", vr, data)
    return ds


def test_values_beside_the_table_get_its_ends() -> None:
    """First value mapped -2: -3 is below it, 1 is the last entry."""
    lut = item([4, -2, 16], [7, 8, 9, 10])
    values = np.array([-3, -2, 0, 1, 2, -32768, 32767], dtype=np.int16)
    assert looked_up(values, lut, little=True).tolist() == [7, 7, 9, 10, 10, 7, 10]


def test_what_lies_between_is_rounded() -> None:
    lut = item([3, 0, 16], [10, 20, 30])
    assert looked_up(np.array([0.4, 0.6, 1.9]), lut, little=True).tolist() == [10, 20, 30]


def test_no_entries_stand_for_65536() -> None:
    lut = item([0, 0, 16], np.arange(1 << 16, dtype="<u2").tobytes(), "OW")
    assert looked_up(np.array([0, 40000, 65535], np.uint16), lut, little=True).tolist() == [
        0,
        40000,
        65535,
    ]


def test_the_first_value_has_the_sign_of_what_is_looked_up() -> None:
    """63488 is -2048 as 16 bits, which is what implicit VR makes of it (PS3.3 C.11.2.1.1)."""
    lut = item([3, 63488, 16], [7, 8, 9])
    values = np.array([-2048, -2047, 0])
    assert looked_up(values, lut, little=True, signed=True).tolist() == [7, 8, 9]
    assert looked_up(values + 65536, lut, little=True).tolist() == [7, 8, 9]


@pytest.mark.parametrize("little", [True, False])
def test_words_in_both_orders(little: bool) -> None:
    words = np.array([1, 258], dtype="<u2" if little else ">u2").tobytes()
    table, first, bits = table_of(item([2, 5, 12], words, "OW"), little)
    assert (table.tolist(), first, bits) == ([1, 258], 5, 12)


def test_entries_of_8_bits_share_words_or_do_not() -> None:
    packed, spread = bytes([1, 2, 3, 0]), bytes([1, 0, 2, 0, 3, 0])
    for data in (packed, spread):
        assert table_of(item([3, 0, 8], data, "OW"), little=True)[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("data", "vr"), [([1, 2], "US"), (bytes([1, 0, 2, 0]), "OW")])
def test_a_table_that_is_too_short(data: Any, vr: str) -> None:
    with pytest.raises(ValueError, match="as many entries"):
        table_of(item([9, 0, 16], data, vr), little=True)
