"""The table of the radiographs is frozen, and says nothing of the class."""

import dataclasses

import numpy as np
import pytest

from covidx.phantom import CLASSES, DETECTORS, RADIOGRAPHY, SCANNERS, VIEWS, beam_digest

PINNED = "9d1bc235fce17522c6918b3a657d37bf073fbb8d3b4e6f6afdf7c4cb794f6e55"

WATER = {50: 0.2269, 60: 0.2059, 80: 0.1837}
"""cm2/g at keV: NIST, X-Ray Mass Attenuation Coefficients, water, liquid (density 1 g/cm3)."""

BONE = {50: 0.4242, 60: 0.3148, 80: 0.2229}
"""cm2/g at keV: the same, cortical bone of ICRU-44 (density 1.92 g/cm3)."""


def test_changing_a_number_needs_a_reason_in_the_changelog() -> None:
    assert beam_digest() == PINNED


def test_no_number_belongs_to_a_class() -> None:
    words = str([dataclasses.asdict(v) for v in VIEWS.values()]) + str(
        dataclasses.asdict(RADIOGRAPHY)
    )
    assert not any(label in words for label in CLASSES)
    assert set(DETECTORS) == set(SCANNERS)
    assert {d.modality for d in DETECTORS.values()} == {"CR", "DX"}
    assert {d.photometric for d in DETECTORS.values()} == {"MONOCHROME1", "MONOCHROME2"}


@pytest.mark.parametrize(("view", "energy"), [("PA", 60), ("AP", 50)])
def test_attenuation_is_that_of_the_stated_energy(view: str, energy: int) -> None:
    assert VIEWS[view].water_per_mm == pytest.approx(WATER[energy] / 10, rel=1e-3)

    def excess(bone: float, water: float) -> float:
        return bone * 1.92 / water - 1.0

    def at_70(table: dict[int, float]) -> float:
        share = np.log(70 / 60) / np.log(80 / 60)
        return float(np.exp((1 - share) * np.log(table[60]) + share * np.log(table[80])))

    gain = excess(BONE[energy], WATER[energy]) / excess(at_70(BONE), at_70(WATER))
    assert VIEWS[view].bone_gain == pytest.approx(gain, rel=0.02)
