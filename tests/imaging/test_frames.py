"""The working grid: there and back, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from covidx.errors import InvalidInputError
from covidx.imaging.frames import RadiographFraming, VolumeFraming, make_frame
from covidx.volume import Volume


def ct(array: np.ndarray, spacing: tuple[float, float, float]) -> Volume:
    """Columns to the left, rows to the back, slices to the head: reading order already."""
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    return Volume(array, "CT", "hu", "proven", affine)


def framing(**changes: float) -> VolumeFraming:
    return VolumeFraming(input="volume", **{"level": 0.0, "width": 2000.0, **changes})


def test_slices_are_seen_as_means_over_a_slab() -> None:
    hu = np.zeros((9, 4, 4), np.int16)
    hu[4] = 900
    frame = make_frame(ct(hu, (2.0, 2.0, 2.0)), framing(slab_mm=4.0), 2)
    shown = frame.image(0, 9)[:, 0, 0]
    # A slab of 4 mm reaches one slice to each side: 300 HU, (300 + 1000) / 2000 of 255.
    assert shown.tolist() == [128, 128, 128, 166, 166, 166, 128, 128, 128]
    thick = make_frame(ct(hu, (7.0, 2.0, 2.0)), framing(slab_mm=4.0), 2)
    assert thick.image(4, 5)[0, 0, 0] == 242  # the slice alone: 1900 / 2000 of 255


def test_in_3d_slices_lie_a_slab_apart_and_are_interpolated_back() -> None:
    frame = make_frame(ct(np.zeros((9, 4, 4), np.int16), (2.0, 2.0, 2.0)), framing(slab_mm=4.0), 3)
    assert frame.stack.tolist() == [0, 2, 4, 6, 8]
    shares = torch.arange(5.0)[None, :, None, None].expand(1, 5, 4, 4)
    assert [float(frame.to_volume(shares, 0, z)[0, 0, 0]) for z in (0, 1, 2, 7, 8)] == [
        0.0,
        0.5,
        1.0,
        3.5,
        4.0,
    ]
    block = shares[:, 2:4]  # working slices 2 and 3, which lie at slices 4 and 6
    assert float(frame.to_volume(block, 2, 5)[0, 0, 0]) == 2.5


def test_the_grid_follows_the_spacing_and_labels_their_largest_share() -> None:
    hu = np.zeros((9, 8, 12), np.int16)
    frame = make_frame(ct(hu, (5.0, 1.0, 1.0)), framing(pixel_mm=2.0), 2)
    assert (frame.rows, frame.columns) == (4, 6)
    labels = np.zeros(hu.shape, np.uint8)
    labels[:, :, 6:] = 2
    result = frame.labels(labels, 3)
    assert result[0].tolist() == [[0, 0, 0, 2, 2, 2]] * 4
    shares = torch.nn.functional.one_hot(torch.from_numpy(result[:1]).long(), 3)
    again = frame.to_volume(shares.permute(3, 0, 1, 2).float(), 0, 0)
    assert again.shape == (3, 8, 12)
    assert np.array_equal(again.argmax(0).numpy(), labels[0])


def test_a_radiograph_keeps_its_proportions_and_stretches_its_greys() -> None:
    greys = np.tile(np.linspace(50, 90, 100).astype(np.uint8), (50, 1))[None]
    film = Volume(greys, "CR", "display", "none")
    frame = make_frame(film, RadiographFraming(input="radiograph", size=40), 2)
    image = frame.image(0, 1)
    assert image.shape == (1, 20, 40)
    assert image.min() == 0
    assert image.max() == 255


@pytest.mark.parametrize(
    ("volume", "how", "code"),
    [
        (Volume(np.zeros((1, 9, 9)), "CT", "hu", "none"), "radiograph", "NOT_RADIOGRAPH"),
        (Volume(np.zeros((1, 9, 9)), "CR", "display", "none"), "volume", "NOT_CT"),
        (ct(np.zeros((2, 9, 9)), (5, 1, 1)), "volume", "SINGLE_SLICE"),
        (ct(np.zeros((9, 99, 99)), (5, 99, 99)), "volume", "FRAME_TOO_LARGE"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(volume: Volume, how: str, code: str) -> None:
    grid = framing() if how == "volume" else RadiographFraming(input="radiograph")
    with pytest.raises(InvalidInputError, match=code):
        make_frame(volume, grid, 2)
