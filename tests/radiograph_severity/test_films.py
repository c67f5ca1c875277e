"""What the network is shown of a film, and where the lungs lie."""

from __future__ import annotations

import numpy as np
import pytest

from covidx.errors import InvalidInputError
from covidx.radiograph_severity import RadiographNetwork, box_of_mask, fit_finder, picture_of
from covidx.radiograph_severity.features import WHOLE, symmetric
from covidx.radiograph_severity.lungs import MARGIN
from covidx.radiograph_severity.predict import synthetic_image
from covidx.volume import Volume


def test_symmetric_by_hand() -> None:
    grid = np.array([[[1, 2, 3, 8]]], np.float32)  # (channels, rows, columns)
    assert symmetric(grid).tolist() == [[[4.5, 2.5]]]


def test_a_film_and_its_mirror_image_look_alike() -> None:
    network, picture = RadiographNetwork(), synthetic_image(3)[:, :240]
    one, other = (network.look(p, WHOLE) for p in (picture, np.ascontiguousarray(picture[:, ::-1])))
    np.testing.assert_allclose(one, other, atol=2e-4)
    upside = network.look(np.ascontiguousarray(picture[::-1]), WHOLE)
    assert np.abs(one - upside).max() > 0.1


def test_a_box_is_what_is_looked_at() -> None:
    network, picture = RadiographNetwork(), synthetic_image(4)[:224, :224]
    framed = np.pad(picture, ((0, 224), (224, 0)), constant_values=9.0)
    found = network.look(framed, (0.0, 0.5, 0.5, 1.0))
    np.testing.assert_allclose(found, network.look(picture, WHOLE), atol=1e-3)
    # Brightness and contrast of the display do not matter.
    np.testing.assert_allclose(network.look(picture * 3 + 50, WHOLE), found, atol=1e-3)


def test_boxes_of_masks() -> None:
    mask = np.zeros((10, 20), bool)
    assert box_of_mask(mask) is None
    mask[2:5, 4:6] = True
    assert box_of_mask(mask) == (0.2, 0.5, 0.2, 0.3)


def test_the_finder_finds_and_doubts() -> None:
    rng = np.random.default_rng(0)
    tops = rng.uniform(0.1, 0.3, 60)
    boxes = [(t, t + 0.5, 0.2, 0.8) for t in tops]
    features = np.stack([tops, rng.normal(0, 0.01, 60)], 1).astype(np.float32)
    finder = fit_finder(features, boxes)
    box, doubt = finder(np.array([0.2, 0.0], np.float32))
    # Height 0.5 and width 0.6 gain their margin; the ridge draws a little to the mean.
    expected = (0.2 - MARGIN * 0.5, 0.7 + MARGIN * 0.5, 0.2 - MARGIN * 0.6, 0.8 + MARGIN * 0.6)
    assert box == pytest.approx(expected, abs=0.02) and finder.radiographs == 60
    far, why = finder(np.array([9.0, 0.0], np.float32))
    assert why is not None and all(0 <= edge <= 1 for edge in far)
    assert far[1] > far[0] and far[3] > far[2]
    assert doubt is None or "size" in doubt


def test_a_ct_is_no_film() -> None:
    ct = Volume(np.zeros((1, 8, 8), np.float32), "CT", "hu", "none")
    with pytest.raises(InvalidInputError) as refused:
        picture_of(ct)
    assert refused.value.code == "NOT_RADIOGRAPH"
