"""The control: a threshold in the lungs, chosen on other patients."""

from __future__ import annotations

import numpy as np
import pytest

from covidx.errors import InvalidInputError
from covidx.segmentation import dice
from covidx.segmentation.threshold import CANDIDATES_HU, choose_threshold, threshold_opacities


def test_the_chosen_threshold_has_the_highest_mean_dice() -> None:
    chance = np.random.default_rng(3)
    scans = []
    for shift in (0, 60):
        hu = chance.normal(-850, 80, (4, 20, 20))
        truth = np.zeros(hu.shape, bool)
        truth[:, :6] = True
        hu[truth] += 250 + shift
        lungs = np.ones(hu.shape, bool)
        lungs[:, :, 15:] = False
        scans.append((hu, lungs, truth & lungs))
    scans.append((np.full((1, 2, 2), -850.0), np.ones((1, 2, 2), bool), np.zeros((1, 2, 2), bool)))
    result = choose_threshold(scans)
    means = [
        np.mean(
            [dice(threshold_opacities(hu, lungs, hu_), truth) for hu, lungs, truth in scans[:2]]
        )
        for hu_ in CANDIDATES_HU
    ]
    assert result == CANDIDATES_HU[int(np.argmax(means))]
    assert -800 < result < -600


def test_without_an_opacity_there_is_nothing_to_choose_by() -> None:
    nothing = (np.zeros((1, 2, 2)), np.ones((1, 2, 2), bool), np.zeros((1, 2, 2), bool))
    with pytest.raises(InvalidInputError, match="NO_OPACITIES"):
        choose_threshold([nothing])
